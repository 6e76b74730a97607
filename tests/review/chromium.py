"""A review page in headless Chromium, as a reviewer has it: keys go in, what is seen comes out."""

import contextlib
import json
import pathlib
import shutil

import pytest

SIZES = {"wide": (1280, 860), "narrow": (400, 800)}


@contextlib.contextmanager
def chromium(downloads=None):
    """A driver, or a skip that says what to install."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs Selenium: pip install selenium")
    from selenium.webdriver.chrome.service import Service

    browser, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    if downloads is not None:
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    opened = webdriver.Chrome(options, Service(driver))
    try:
        yield opened
    finally:
        opened.quit()


class Page:
    """One page, opened without what was kept of it before."""

    def __init__(self, driver, path, size="wide", dark=False):
        self.driver, self.path = driver, pathlib.Path(path)
        self.resize(*SIZES[size])
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        if driver.current_url.startswith("file:"):
            driver.execute_script("localStorage.clear()")  # of all files
        self.reload()

    def resize(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def reload(self):
        self.driver.execute_script("window.onbeforeunload = null")
        self.driver.get(self.path.as_uri())

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def settled(self):
        """Once two frames have been drawn."""
        self.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def press(self, *keys):
        """Keys, to whatever has the focus."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def choose(self, selector, text):
        """The option of a <select> that begins with a text."""
        self.run(
            """const control = document.querySelector(arguments[0]);
            control.selectedIndex = [...control.options].findIndex((one) => one.text.startsWith(arguments[1]));
            control.dispatchEvent(new Event("change", { bubbles: true }))""",
            selector, text,
        )  # fmt: skip

    def name_reviewer(self, name):
        field = self.one("#reviewer")
        field.clear()
        field.send_keys(name, "\n")

    def rows(self):
        """(pair, vote, current) of the rows in the document, in its order."""
        return self.run(
            """return [...document.querySelectorAll("#pairs > .pair")].map((row) => [Number(row.dataset.pair),
            row.querySelector("[aria-pressed=true]")?.dataset.vote ?? null, row.classList.contains("current")])"""
        )

    def votes(self):
        """The vote of each pair that has one; rows in sight show the same."""
        votes = self.run("return votes.of")
        assert [vote for _, vote, _ in self.rows()] == [votes[pair] for pair, _, _ in self.rows()]
        return {pair: vote for pair, vote in enumerate(votes) if vote}

    @property
    def current(self):
        (pair,) = (pair for pair, _, current in self.rows() if current)
        return pair

    def listed(self):
        """How many pairs the filters let through."""
        return self.run("return Number(document.querySelector('#pairs > .pair')?.getAttribute('aria-setsize') ?? 0)")

    def loads(self, path):
        """Load a file of votes; what the page says then."""
        self.run("say('')")
        self.one("#votes-file").send_keys(str(path))
        self.wait(lambda: self.text("#message"))
        return self.text("#message")

    def exports(self, downloads):
        """Press "Export votes"; the file."""
        before = set(downloads.iterdir())
        self.one("#export").click()
        self.wait(lambda: [path for path in set(downloads.iterdir()) - before if path.suffix == ".json"])
        (path,) = set(downloads.iterdir()) - before
        json.loads(path.read_text(encoding="utf-8"))
        return path

    def wait(self, condition):
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, 20, poll_frequency=0.02).until(lambda _: condition())
