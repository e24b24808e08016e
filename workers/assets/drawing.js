// A circuit to move about in: what lies under the pointer is said, a click or Enter chooses a node.

import { arranged } from "./arranged.js";
import { clear, coloursAt, put, scaled, size, whenIdle } from "./canvas.js";
import { Sheet } from "./sheet.js";

const MOST_RAISED = 300; // edges of a node that stand out, the strongest: a pointer moves on meanwhile
const MOST_SAID = 160; // letters of a label: the panel has all of it
const NAMES = { q: " (query)", k: " (key)", v: " (value)", r: "" };

// In `place`; `view` is what of the graph is shown (view.js), `whenChosen` and `whenPinned` are called with the
// name of a node when somebody chooses another one ("" is none), or pins one or lets go of it.
export class Drawing {
  constructor(place, graph, view, { whenChosen, whenPinned = () => {} }) {
    Object.assign(this, { place, whenChosen, whenPinned, whole: graph });
    this.ending = new AbortController();
    this.arrange(view);
    this.view = { scale: 1, x: 0, y: 0 };
    this.place.classList.add("live");
    this.below = this.canvas("below");
    this.above = this.canvas("above");
    this.hint = put(this.place, "div", "hint", { hidden: true });
    this.said = put(this.place, "p", "spoken", { role: "status" });
    this.tools();
    this.listen();
    this.fit();
  }

  // Takes what is to be shown; where nothing but the number of edges is other, the sheet stays.
  arrange(view) {
    const before = this.shown;
    this.shown = view;
    const plain = !view.pins.length && !view.groups.length;
    if (plain && before && !before.pins.length && !before.groups.length) this.kept = view.kept;
    else {
      this.graph = arranged(this.whole, view);
      this.sheet = new Sheet(this.graph);
      this.kept = this.graph.kept;
      this.over = { node: -1, edge: -1 };
      if (before) this.sheet.stretch(this.place.clientWidth, this.place.clientHeight);
    }
    this.chosen = this.graph.nodes.indexOf(view.node);
    if (this.chosen >= 0 && this.graph.now?.[this.chosen] !== undefined) this.chosen = this.graph.now[this.chosen];
    if (before) this.later();
  }

  canvas(name) {
    const canvas = put(this.place, "canvas", name);
    if (name === "below") {
      canvas.tabIndex = 0;
      canvas.setAttribute("role", "application");
      canvas.setAttribute("aria-label", "The circuit. Arrow keys go from node to node, Enter chooses one, p pins it, plus and minus zoom, 0 shows all.");
    } else canvas.setAttribute("aria-hidden", "true");
    return canvas;
  }

  tools() {
    const tools = put(this.place, "div", "tools");
    for (const [text, title, act] of [
      ["+", "Zoom in", () => this.zoom(1.4)],
      ["\u2212", "Zoom out", () => this.zoom(1 / 1.4)],
      ["all", "Show all", () => this.fit()],
    ]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.title = title;
      button.setAttribute("aria-label", title);
      button.addEventListener("click", act);
      tools.append(button);
    }
  }

