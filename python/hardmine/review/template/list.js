/* The list of pairs, of which only the rows in sight (and the current one) are in the document. All rows are equally high. */

class PairList {
  /** `make()` is an empty row, `fill(row, pair)` shows a pair in it, `moved()` is called when another one is current. */
  constructor(element, bar, { make, fill, moved }) {
    Object.assign(this, { element, bar, make, fill, moved });
    this.pairs = [];
    this.current = 0; // a place among this.pairs
    this.rows = new Map(); // by pair
    this.waiting = false;
    this.height = 1;
    const later = () => {
      if (!this.waiting) requestAnimationFrame(() => this.draw());
      this.waiting = true;
    };
    addEventListener("scroll", later, { passive: true });
    new ResizeObserver(() => this.measure()).observe(element);
    addEventListener("resize", () => this.measure());
    element.addEventListener("focusin", (event) => this.select(event.target.closest(".pair")));
    element.addEventListener("pointerdown", (event) => this.select(event.target.closest(".pair")));
  }

  measure() {
    const probe = this.make();
    probe.style.visibility = "hidden";
    this.element.append(probe);
    const height = probe.getBoundingClientRect().height;
    probe.remove();
    if (height === this.height) return this.draw();
    const above = this.element.getBoundingClientRect().top - this.bar.offsetHeight;
    const first = Math.max(0, -above / this.height);
    this.height = height;
    this.resize();
    if (above < 0) scrollBy(0, this.element.getBoundingClientRect().top - this.bar.offsetHeight + first * height);
    this.draw();
  }

  resize() {
    this.element.style.height = `${this.pairs.length * this.height}px`;
  }

  show(pairs, current) {
    this.pairs = pairs;
    this.current = Math.max(0, Math.min(current, pairs.length - 1));
    this.resize();
    this.draw();
  }

  get pair() {
    return this.pairs[this.current];
  }

  draw() {
    this.waiting = false;
    const top = -this.element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / this.height) - 2);
    const last = Math.min(this.pairs.length, Math.ceil((top + innerHeight) / this.height) + 2);
    const wanted = new Map();
    for (let place = first; place < last; place += 1) wanted.set(this.pairs[place], place);
    if (this.pairs.length) wanted.set(this.pair, this.current); // it may have the focus
    for (const [pair, row] of this.rows) {
      if (wanted.has(pair)) continue;
      row.remove();
      this.rows.delete(pair);
    }
    for (const [pair, place] of wanted) {
      let row = this.rows.get(pair);
      if (!row) {
        row = this.make();
        row.dataset.pair = pair;
        this.fill(row, pair);
        this.rows.set(pair, row);
      }
      row.style.transform = `translateY(${place * this.height}px)`;
      row.setAttribute("aria-posinset", place + 1);
      row.setAttribute("aria-setsize", this.pairs.length);
      row.classList.toggle("current", place === this.current);
      row.tabIndex = place === this.current ? 0 : -1;
      // Tab and screen readers follow the document's order.
      const after = this.rowAfter(place, wanted);
      if (row.nextElementSibling !== after || !row.isConnected) this.element.insertBefore(row, after);
    }
  }

  rowAfter(place, wanted) {
    for (const row of this.element.children) {
      const other = wanted.get(Number(row.dataset.pair));
      if (other !== undefined && other > place) return row;
    }
    return null;
  }

  refresh(pairs) {
    for (const pair of pairs) if (this.rows.has(pair)) this.fill(this.rows.get(pair), pair);
  }

  select(row) {
    const place = row ? this.pairs.indexOf(Number(row.dataset.pair)) : -1;
    if (place < 0 || place === this.current) return;
    this.current = place;
    this.draw();
    this.moved();
  }

  /** Makes a place the current one, at the height that the eye is used to: below the bar, the one before it in sight. */
  go(place) {
    if (!this.pairs.length) return;
    this.current = Math.max(0, Math.min(place, this.pairs.length - 1));
    const room = innerHeight - this.bar.offsetHeight;
    const above = Math.max(0, Math.min(this.height, room - this.height - 8));
    scrollTo(0, scrollY + this.element.getBoundingClientRect().top + this.current * this.height - this.bar.offsetHeight - above);
    this.draw();
    this.rows.get(this.pair).focus({ preventScroll: true });
    this.moved();
  }
}
