"""A circuit as large as a drawing must bear, and a bare page to draw it in.

Nothing is served: chromium asks for files of the table, and gets them from here.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Route

from graph_schema.documents import PackedEdges
from graph_schema.reports.drawn_circuit import DrawnCircuit
from workers import static

LAYERS, HEADS, EDGES = 40, 50, 20_000
HERE = "http://127.0.0.1:9"
BARE = f"""<!doctype html><meta charset="utf-8"><title>bare</title>
<link rel="stylesheet" href="{HERE}/static/atlas.css"><main><div id="drawing"></div></main>"""

DRAW = """
async (graph) => {
  const { Drawing } = await import("/static/drawing.js");
  const place = document.getElementById("drawing");
  const view = { kept: graph.senders.length, node: "", pins: [], groups: [] };
  // A frame's end: what was drawn is on its way to the screen.
  window.frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const began = performance.now();
  window.drawing = new Drawing(place, graph, view, { whenChosen() {} });
  await frame();
  while (!place.dataset.paintMs) await frame();
  await frame();
  return performance.now() - began;
}
"""
"""Draws a graph; milliseconds until it was on the screen."""


def large_edges(hub: bool = False) -> PackedEdges:
    """20,000 edges between 2,000 heads, as random ones are; a `hub` reads from all the others."""
    rng = random.Random(1)
    heads = [f"a{layer}.h{head}" for layer in range(LAYERS) for head in range(HEADS)]
    ends: set[tuple[str, str]] = set()
    if hub:
        ends.update((head, heads[-1]) for head in heads[:-HEADS])
    while len(ends) < EDGES:
        a, b = sorted(rng.sample(range(len(heads)), 2))
        if a // HEADS < b // HEADS:
            ends.add((heads[a], heads[b]))
    listed = sorted(ends)
    rng.shuffle(listed)
    senders, receivers = zip(*listed, strict=True)
    scores = sorted((rng.gauss(0, 1) for _ in listed), key=abs, reverse=True)
    kinds = tuple("exact" if i % 2 else "estimate" for i in range(EDGES))
    channels, none = tuple(rng.choices("qkv", k=EDGES)), (None,) * EDGES
    return PackedEdges(tuple(heads), senders, receivers, channels, tuple(scores), kinds, none, none)


def large_drawing(hub: bool = False) -> DrawnCircuit:
    """The same with places."""
    return DrawnCircuit.of(large_edges(hub), LAYERS)


def graph_of(drawn: DrawnCircuit) -> dict[str, Any]:
    """What the server sends of it."""
    return drawn.columns() | {"labels": {}}


@contextlib.contextmanager
def bare_page(chrome: Browser) -> Generator[Page]:
    """A page with a place for a drawing and nothing else; it may ask for our files alone."""
    page = chrome.new_page(viewport={"width": 1400, "height": 1000})

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        name = path.removeprefix("/static/")
        if path == "/":
            route.fulfill(body=BARE, content_type="text/html")
        elif name in static.ASSETS:
            asset = static.ASSETS[name]
            route.fulfill(body=static.content(name), content_type=asset.media_type)
        else:
            route.abort()

    page.route("**/*", answer)
    page.goto(HERE)
    yield page
    page.close()
