// Draws a circuit on a canvas: places from the server, colour for the sign, width for |score|, a
// broken line for the input that is read, a mark at the end filled where the score was measured.

import { Joined, Places } from "./places.js";

const MOST = { step: 110, row: 66, half: 9 }; // pixels at scale 1: between neighbours, rows; half a node
const DASHES = { q: [7, 3], k: [2, 3], v: [10, 3, 2, 3], r: [] };
const SIDES = { q: -1, k: 0.7, v: 1.3, r: -1.6 };
const WIDTHS = [0.5, 0.9, 1.5, 2.4, 3.6];
const CELL = 48;
const MANY = 1500; // edges, past which lines are plain, thin and without marks
const THIN = 0.4; // a line of a pixel or less takes an eighth of the time of a wider one, without a graphics card
const MOST_DETAILED = 100; // edges that are raised with dashes and marks, each of which takes its time

export class Sheet {
  constructor(graph) {
    this.graph = graph;
    this.n = graph.senders.length;
    const largest = Math.max(1e-12, ...chunked(graph.scores, (score) => Math.abs(score ?? 0)));
    // The share of the largest |score|, as its square root: most edges are faint.
    this.strength = Float64Array.from(graph.scores, (score) => Math.sqrt(Math.abs(score ?? 0) / largest));
    this.joined = new Joined(graph.nodes.length, graph.senders, graph.receivers);
    this.ranges = [graph.x, graph.y].map((values) => [Math.min(...values), Math.max(...values)]);
  }

  // Spreads the drawing over so many pixels, which are then scale 1. Both axes stretch by themselves:
  // what matters is the order of nodes, and that their names fit.
  stretch(width, height) {
    const [[left, right], [top, bottom]] = this.ranges;
    this.step = Math.min(MOST.step, (width - 80) / Math.max(1, right - left));
    this.row = Math.min(MOST.row, (height - 60) / Math.max(1, bottom - top));
    this.half = Math.min(MOST.half, this.row * 0.34);
    this.xs = Float64Array.from(this.graph.x, (x) => (x - (left + right) / 2) * this.step);
    this.ys = Float64Array.from(this.graph.y, (y) => (y - (top + bottom) / 2) * this.row);
    this.nodes = new Places(this.xs, this.ys, Uint32Array.from(this.xs.keys()), CELL);
    this.sampled = null;
    this.paths = { kept: -1, groups: [] };
  }

  // Whether nodes have room for their names.
  named(view) {
    return this.half * view.scale >= 6 * view.density && this.step * view.scale >= 34 * view.density;
  }

  ends(edge) {
    const [a, b] = [this.graph.senders[edge], this.graph.receivers[edge]];
    const [x1, y1, x2, y2] = [this.xs[a], this.ys[a] + this.half, this.xs[b], this.ys[b] - this.half];
    const bend = Math.max(this.row / 3, (y2 - y1) / 2);
    // Straight down it would run behind the nodes between: it bows out, each input to its own side.
    const rows = this.graph.y[b] - this.graph.y[a];
    const bow = rows > 1 && Math.abs(x2 - x1) < 0.4 * this.step ? SIDES[this.graph.channels[edge]] * Math.min(0.9 * this.step, 12 + 7 * rows) : 0;
    return [x1, y1, x1 + bow, y1 + bend, x2 + bow, y2 - bend, x2, y2];
  }

