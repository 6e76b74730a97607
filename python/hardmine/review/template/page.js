/* The page: what its controls and keys do with the votes and the list. */

const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const votes = new Votes(data);
let said = 0;

function say(text) {
  at("message").textContent = text;
  clearTimeout(said);
  if (text) said = setTimeout(() => say(""), 8000);
}

/* Rows */

function named(side, row) {
  const [name, image] = data.sides[side][row];
  return { name: name || `Row ${row}`, row: name ? `row ${row}` : "", source: image < 0 ? null : data.images[image] };
}

function make() {
  return at("pair").content.firstElementChild.cloneNode(true);
}

function fill(row, pair) {
  const part = (selector) => row.querySelector(selector);
  const sides = [named(0, data.rows[pair]), named(1, data.cols[pair])];
  const vote = votes.of[pair];
  if (!row.dataset.filled) {
    row.dataset.filled = "yes";
    part(".place").textContent = number(pair + 1);
    part(".distance").textContent = data.distances[pair];
    part(".distance").title = `distance ${data.distances[pair]}`;
    const told = { ".class": data.classes ? data.classNames[data.classes[pair]] : "", ".note": data.notes ? data.notes[pair] : "" };
    for (const [selector, text] of Object.entries(told)) part(selector).textContent = part(selector).title = text;
    row.querySelectorAll(".side").forEach((figure, side) => {
      const { name, row: label, source } = sides[side];
      const [caption, where, image] = [".name", ".row", "img"].map((selector) => figure.querySelector(selector));
      caption.title = name;
      caption.replaceChildren(...name.split(/(?<=[/_-])/).flatMap((part) => [part, document.createElement("wbr")]));
      where.textContent = label;
      if (!source) return image.remove();
      image.alt = name;
      image.onload = () => image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= 64);
      image.src = source;
    });
  }
  row.setAttribute("aria-label", `Pair ${pair + 1}, distance ${data.distances[pair]}: ${sides[0].name} and ${sides[1].name}. ${vote ?? "No vote"}`);
  part(".votes").setAttribute("aria-label", `Vote on pair ${pair + 1}`);
  for (const button of row.querySelectorAll("[data-vote]")) button.setAttribute("aria-pressed", button.dataset.vote === vote);
}

const list = new PairList(at("pairs"), at("bar"), { make, fill, moved() {} });

/* What is shown */

function shown() {
  const wanted = at("class").value;
  const kind = at("vote").value;
  const pairs = [];
  for (let pair = 0; pair < votes.of.length; pair += 1) {
    if (wanted !== "" && data.classes?.[pair] !== Number(wanted)) continue;
    if (kind === "none" ? votes.of[pair] : kind && votes.of[pair] !== kind) continue;
    pairs.push(pair);
  }
  return pairs;
}

function tally() {
  const counts = votes.counts();
  const all = votes.of.length;
  const done = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const part = (kind, text) => Object.assign(document.createElement("span"), { className: kind, textContent: text });
  const total = part("", "");
  total.append(Object.assign(document.createElement("strong"), { textContent: number(done) }), ` of ${number(all)} voted`);
  at("tally").replaceChildren(total, ...data.choices.filter((choice) => counts[choice]).map((choice) => part(choice, `${number(counts[choice])} ${choice}`)));
  for (const choice of data.choices) at("progress").querySelector(`.${choice}`).style.width = `${(100 * counts[choice]) / Math.max(1, all)}%`;
  at("progress").setAttribute("aria-valuemax", all);
  at("progress").setAttribute("aria-valuenow", done);
  at("progress").setAttribute("aria-valuetext", `${done} of ${all}`);
  at("undo").disabled = votes.steps.length === 0;
  at("empty").hidden = list.pairs.length > 0;
  at("empty").textContent = all ? "No pair is left with these filters." : "There are no pairs to look at.";
  classes();
  return { done, all };
}

/** The classes with what is left of each; the control is made once, its words change. */
function classes() {
  if (!data.classes) return;
  const [left, size] = [data.classNames.map(() => 0), data.classNames.map(() => 0)];
  data.classes.forEach((one, pair) => {
    size[one] += 1;
    if (!votes.of[pair]) left[one] += 1;
  });
  data.classNames.forEach((name, one) => {
    const words = `${name || "No class"} · ${left[one] ? `${number(left[one])} of ${number(size[one])} left` : "done"}`;
    const option = at("class").options[one + 1];
    if (option.textContent !== words) option.textContent = words;
  });
}

function keep() {
  const kept = votes.keep();
  at("kept").textContent = kept ? "Votes stay in this browser." : "This browser keeps no votes for this page: export them before you close it.";
  window.onbeforeunload = kept || votes.exported ? null : (event) => event.preventDefault();
}

/** After votes have changed: the list again, from a pair on that was in sight before. */
function changed(pairs, place) {
  list.refresh(pairs);
  const before = list.pair;
  const now = shown();
  list.show(now, Math.max(0, place ?? now.indexOf(before)));
  keep();
  return tally();
}

/* What reviewers do */

