"""A circuit's widget: what it sends, and what chromium makes of it as a notebook would have it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents import Annotation, NodeFigures
from graph_schema.errors import MissingExtraError, NotFoundError, SpecError
from tests.factories import make_circuit
from tests.workers.web.chrome import PATIENCE, running_chrome
from workers import static
from workers.client import Circuit
from workers.notebook.one_module import one_module

SCRIPT = "<img src=x onerror=alert(1)><script>alert(1)</script>"

# What anywidget gives to `render`: the synced state, changes that are told, and a place to draw in.
MODEL = """
async ([esm, css, state]) => {
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const heard = {};
  const model = {
    saved: [],
    get: (name) => state[name],
    set: (name, value) => {
      state[name] = value;
      (heard[`change:${name}`] ?? []).forEach((each) => each());
    },
    save_changes() {
      this.saved.push(structuredClone({ ...state, graph: null }));
    },
    on: (name, act) => (heard[name] ??= []).push(act),
    off: () => Object.keys(heard).forEach((name) => delete heard[name]),
  };
  const own = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  const el = document.createElement("div");
  const end = await own.default.render({ model, el });
  document.body.append(el); // a notebook, too, may attach it later
  Object.assign(window, { model, end });
}
"""


@pytest.fixture(scope="module")
def circuit(tmp_path_factory: pytest.TempPathFactory) -> Circuit:
    labels = (NodeFigures(name="a1.h2", label=SCRIPT),)
    store = ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))
    return Circuit(make_circuit(nodes=labels), store)


def test_it_holds_all_edges_the_strongest_first_and_a_picture_for_where_no_script_runs(
    circuit: Circuit,
) -> None:
    widget = circuit.widget(kept=3, chosen="a1.h2")
    assert (widget.kept, widget.chosen) == (3, "a1.h2")
    scores = [abs(score) for score in widget.graph["scores"]]
    assert len(scores) == circuit.n_edges
    assert scores == sorted(scores, reverse=True)
    data, _ = widget._repr_mimebundle_()
    assert data["text/html"] == circuit._repr_html_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert circuit.circuit_id[:12] in data["text/plain"]
    assert circuit.widget(kept=1_000).kept == circuit.n_edges
    with pytest.raises(SpecError, match=r"no node 'a9\.h9'"):
        circuit.widget(chosen="a9.h9")


def test_what_the_circuit_has_not_is_refused_and_what_it_has_is_kept_in_bounds(
    circuit: Circuit,
) -> None:
    two = {"two": ["a1.h2", "a0.h1"]}
    widget = circuit.widget(pins=["logits", "a1.h2", "logits"], groups=two, chosen="group-1")
    assert widget.pins == ["logits"], "each once, and none that a group has"
    assert widget.groups == [{"name": "two", "members": ["a1.h2", "a0.h1"]}]
    for kept, stays in ((10**9, circuit.n_edges), (-3, 1), (2, 2)):
        widget.kept = kept
        assert widget.kept == stays
    for name, value in (
        ("chosen", "a9.h9"),
        ("chosen", "group-2"),
        ("pins", ["a9.h9"]),
        ("groups", [{"name": "one", "members": ["a1.h2"]}]),
        ("groups", [{"name": " ", "members": ["a1.h2", "a0.h1"]}]),
        ("groups", [{"name": "x", "members": "a1.h2"}]),
        ("groups", [{"name": "x", "members": ["a1.h2", "a0.h1"]}] * 2),
    ):
        before = getattr(widget, name)
        with pytest.raises((SpecError, NotFoundError)):
            setattr(widget, name, value)
        assert getattr(widget, name) == before


@pytest.mark.parametrize(
    "sent",
    [
        {"pins": ["nope"]},
        {"chosen": "zzz"},
        {"groups": [{"name": "x", "members": ["a1.h2", "a0.h1"]}] * 2, "pins": ["logits"]},
        {"groups": [{"name": "x"}]},
    ],
)
def test_what_the_browser_sends_and_is_refused_is_undone(
    circuit: Circuit, sent: dict[str, Any]
) -> None:
    widget = circuit.widget(pins=["input"])
    names = ("kept", "chosen", "pins", "groups")
    before = [getattr(widget, name) for name in names]
    with pytest.raises((SpecError, NotFoundError)):
        widget.set_state(sent)
    assert [getattr(widget, name) for name in names] == before


def test_what_is_chosen_and_pinned_follows_the_groups(circuit: Circuit) -> None:
    two = [{"name": "two", "members": ["a1.h2", "a0.h1"]}]
    widget = circuit.widget(pins=["a1.h2", "logits"])
    widget.groups = two
    widget.chosen = "group-1"
    assert widget.pins == ["logits"]
    widget.groups = []
    assert widget.chosen == ""
    widget.set_state({"groups": two, "chosen": "group-1", "pins": ["a1.h2", "logits"]})
    assert (widget.groups, widget.chosen, widget.pins) == (two, "group-1", ["logits"])
    widget.set_state({"groups": []})
    assert (widget.chosen, widget.pins) == ("", ["logits"])


def test_it_takes_whatever_groups_are_stored(tmp_path: Path) -> None:
    made = make_circuit()
    groups = [("two", "a1.h2", "a0.h1"), ("two", "a1.h2", "logits", "input"), ("one", "a1.h2")]
    stored = tuple(
        Annotation(
            circuit_id=made.circuit_id,
            component=first,
            also=tuple(also),
            author="x",
            text=text,
            kind="group",
        )
        for text, first, *also in groups
    )
    found = Circuit(made, ArtifactStore(str(tmp_path)), annotations=stored)
    assert found.groups == {"two": ("a1.h2", "a0.h1"), "two (2)": ("logits", "input")}
    assert len(found.widget(groups=found.groups).groups) == 2


def test_labels_turn_no_other_text(tmp_path: Path) -> None:
    turned = make_circuit(nodes=(NodeFigures(name="a1.h2", label="\u202egnp.exe"),))
    widget = Circuit(turned, ArtifactStore(str(tmp_path))).widget()
    assert widget.graph["labels"]["a1.h2"] == "\ufffdgnp.exe"


def test_its_script_is_the_pages_own_in_one_module_that_loads_nothing() -> None:
    text = one_module("widget.js")
    for name in ("drawing.js", "sheet.js", "places.js"):
        whole = static.content(name).decode()
        parts = re.split(r"^import .*\n|^export ", whole, flags=re.MULTILINE)
        assert [part for part in parts if part not in text] == []
    assert not re.search(r"^import\b|\bimport\(|https?:", text, re.MULTILINE)
    assert text.count("export ") == text.count("export default ") == 1


def test_a_module_that_cannot_be_put_in_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def content(name: str) -> bytes:
        return b'import * as all from "./x.js";\n'

    monkeypatch.setattr(static, "content", content)
    with pytest.raises(ValueError, match="'import' in a way"):
        one_module.__wrapped__("other.js")


def test_without_the_extra_it_says_what_to_install(circuit: Circuit, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        "from tests.factories import make_circuit\n"
        "from graph_schema.artifacts import ArtifactStore\n"
        "from workers.client import Circuit\n"
        f"circuit = Circuit(make_circuit(), ArtifactStore({str(tmp_path)!r}))\n"
        "assert '<svg' in circuit._repr_html_()\n"
        "try:\n    circuit.widget()\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(MissingExtraError.__name__)
    assert "pip install 'circuit-atlas[notebook]'" in ran.stdout


@pytest.fixture(scope="module")
def chrome() -> Generator[Browser]:
    with running_chrome() as browser:
        yield browser


@pytest.fixture
def page(chrome: Browser, circuit: Circuit) -> Generator[Page]:
    """A page with the widget alone: the console stays silent, and nothing is loaded."""
    page, said = chrome.new_page(viewport={"width": 900, "height": 700}), list[str]()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda asked: said.append(asked.url) if "blob:" not in asked.url else None)
    widget = circuit.widget()
    names = ("graph", "kept", "chosen", "pins", "groups")
    state: dict[str, Any] = {name: getattr(widget, name) for name in names}
    page.evaluate(MODEL, [widget._esm, widget._css, state])
    page.locator('.drawing[data-ready="yes"][data-paint-ms]').wait_for()
    yield page
    assert said == []
    page.close()


# What is left in a page by a widget that was made and ended, as far as it would hold the drawing.
LEFT = """
async ([esm, state]) => {
  let left = 0;
  const own = window.ResizeObserver;
  window.ResizeObserver = class extends own {
    observe(place) { left += 1; super.observe(place); }
    disconnect() { left -= 1; super.disconnect(); }
  };
  const add = MediaQueryList.prototype.addEventListener;
  MediaQueryList.prototype.addEventListener = function (kind, act, options) {
    left += 1;
    options?.signal?.addEventListener("abort", () => (left -= 1));
    return add.call(this, kind, act, options);
  };
  const model = { get: (name) => state[name], on: () => {}, off: () => {} };
  const text = new Blob([esm], { type: "text/javascript" });
  const { default: { render } } = await import(URL.createObjectURL(text));
  const end = render({ model, el: document.createElement("div") });
  const [during] = [left, end()];
  return [during, left];
}
"""

PAINTED = """
(canvas) => new Set(new Uint32Array(
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size
"""


@pytest.mark.needs_browser
def test_it_draws_and_what_is_done_there_is_the_models(page: Page, tmp_path: Path) -> None:
    canvas = page.get_by_role("application")
    expect(canvas).to_be_visible()
    page.wait_for_function(f"() => ({PAINTED})(document.querySelector('canvas')) > 20")
    canvas.focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):  # from the first node to the second
        page.keyboard.press(key)
    page.wait_for_function("() => model.get('chosen') !== ''")
    chosen = page.evaluate("model.get('chosen')")
    assert page.evaluate("model.saved.at(-1).chosen") == chosen
    expect(page.locator(".panel strong")).to_contain_text(chosen)
    page.keyboard.press("p")
    page.wait_for_function("() => model.saved.at(-1).pins.length === 1")
    assert page.evaluate("model.get('pins')") == [chosen]
    page.get_by_role("spinbutton").fill("2")
    page.get_by_role("spinbutton").press("Enter")
    page.wait_for_function("() => model.saved.at(-1).kept === 2")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "2 edges")
    page.screenshot(path=tmp_path / "widget.png")


@pytest.mark.needs_browser
def test_a_cell_that_is_run_again_keeps_no_drawing(page: Page, circuit: Circuit) -> None:
    widget = circuit.widget()
    state = {name: getattr(widget, name) for name in ("graph", "kept", "chosen", "pins", "groups")}
    assert page.evaluate(LEFT, [widget._esm, state]) == [2, 0]


@pytest.mark.needs_browser
def test_it_follows_what_python_sets_and_labels_are_text(page: Page) -> None:
    page.evaluate("model.set('chosen', 'a1.h2')")
    expect(page.locator(".panel strong")).to_have_text(f"a1.h2: {SCRIPT}")
    expect(page.locator(".panel caption").first).to_have_text("3 into it")
    page.locator(".panel").get_by_role("button", name="a0.h1").click()
    page.wait_for_function("() => model.saved.at(-1)?.chosen === 'a0.h1'")
    page.evaluate("model.set('kept', 1)")
    expect(page.get_by_role("spinbutton")).to_have_value("1")
    expect(page.locator(".panel caption").first).to_have_text("0 into it")
    page.evaluate("end()")
    page.evaluate("model.set('chosen', 'logits')")
    expect(page.locator(".panel strong")).to_have_text("a0.h1")


@pytest.mark.needs_browser
def test_nodes_are_made_one_and_taken_apart(page: Page, circuit: Circuit, tmp_path: Path) -> None:
    page.evaluate("model.set('pins', ['a0.h1', 'a1.h2'])")
    page.get_by_label("Name").fill(SCRIPT)
    page.get_by_role("button", name="Make one of them").click()
    page.wait_for_function("() => model.saved.at(-1)?.groups.length === 1")
    saved = page.evaluate("model.saved.at(-1)")
    assert saved["groups"] == [{"name": SCRIPT, "members": ["a0.h1", "a1.h2"]}]
    assert saved["pins"] == []
    widget = circuit.widget()
    widget.groups = saved["groups"]  # as the browser has it, Python takes it
    page.get_by_role("button", name=SCRIPT, exact=True).click()
    expect(page.locator(".panel strong")).to_have_text(SCRIPT)
    ends = {"a0.h1", "a1.h2"}
    into = {
        (edge.sender, edge.channel)
        for edge in circuit.edges
        if edge.receiver in ends and edge.sender not in ends
    }
    expect(page.locator(".panel caption").first).to_have_text(f"{len(into)} into it")
    page.screenshot(path=tmp_path / "widget-grouped.png")
    page.evaluate("model.set('chosen', 'a1.h2')")  # a member has its own edges
    expect(page.locator(".panel caption").first).to_have_text("3 into it")
    page.get_by_role("button", name=re.compile("^take .* apart$")).click()
    page.wait_for_function("() => model.saved.at(-1).groups.length === 0")
    assert sorted(page.evaluate("model.get('pins')")) == ["a0.h1", "a1.h2"]
    page.locator(".held").get_by_role("button", name="let go of a0.h1").click()
    page.wait_for_function("() => model.saved.at(-1).pins.length === 1")