  // Every edge as points along its curve, so that the nearest one is found by a look into the grid.
  index() {
    if (this.sampled) return this.sampled;
    const counts = new Uint8Array(this.n);
    let total = 0;
    for (let edge = 0; edge < this.n; edge++) {
      const [x1, y1, , , , , x2, y2] = this.ends(edge);
      counts[edge] = Math.min(40, Math.max(4, Math.ceil(Math.hypot(x2 - x1, y2 - y1) / 16)));
      total += counts[edge] - 1;
    }
    const [xs, ys, owners] = [new Float32Array(total), new Float32Array(total), new Uint32Array(total)];
    let at = 0;
    for (let edge = 0; edge < this.n; edge++) {
      const [x1, y1, x2, y2, x3, y3, x4, y4] = this.ends(edge);
      for (let i = 1; i < counts[edge]; i++) {
        const t = i / counts[edge];
        const [a, b, c, d] = [(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t ** 3];
        xs[at] = a * x1 + b * x2 + c * x3 + d * x4;
        ys[at] = a * y1 + b * y2 + c * y3 + d * y4;
        owners[at++] = edge;
      }
    }
    return (this.sampled = new Places(xs, ys, owners, CELL));
  }

  // One path a look: thousands of edges cost as many strokes as there are looks.
  groups(kept) {
    if (this.paths.kept === kept) return this.paths.groups;
    const groups = new Map();
    for (let edge = kept - 1; edge >= 0; edge--) {
      const sign = (this.graph.scores[edge] ?? 0) < 0 ? "negative" : "positive";
      const width = Math.min(4, Math.floor(this.strength[edge] * 5));
      const key = `${width} ${sign} ${this.graph.channels[edge]}`;
      if (!groups.has(key)) {
        groups.set(key, { sign, width, channel: this.graph.channels[edge], line: new Path2D(), edges: [] });
      }
      const group = groups.get(key);
      this.trace(group.line, edge);
      group.edges.push(edge);
    }
    const ordered = [...groups.values()].sort((a, b) => a.width - b.width);
    this.paths = { kept, groups: ordered };
    return ordered;
  }

  trace(path, edge) {
    const [x1, y1, ...rest] = this.ends(edge);
    path.moveTo(x1, y1);
    path.bezierCurveTo(...rest);
  }

  // All edges and nodes. `view` is scale and shift; `colours` are the page's own.
  draw(context, view, kept, colours, faint) {
    const many = kept > MANY;
    const pixel = view.density / view.scale;
    context.setTransform(view.scale, 0, 0, view.scale, view.x, view.y);
    context.globalAlpha = faint ? 0.1 : many ? 0.75 * Math.sqrt(MANY / kept) : 0.75;
    for (const group of this.groups(kept)) {
      context.strokeStyle = colours[group.sign];
      context.fillStyle = colours[group.sign];
      context.lineWidth = WIDTHS[group.width] * pixel * (many ? THIN : 1);
      context.setLineDash(many ? [] : DASHES[group.channel].map((length) => length * pixel));
      context.stroke(group.line);
      context.setLineDash([]);
      if (!many) this.marks(context, group.edges, colours, 2.3 * pixel);
    }
    context.globalAlpha = 1;
    this.boxes(context, view, colours, this.shown(kept));
    this.tokens(context, view, colours);
  }

  // Under each position of a prompt its token, as far as there is room.
  tokens(context, view, colours) {
    const [[left, right], [top, bottom]] = this.ranges;
    const pixel = view.density / view.scale;
    const columns = this.graph.tokens ?? [];
    const gap = columns.reduce((least, [x], at) => (at ? Math.min(least, x - columns[at - 1][0]) : least), 3);
    if (gap * this.step < 14 * pixel) return;
    context.fillStyle = colours.ink;
    context.font = `${11 * pixel}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace`;
    context.textAlign = "center";
    context.textBaseline = "top";
    const y = ((bottom - top) / 2) * this.row + this.half + 8 * pixel;
    for (const [x, text] of columns) context.fillText(text, (x - (left + right) / 2) * this.step, y, gap * this.step - 4 * pixel);
  }

  // At the end of edges of one colour: filled where measured, hollow where estimated.
  marks(context, edges, colours, radius) {
    for (const measured of [true, false]) {
      context.beginPath();
      for (const edge of edges) {
        if (this.graph.measured[edge] !== measured) continue;
        const [x, y] = this.ends(edge).slice(6);
        context.moveTo(x + radius, y - radius * 0.6);
        context.arc(x, y - radius * 0.6, radius, 0, 7);
      }
      context.fillStyle = measured ? context.strokeStyle : colours.sheet;
      context.fill();
      context.lineWidth = radius / 2;
      context.stroke();
    }
  }

  // Some edges and nodes over the others.
  raise(context, view, edges, nodes, colours, chosen) {
    context.setTransform(view.scale, 0, 0, view.scale, view.x, view.y);
    const pixel = view.density / view.scale;
    const plain = edges.size > MOST_DETAILED;
    for (const edge of [...edges].reverse()) {
      const line = new Path2D();
      this.trace(line, edge);
      context.strokeStyle = colours[(this.graph.scores[edge] ?? 0) < 0 ? "negative" : "positive"];
      context.lineWidth = (0.8 + 3 * this.strength[edge]) * pixel;
      if (!plain) context.setLineDash(DASHES[this.graph.channels[edge]].map((length) => length * pixel));
      context.stroke(line);
      context.setLineDash([]);
      if (!plain) this.marks(context, [edge], colours, 3 * pixel);
    }
    this.boxes(context, view, colours, nodes, chosen);
  }

  // Which nodes are drawn: the ends of edges, and those that are always there.
  isShown(kept) {
    if (this.flags?.kept === kept) return this.flags.found;
    const found = new Uint8Array(this.graph.nodes.length);
    for (let edge = 0; edge < kept; edge++) found[this.graph.senders[edge]] = found[this.graph.receivers[edge]] = 1;
    for (const node of this.graph.always ?? []) found[node] = 1;
    this.flags = { kept, found };
    return found;
  }

  shown(kept) {
    const found = this.isShown(kept);
    return [...found.keys()].filter((node) => found[node]);
  }

  // A node's name; a group's own, which may be long.
  title(node) {
    const name = this.graph.titles?.[node];
    if (name === undefined) return this.graph.nodes[node];
    return name.length > 14 ? `${name.slice(0, 13)}\u2026` : name;
  }

  boxes(context, view, colours, nodes, chosen = -1) {
    const named = this.named(view);
    const held = new Set(this.graph.always);
    const pixel = view.density / view.scale;
    const size = Math.min(15, 10.5 * Math.sqrt(Math.max(1, 1 / pixel))) * pixel;
    context.lineWidth = pixel;
    context.font = `${size}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const node of nodes) {
      const [x, y, name] = [this.xs[node], this.ys[node], this.title(node)];
      const half = named ? Math.min(this.step / 2 - 1, 0.31 * size * name.length + 4 * pixel) : Math.min(3.5 * pixel, this.half);
      const tall = named ? this.half : half;
      context.beginPath();
      context.roundRect(x - half, y - tall, 2 * half, 2 * tall, named ? 3 * pixel : half);
      context.fillStyle = node === chosen ? colours.chosen : colours.sheet;
      context.strokeStyle = held.has(node) || this.graph.labels[this.graph.nodes[node]] ? colours.accent : colours.ink;
      context.lineWidth = (held.has(node) ? 2.5 : 1) * pixel;
      context.fill();
      context.stroke();
      if (!named) continue;
      context.fillStyle = colours.ink;
      context.fillText(name, x, y + 0.5 * pixel, this.step - 4 * pixel);
    }
  }
}

function* chunked(values, of) {
  // Spread over all of a long list would be too many arguments: the largest of each thousand.
  for (let at = 0; at < values.length; at += 1000) {
    let most = 0;
    for (const value of values.slice(at, at + 1000)) most = Math.max(most, of(value));
    yield most;
  }
}
