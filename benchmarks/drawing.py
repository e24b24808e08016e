"""How long a drawing of 2,000 nodes and 20,000 edges takes to paint and to answer the pointer.

    python -m benchmarks.drawing [--hovers 200] [--write]

In chromium without a head, software rendering. One node reads from all those before it, so that
the worst hover raises 1,950 edges. A hover is timed from the pointer's event until its function is
done, until the canvas can be read back (all strokes are made), and to the end of the next frame.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import psutil
from playwright.sync_api import Page

from benchmarks.page import put, versions
from graph_schema.reports.drawn_circuit import DrawnCircuit
from tests.workers.web.chrome import running_chrome
from tests.workers.web.large import DRAW, LAYERS, bare_page, graph_of, large_edges

PAINT_MS, HOVER_MS = 1000.0, 50.0
TIMED = ("function", "strokes", "frame")
FIRST = """
async () => {
  const { sheet } = drawing;
  const sampled = !!sheet.sampled;
  sheet.sampled = null;
  const began = performance.now();
  sheet.index();
  return [sampled, performance.now() - began];
}
"""
HOVER = """
async (places) => {
  const { sheet, view, below, above } = drawing;
  const box = below.getBoundingClientRect();
  const found = [];
  for (const [what, number] of places) {
    const from = what === "node" ? sheet : sheet.index();
    const [x, y] = [from.xs[number], from.ys[number]];
    const clientX = x * view.scale + view.x + box.left;
    const clientY = y * view.scale + view.y + box.top;
    await frame();
    const began = performance.now();
    below.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
    const done = performance.now() - began;
    above.getContext("2d").getImageData(0, 0, 1, 1);
    const read = performance.now() - began;
    await frame();
    found.push([done, read, performance.now() - began]);
  }
  return found;
}
"""


def measure(page: Page, graph: dict[str, Any], n_hovers: int) -> list[tuple[str, list[float]]]:
    """Milliseconds of everything: one, or one a hover."""
    painted = page.evaluate(DRAW, graph)
    page.wait_for_timeout(1500)
    sampled, index = page.evaluate(FIRST)
    assert sampled, "the index was to be made while nobody pointed at anything"
    nodes = [["node", 7 * i % len(graph["nodes"])] for i in range(n_hovers)]
    edges = [["edge", 997 * i] for i in range(n_hovers)]
    found = [("paint, all of it", [painted]), ("index of edges, while idle", [index])]
    hub = [["node", len(graph["nodes"]) - 1]]
    hubs = [each for place in nodes[:10] for each in (place, *hub)]
    for name, places in (("a node", nodes), ("an edge", edges), ("the hub", hubs)):
        times = page.evaluate(HOVER, places)
        if places is hubs:
            times = times[1::2]
        for what, column in zip(TIMED, zip(*times, strict=True), strict=True):
            found.append((f"hover over {name}, {what}", list(column)))
    return found


def section(found: Sequence[tuple[str, list[float]]], layout: float, size: int) -> str:
    """What was measured, as Markdown."""
    worst = max(_late(times) for name, times in found if name.startswith("hover"))
    painted = dict(found)["paint, all of it"][0]
    lines = [
        "## A large drawing",
        "",
        "`python -m benchmarks.drawing`: 2,000 nodes, 20,000 edges, one node with 1,950 of them, "
        "in 1,400 by 1,000 pixels of chromium without a head, "
        f"{psutil.cpu_count()} cores, load average {psutil.getloadavg()[0]:.1f} at the end; "
        f"{versions('playwright', 'numpy')}. The server lays it out in {layout:.2f} s and sends "
        f"{size / 1e6:.2f} MB. Milliseconds:",
        "",
        "| what | median | 95 % | most |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, times in found:
        figures = statistics.median(times), _late(times), max(times)
        lines.append(f"| {name} | {' | '.join(f'{each:.1f}' for each in figures)} |")
    kept = "within" if painted <= PAINT_MS and worst <= HOVER_MS else "**past**"
    aims = f"Aims: paint {PAINT_MS:.0f} ms, 95 % of hovers to their frame's end {HOVER_MS:.0f} ms"
    lines += ["", f"{aims}: {kept}."]
    return "\n".join(lines)


def _late(times: Sequence[float]) -> float:
    """What 95 % of the times are within."""
    return sorted(times)[int(0.95 * (len(times) - 1))]


def main() -> None:
    """Measure, print, and with --write put the table into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawing", description=__doc__)
    parser.add_argument("--hovers", type=int, default=200)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    edges = large_edges(hub=True)
    began = time.perf_counter()
    drawn = DrawnCircuit.of(edges, LAYERS)
    layout = time.perf_counter() - began
    graph = graph_of(drawn)
    with running_chrome() as chrome, bare_page(chrome) as page:
        found = measure(page, graph, given.hovers)
    said = section(found, layout, len(json.dumps(graph)))
    sys.stdout.write(f"{said}\n")
    if given.write:
        put("drawing", said)


if __name__ == "__main__":
    main()