  listen() {
    const canvas = this.below;
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      held = { x: event.clientX, y: event.clientY, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return this.hover(event.offsetX, event.offsetY);
      const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
      if (!held.moved && Math.hypot(dx, dy) < 4) return;
      Object.assign(held, { x: event.clientX, y: event.clientY, moved: true });
      this.view.x += dx;
      this.view.y += dy;
      this.later();
    });
    canvas.addEventListener("pointercancel", () => (held = null)); // the browser scrolls the page with it
    canvas.addEventListener("pointerup", (event) => {
      const clicked = held && !held.moved;
      held = null;
      if (clicked) this.click(event.offsetX, event.offsetY);
    });
    canvas.addEventListener("pointerleave", () => this.hover(-1e6, -1e6));
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // the page scrolls
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    const resized = new ResizeObserver(() => (this.place.clientWidth === this.width ? this.later() : this.fit()));
    resized.observe(this.place);
    this.ending.signal.addEventListener("abort", () => resized.disconnect());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.later(), { signal: this.ending.signal });
  }

  // Leaves nothing in the page that would hold the drawing and its graph.
  end() {
    this.ending.abort();
    if (this.due) cancelAnimationFrame(this.due);
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") this.zoom(1.4);
    else if (event.key === "-") this.zoom(1 / 1.4);
    else if (event.key === "0") this.fit();
    else if (event.key === "Enter" && this.over.node >= 0) this.choose(this.over.node);
    else if (event.key === "p" && this.over.node >= 0 && this.over.node < this.whole.nodes.length) this.whenPinned(this.graph.nodes[this.over.node]);
    else if (event.key === "Escape") this.choose(-1);
    else if (steps[event.key]) this.step(...steps[event.key]);
    else return;
    event.preventDefault();
  }

  // To the nearest node in a direction; to the first one where none has the focus.
  step(dx, dy) {
    const from = this.over.node >= 0 ? this.over.node : this.chosen;
    let [best, found] = [Infinity, from];
    for (const node of this.sheet.shown(this.kept)) {
      if (from < 0) { found = node; break; }
      const [x, y] = [this.sheet.xs[node] - this.sheet.xs[from], this.sheet.ys[node] - this.sheet.ys[from]];
      const along = x * dx + y * dy;
      const across = Math.abs(x * dy) + Math.abs(y * dx);
      if (along > 0 && along + 3 * across < best) [best, found] = [along + 3 * across, node];
    }
    if (found < 0) return;
    this.over = { node: found, edge: -1 };
    const [x, y] = this.onScreen(found);
    const { width, height } = this.place.getBoundingClientRect();
    if (x < 20 || y < 20 || x > width - 20 || y > height - 20) {
      this.view.x += width / 2 - x;
      this.view.y += height / 2 - y;
      this.later();
    } else this.paintAbove();
    this.tell(...this.onScreen(found));
  }

  onScreen(node) {
    return [this.sheet.xs[node] * this.view.scale + this.view.x, this.sheet.ys[node] * this.view.scale + this.view.y];
  }

  fit() {
    const [width, height] = [this.place.clientWidth, this.place.clientHeight];
    this.sheet.stretch(width, height);
    this.view = { scale: 1, x: width / 2, y: height / 2 };
    this.width = width;
    this.later();
  }

  zoom(by, x = this.place.clientWidth / 2, y = this.place.clientHeight / 2) {
    const scale = Math.min(40, Math.max(0.2, this.view.scale * by));
    const by_ = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * by_, y: y - (y - this.view.y) * by_ };
    this.later();
  }

  at(x, y) {
    const [u, v] = [(x - this.view.x) / this.view.scale, (y - this.view.y) / this.view.scale];
    const shown = this.sheet.isShown(this.kept);
    const node = this.sheet.nodes.nearest(u, v, Math.max(this.sheet.half + 4 / this.view.scale, 8 / this.view.scale), (each) => shown[each]);
    if (node >= 0) return { node, edge: -1 };
    const edge = this.sheet.index().nearest(u, v, 8 / this.view.scale, (each) => each < this.kept);
    return { node: -1, edge };
  }

  hover(x, y) {
    const began = performance.now();
    const found = this.at(x, y);
    if (found.node !== this.over.node || found.edge !== this.over.edge) {
      this.over = found;
      this.paintAbove();
    }
    this.tell(x, y);
    this.place.dataset.hoverMs = (performance.now() - began).toFixed(1);
  }

  tell(x, y) {
    const { node, edge } = this.over;
    this.hint.hidden = node < 0 && edge < 0;
    this.below.classList.toggle("pointing", !this.hint.hidden);
    if (this.hint.hidden) return;
    const graph = this.graph;
    const name = (each) => graph.titles[each] ?? graph.nodes[each];
    let text = node >= 0 ? name(node) : "";
    const label = node >= 0 ? graph.labels[graph.nodes[node]] : "";
    if (label) text += `: ${label.length > MOST_SAID ? `${label.slice(0, MOST_SAID)}\u2026` : label}`;
    const many = node >= 0 ? this.sheet.joined.of(node, this.kept).length : 0;
    if (many > MOST_RAISED) text += `, the strongest ${MOST_RAISED} of its ${many.toLocaleString("en")} edges`;
    if (edge >= 0) {
      const [a, b] = [name(graph.senders[edge]), name(graph.receivers[edge])];
      text = `${a} \u2192 ${b}${NAMES[graph.channels[edge]]}  ${graph.scores[edge] ?? "no score"}, ${graph.measured[edge] ? "measured" : "an estimate"}`;
      if (graph.counts?.[edge] > 1) text += `, the sum of ${graph.counts[edge]} edges`;
    }
    this.hint.textContent = text;
    this.said.textContent = text;
    this.hint.style.left = `${Math.max(4, Math.min(x + 12, this.place.clientWidth - this.hint.offsetWidth - 6))}px`;
    this.hint.style.top = `${Math.max(4, y - 30)}px`;
  }

  click(x, y) {
    const { node, edge } = this.at(x, y);
    this.choose(edge >= 0 ? this.graph.receivers[edge] : node);
  }

  choose(node) {
    if (node !== this.chosen) this.whenChosen(node < 0 ? "" : this.graph.nodes[node]);
  }

  later() {
    this.due ??= requestAnimationFrame(() => {
      this.due = null;
      this.paint();
    });
  }

  paint() {
    if (!this.width) return; // it was made before it stood on a page: it fits itself in when it does
    const began = performance.now();
    const colours = coloursAt(this.place);
    for (const canvas of [this.below, this.above]) size(canvas);
    this.below.classList.toggle("zoomed", this.view.scale > 1);
    const context = this.below.getContext("2d");
    clear(context);
    this.sheet.draw(context, scaled(this.view), this.kept, colours, this.chosen >= 0);
    this.paintAbove();
    // Before a pointer comes: it is the one thing about a hover that goes over all edges.
    this.idle ??= whenIdle(() => {
      this.idle = null;
      this.sheet.index();
    });
    this.place.dataset.paintMs = (performance.now() - began).toFixed(1);
  }

  paintAbove() {
    const context = this.above.getContext("2d");
    clear(context);
    const [edges, nodes] = [new Set(), new Set()];
    for (const node of [this.chosen, this.over.node]) {
      if (node < 0) continue;
      nodes.add(node);
      for (const edge of this.sheet.joined.of(node, this.kept).subarray(0, MOST_RAISED)) {
        edges.add(edge);
        nodes.add(this.graph.senders[edge]).add(this.graph.receivers[edge]);
      }
    }
    if (this.over.edge >= 0) {
      edges.add(this.over.edge);
      nodes.add(this.graph.senders[this.over.edge]).add(this.graph.receivers[this.over.edge]);
    }
    if (nodes.size) this.sheet.raise(context, scaled(this.view), edges, nodes, coloursAt(this.place), this.chosen);
  }
}
