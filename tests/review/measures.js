/* What test_display.py measures of a page in the browser: each function returns what it found. */

const luminance = (color) => {
  const linear = color.slice(0, 3).map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};
const numbers = (text) => text.match(/[\d.]+/g).map(Number);

function ground(element) {
  for (let one = element; one; one = one.parentElement) {
    const color = numbers(getComputedStyle(one).backgroundColor);
    if (color[3] === undefined || color[3] === 1) return color;
  }
}

/** WCAG's contrast of each text that is seen with what is behind it; disabled controls are exempt. */
function contrasts() {
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!(text || element.matches("input")) || element.matches(":disabled, :disabled *, script, option")) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const [dark, light] = [numbers(getComputedStyle(element).color), ground(element)].map(luminance).sort((a, b) => a - b);
    found.push([(light + 0.05) / (dark + 0.05), `${element.tagName} ${element.className} ${element.textContent.slice(0, 20)}`]);
  }
  return found;
}

const controls = () => [...document.querySelectorAll("button, select, input")].filter((one) => one.checkVisibility());
const unnamed = () =>
  controls().filter((one) => !(one.matches("button") ? one.textContent : one.labels[0]?.textContent)?.trim()).map((one) => one.outerHTML);
const small = () =>
  controls().filter((one) => Math.min(one.getBoundingClientRect().width, one.getBoundingClientRect().height) < 24).length;
const sideways = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;

/** Parts of rows that reach beyond their row. */
function cut() {
  return [...document.querySelectorAll(".pair > *")].filter((part) => {
    const [inner, outer] = [part.getBoundingClientRect(), part.parentElement.getBoundingClientRect()];
    return inner.top < outer.top - 0.5 || inner.bottom > outer.bottom + 0.5 || inner.right > outer.right + 0.5;
  }).length;
}

/** Heights in sight where the list has a place, and no row stands. */
function uncovered() {
  const list = document.getElementById("pairs").getBoundingClientRect();
  const found = [];
  const top = Math.max(document.getElementById("bar").getBoundingClientRect().bottom, list.top) + 1;
  for (let y = top; y < Math.min(innerHeight, list.bottom) - 1; y += 20) {
    if (!document.elementFromPoint(innerWidth / 2, y)?.closest(".pair")) found.push(y);
  }
  return found;
}

function currentIsSeen() {
  const row = document.querySelector(".current").getBoundingClientRect();
  const bar = document.getElementById("bar").getBoundingClientRect();
  return row.top >= bar.bottom - 1 && row.bottom <= innerHeight + 1;
}