function vote(choice) {
  const pair = list.pair;
  if (pair === undefined) return;
  votes.cast([[pair, choice]]);
  const place = list.current;
  const { done, all } = changed([pair], place);
  if (list.pair === pair && list.current + 1 < list.pairs.length) list.go(list.current + 1);
  else if (list.pairs.length) list.go(list.current);
  say(done === all ? `All ${number(all)} pairs have a vote. Export them when you are done.` : "");
}

function press(row, choice) {
  const pair = Number(row.dataset.pair);
  votes.cast([[pair, votes.of[pair] === choice ? null : choice]]);
  say("");
  changed([pair], list.pairs.indexOf(pair));
  if (!row.isConnected) list.go(list.current); // the filters let it through no longer, and the focus was in it
}

function undo() {
  const pairs = votes.undo();
  if (!pairs) return say("Nothing to undo.");
  changed(pairs);
  const place = list.pairs.indexOf(pairs[0]);
  if (place >= 0) list.go(place);
  say(pairs.length === 1 ? `Undone: pair ${pairs[0] + 1} has ${votes.of[pairs[0]] ? `the vote “${votes.of[pairs[0]]}”` : "no vote"} again.` : `Undone: ${number(pairs.length)} votes.`);
}

function next() {
  const after = [...list.pairs.keys()].map((place) => (list.current + 1 + place) % list.pairs.length);
  const place = after.find((one) => !votes.of[list.pairs[one]]);
  if (place === undefined) say("Every pair here has a vote.");
  else list.go(place);
}

function exportVotes() {
  if (!votes.reviewer.trim()) {
    say("Who voted? Enter a reviewer's name first.");
    return at("reviewer").focus();
  }
  const plain = (text) => text.normalize("NFKC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60);
  const name = ["votes", plain(data.title), plain(votes.reviewer)].filter(Boolean).join("-") + ".json";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([votes.file()], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  votes.exported = true;
  keep();
  say(`Exported ${number(votes.of.filter(Boolean).length)} votes as ${name}.`);
}

async function loadVotes(file) {
  try {
    const { reviewer, changes } = votes.read(await file.text());
    votes.reviewer = at("reviewer").value = reviewer;
    const count = votes.cast(changes);
    changed(changes.map(([pair]) => pair));
    say(`Loaded ${number(changes.length)} votes of ${reviewer}; ${number(count)} of them new or changed.`);
  } catch (error) {
    say(`${file.name}: ${error.message}`);
  }
}

/* Keys: letters as the keyboard has them, digits where it has others */

const KEYS = {
  s: () => vote("same"), d: () => vote("different"), u: () => vote("unsure"),
  Digit1: () => vote("same"), Digit2: () => vote("different"), Digit3: () => vote("unsure"),
  z: undo, Backspace: undo, n: next,
  ArrowDown: () => list.go(list.current + 1), ArrowUp: () => list.go(list.current - 1),
  j: () => list.go(list.current + 1), k: () => list.go(list.current - 1),
  Home: () => list.go(0), End: () => list.go(list.pairs.length - 1),
};
const REPEATED = new Set(["ArrowDown", "ArrowUp", "j", "k"]); // a key held down must not vote

addEventListener("keydown", (event) => {
  if (event.target.closest("input, select") || event.altKey) return;
  if ((event.ctrlKey || event.metaKey) && event.key !== "z") return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const known = KEYS[name] ? name : event.code;
  if (!KEYS[known] || (event.repeat && !REPEATED.has(known))) return;
  event.preventDefault();
  KEYS[known]();
});

at("pairs").addEventListener("click", (event) => {
  const button = event.target.closest("[data-vote]");
  if (button) press(button.closest(".pair"), button.dataset.vote);
});
at("undo").onclick = undo;
at("export").onclick = exportVotes;
at("load").onclick = () => at("votes-file").click();
at("votes-file").onchange = async ({ target }) => {
  if (target.files[0]) await loadVotes(target.files[0]);
  target.value = ""; // so that the same file can be loaded again
};
at("reviewer").oninput = ({ target }) => {
  votes.reviewer = target.value;
  keep();
};
at("reviewer").onkeydown = (event) => {
  if (event.key === "Enter") list.go(list.current);
};
for (const id of ["class", "vote"]) {
  at(id).onchange = () => {
    const before = list.pair;
    const pairs = shown();
    list.show(pairs, Math.max(0, pairs.indexOf(before)));
    tally();
    list.go(list.current);
    at(id).focus({ preventScroll: true });
    say(`${number(pairs.length)} pairs.`);
  };
}
addEventListener("storage", (event) => { // the same page in another tab
  if (event.key === votes.key) start();
});

/* Start */

function start() {
  votes.recall();
  at("reviewer").value = votes.reviewer;
  changed([...votes.of.keys()]);
}

const option = (value, text) => new Option(text, value);
at("class").append(option("", "All classes"), ...data.classNames.map((name, one) => option(String(one), name)));
at("vote").append(option("", "All pairs"), option("none", "Without a vote"), ...data.choices.map((choice) => option(choice, `Voted ${choice}`)));
at("class-filter").hidden = !data.classes;
at("count").textContent = `${number(data.rows.length)} pairs${data.ordered ? ", nearest first" : ""}.`;
document.documentElement.style.setProperty("--thumbnail", `${data.thumbnail}px`);
document.documentElement.classList.toggle("bare", !data.thumbnail);
list.measure();
start();
