"""A large drawing in chromium: it is painted, answers the pointer, and asks nobody for that."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Page

from graph_schema.documents import PackedEdges
from graph_schema.reports.drawn_circuit import DrawnCircuit
from graph_schema.reports.nodes import token_columns
from tests.feature_circuits import traced_circuit
from tests.workers.web.large import DRAW, EDGES, bare_page, graph_of, large_drawing

MOST_RAISED = 300
"""Edges of a node that stand out, as `drawing.js` has it."""

pytestmark = [pytest.mark.needs_browser, pytest.mark.slow]

# Edges are counted as they are read: of each the sender is.
COUNTED = """
() => {
  window.read = 0;
  const { graph } = drawing;
  graph.senders = new Proxy(graph.senders, {
    get: (all, key) => {
      const number = typeof key === "string" && key !== "" ? Number(key) : NaN;
      if (Number.isInteger(number)) window.read += 1;
      return Reflect.get(all, key);
    },
  });
}
"""
OVER = """
async ([what, number]) => {
  const { sheet, view, below, place } = drawing;
  const [x, y] = what === "node" ? [sheet.xs[number], sheet.ys[number]]
    : what === "edge" ? [sheet.index().xs[number], sheet.index().ys[number]] : [-1e5, -1e5];
  const box = below.getBoundingClientRect();
  const clientX = x * view.scale + view.x + box.left;
  const clientY = y * view.scale + view.y + box.top;
  window.read = 0;
  below.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
  return { read: window.read, over: drawing.over, hint: place.querySelector(".hint").textContent };
}
"""


@pytest.fixture(scope="module")
def page(chrome: Browser) -> Generator[Page]:
    """20,000 edges between 2,000 nodes, of which one reads from all the others."""
    with bare_page(chrome) as page:
        page.evaluate(DRAW, graph_of(large_drawing(hub=True)))
        page.evaluate(COUNTED)
        yield page


def test_a_hover_looks_at_what_joins_the_node_and_at_no_other_edge(page: Page) -> None:
    graph = graph_of(large_drawing(hub=True))
    degree = [0] * len(graph["nodes"])
    for ends in (graph["senders"], graph["receivers"]):
        for node in ends:
            degree[node] += 1
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_function("drawing.sheet.sampled")  # nobody has pointed at anything yet
    for node in (3, 700, 1500):
        found = page.evaluate(OVER, ["node", node])
        assert found["over"] == {"node": node, "edge": -1}
        assert found["hint"] == graph["nodes"][node]
        assert 0 < found["read"] <= 8 * degree[node] < EDGES / 20
    hub = len(degree) - 1
    found = page.evaluate(OVER, ["node", hub])
    assert found["read"] <= 8 * MOST_RAISED < degree[hub] * 2
    assert found["hint"] == f"{graph['nodes'][hub]}, the strongest 300 of its {degree[hub]:,} edges"
    away = page.evaluate(OVER, ["nowhere", 0])
    assert (away["read"], away["over"]) == (0, {"node": -1, "edge": -1})
    assert asked == []


def test_whatever_lies_under_the_pointer_is_said(page: Page) -> None:
    box = page.locator("canvas.below").bounding_box()
    assert box is not None
    said = set[str]()
    for step in range(20):
        page.mouse.move(box["x"] + 100 + 50 * step, box["y"] + 60 + 20 * step)
        said.add(page.locator(".hint").text_content() or "")
    assert len(said - {""}) > 5
    found = page.evaluate(OVER, ["edge", 1234])
    assert "\N{RIGHTWARDS ARROW}" in found["hint"] or found["over"]["node"] >= 0


def test_edges_of_a_node_are_those_among_the_kept_ones(page: Page) -> None:
    found = page.evaluate(
        """async () => {
          const { Joined } = await import("/static/places.js");
          const joined = new Joined(4, [0, 0, 1, 0], [1, 2, 2, 2]);
          const of = (node) => [0, 2, 4].map((kept) => [...joined.of(node, kept)]);
          return [0, 1, 2, 3].flatMap(of);
        }"""
    )
    assert found == [[], [0, 1], [0, 1, 3], [], [0], [0, 2], [], [1], [1, 2, 3], [], [], []]


def test_a_finger_scrolls_the_page_until_the_drawing_is_zoomed(page: Page) -> None:
    canvas = page.locator("canvas.below")
    touch = "canvas => getComputedStyle(canvas).touchAction"
    assert canvas.evaluate(touch) == "pan-y"
    before = page.evaluate("drawing.view")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    canvas.dispatch_event("pointercancel")  # the browser has taken the gesture over
    page.mouse.move(box["x"] + 400, box["y"] + 400)
    page.mouse.up()
    assert page.evaluate("drawing.view") == before
    page.locator(".tools button").first.click()
    page.wait_for_function("document.querySelector('canvas.below').classList.contains('zoomed')")
    assert canvas.evaluate(touch) == "none"
    page.locator(".tools button").last.click()
    page.wait_for_function("!document.querySelector('canvas.below').classList.contains('zoomed')")


def test_the_prompts_tokens_stand_under_their_positions(chrome: Browser) -> None:
    circuit = traced_circuit()
    drawn = DrawnCircuit.of(PackedEdges.of(circuit.edges), circuit.model.n_layers)
    columns = token_columns(circuit, drawn)
    assert [text for _, text in columns] == ["' the'", "' cat'"]
    assert columns[0][0] < columns[1][0]
    with bare_page(chrome) as page:
        page.evaluate(
            """() => {
              window.written = [];
              const { fillText } = CanvasRenderingContext2D.prototype;
              CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
                written.push([text, ...place]);
                return fillText.call(this, text, ...place);
              };
            }"""
        )
        page.evaluate(DRAW, graph_of(drawn) | {"tokens": columns})
        written = {text: place for text, *place in page.evaluate("written")}
    assert written["' the'"][0] < written["' cat'"][0]
    assert written["' the'"][1] > written["logits.t42@2"][1], "below all nodes"
    assert written["' cat'"][0] == pytest.approx(written["a1.h2@2"][0])
