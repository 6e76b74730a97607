/* The votes of one reviewer: what they are, the way back, where they are kept, and the file that hardmine.load_reviews reads. */

class Votes {
  constructor(data) {
    this.data = data;
    this.of = new Array(data.rows.length).fill(null);
    this.reviewer = "";
    this.steps = []; // each a list of [pair, vote before], so that what was loaded goes in one step
    this.place = new Map(data.rows.map((row, pair) => [`${row} ${data.cols[pair]}`, pair]));
    this.key = `${data.format} ${data.fingerprint}`;
    this.exported = true;
  }

  cast(changes) {
    const real = changes.filter(([pair, vote]) => this.of[pair] !== vote);
    if (real.length === 0) return 0;
    this.steps.push(real.map(([pair]) => [pair, this.of[pair]]));
    for (const [pair, vote] of real) this.of[pair] = vote;
    this.exported = false;
    return real.length;
  }

  /** Takes the last step back; returns its pairs, or null if there is none. */
  undo() {
    const step = this.steps.pop();
    if (!step) return null;
    for (const [pair, vote] of step) this.of[pair] = vote;
    this.exported = false;
    return step.map(([pair]) => pair);
  }

  counts() {
    const counts = Object.fromEntries(this.data.choices.map((choice) => [choice, 0]));
    for (const vote of this.of) if (vote) counts[vote] += 1;
    return counts;
  }

  /** Whether the browser keeps them: it may forbid that, of files above all, or have no room. */
  keep() {
    const letters = this.of.map((vote) => (vote ? vote[0] : "-")).join("");
    try {
      localStorage.setItem(this.key, JSON.stringify({ reviewer: this.reviewer, votes: letters }));
      return true;
    } catch {
      return false;
    }
  }

  recall() {
    try {
      const kept = JSON.parse(localStorage.getItem(this.key));
      if (typeof kept?.reviewer !== "string" || kept.votes?.length !== this.of.length) return;
      this.reviewer = kept.reviewer;
      this.of = Array.from(kept.votes, (letter) => this.data.choices.find((choice) => choice[0] === letter) ?? null);
      this.steps = [];
    } catch {
      // nothing that this page wrote
    }
  }

  file() {
    const { format, version, title, fingerprint, rows, cols } = this.data;
    const head = { format, version, title, fingerprint, pairs: rows.length, reviewer: this.reviewer.trim() };
    const entries = [];
    this.of.forEach((vote, pair) => {
      if (vote) entries.push(JSON.stringify({ row: rows[pair], col: cols[pair], vote }));
    });
    const votes = entries.length ? `[\n  ${entries.join(",\n  ")}\n ]` : "[]";
    return `${JSON.stringify(head, null, 1).slice(0, -2)},\n "votes": ${votes}\n}\n`;
  }

  /** The reviewer and the changes that a file holds, as `cast` takes them; an error says what is wrong with it. */
  read(text) {
    let file;
    try {
      file = JSON.parse(text);
    } catch {
      throw new Error("expected votes that this page exported, got no JSON");
    }
    if (file?.format !== this.data.format) throw new Error("expected votes that this page exported, got other JSON");
    if (file.version !== this.data.version) throw new Error(`version: expected ${this.data.version}, got ${file.version}`);
    if (file.fingerprint !== this.data.fingerprint) {
      throw new Error(`expected votes of this page, got those of another one: “${file.title}”`);
    }
    const reviewer = typeof file.reviewer === "string" ? file.reviewer.trim() : "";
    if (!reviewer) throw new Error("reviewer: expected a name");
    const own = this.reviewer.trim();
    if (own && own !== reviewer) {
      throw new Error(`these are votes of ${reviewer}, and the reviewer here is ${own}: change the name to load them`);
    }
    if (!Array.isArray(file.votes)) throw new Error("votes: expected a list");
    const seen = new Set();
    const changes = file.votes.map((entry, at) => {
      const pair = this.place.get(`${entry?.row} ${entry?.col}`);
      if (pair === undefined) throw new Error(`votes[${at}]: expected a pair of this page`);
      if (seen.has(pair)) throw new Error(`votes[${at}]: expected each pair once`);
      if (!this.data.choices.includes(entry.vote)) throw new Error(`votes[${at}].vote: expected ${this.data.choices.join(", ")}`);
      seen.add(pair);
      return [pair, entry.vote];
    });
    return { reviewer, changes };
  }
}
