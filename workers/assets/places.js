// Finds what lies under the pointer, and what joins it, without looking at everything: a grid of cells
// over the sheet, and for each node a list of its edges.

// Points with numbers, by cell: a counting sort into two typed arrays.
export class Places {
  constructor(xs, ys, owners, cell) {
    this.xs = xs;
    this.ys = ys;
    this.owners = owners;
    this.cell = cell;
    this.low = [Infinity, Infinity];
    let [right, bottom] = [-Infinity, -Infinity];
    for (let i = 0; i < xs.length; i++) {
      this.low[0] = Math.min(this.low[0], xs[i]);
      this.low[1] = Math.min(this.low[1], ys[i]);
      right = Math.max(right, xs[i]);
      bottom = Math.max(bottom, ys[i]);
    }
    this.columns = xs.length ? Math.floor((right - this.low[0]) / cell) + 1 : 0;
    this.rows = xs.length ? Math.floor((bottom - this.low[1]) / cell) + 1 : 0;
    this.starts = new Uint32Array(this.columns * this.rows + 1);
    const at = new Uint32Array(xs.length);
    for (let i = 0; i < xs.length; i++) {
      at[i] = this.column(xs[i]) + this.columns * this.row(ys[i]);
      this.starts[at[i] + 1]++;
    }
    for (let i = 1; i < this.starts.length; i++) this.starts[i] += this.starts[i - 1];
    const next = this.starts.slice();
    this.points = new Uint32Array(xs.length);
    for (let i = 0; i < xs.length; i++) this.points[next[at[i]]++] = i;
  }

  column(x) {
    return Math.floor((x - this.low[0]) / this.cell);
  }

  row(y) {
    return Math.floor((y - this.low[1]) / this.cell);
  }

  // The owner of the nearest point within so much, for which `passes` holds; -1 where there is none.
  nearest(x, y, reach, passes = () => true) {
    let [best, found] = [reach * reach, -1];
    const [left, right] = [Math.max(0, this.column(x - reach)), Math.min(this.columns - 1, this.column(x + reach))];
    const [top, bottom] = [Math.max(0, this.row(y - reach)), Math.min(this.rows - 1, this.row(y + reach))];
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const cell = column + row * this.columns;
        for (let i = this.starts[cell]; i < this.starts[cell + 1]; i++) {
          const point = this.points[i];
          const distance = (this.xs[point] - x) ** 2 + (this.ys[point] - y) ** 2;
          if (distance < best && passes(this.owners[point])) [best, found] = [distance, this.owners[point]];
        }
      }
    }
    return found;
  }
}

// Each node's edges by number, which is by strength.
export class Joined {
  constructor(nodes, senders, receivers) {
    this.starts = new Uint32Array(nodes + 1);
    for (const ends of [senders, receivers]) for (const node of ends) this.starts[node + 1]++;
    for (let node = 1; node <= nodes; node++) this.starts[node] += this.starts[node - 1];
    const next = this.starts.slice();
    this.edges = new Uint32Array(2 * senders.length);
    for (let edge = 0; edge < senders.length; edge++) {
      this.edges[next[senders[edge]]++] = edge;
      this.edges[next[receivers[edge]]++] = edge;
    }
  }

  // Those of a node among the first `kept` of all.
  of(node, kept) {
    const [begin, end] = [this.starts[node], this.starts[node + 1]];
    let last = begin;
    while (last < end && this.edges[last] < kept) last++;
    return this.edges.subarray(begin, last);
  }
}
