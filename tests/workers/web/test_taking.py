"""What pages offer to be copied runs as it was copied, whatever somebody typed into it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from html import unescape
from io import StringIO
from typing import Any

import pytest
from starlette.testclient import TestClient

from graph_schema.documents.universality import UniversalityReport
from graph_schema.store import jobs
from graph_schema.store.records.circuits import write_circuit
from tests.factories import make_imported
from tests.made_universality import store_report
from tests.workers.web.conftest import FOREIGN, Atlas
from tests.workers.web.test_screens import _submitted
from tests.workers.web.test_verdicts import MODELS
from workers.web.taking import call, cypher_literal, literal, written_out

HOSTILE = (
    "it's",
    'a "quote"',
    "back\\slash",
    "two\nlines",
    "\u202eturned",
    "$name",
    "{x}",
    FOREIGN,
)


def copied(page: str) -> dict[str, str]:
    """The texts of a page that can be copied, by what they are called."""
    found = re.findall(
        r'<summary>([^<]*)</summary>\s*<div class="copyable"><pre[^>]*>(.*?)</pre>', page, re.S
    )
    return {unescape(title): unescape(text) for title, text in found}


@pytest.fixture(scope="module")
def report(atlas: Atlas) -> UniversalityReport:
    return store_report(atlas.client.service.store, MODELS)


@pytest.fixture
def here(atlas: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    """`CircuitClient()` is a client of the pages' graph, as it is for who uses its settings."""
    for name, value in atlas.client.settings.environment().items():
        if name.startswith("CIRCUITS_"):
            monkeypatch.setenv(name, value)


def _run(code: str) -> str:
    said = StringIO()
    with redirect_stdout(said):
        exec(compile(code, "copied", "exec"), {})
    return said.getvalue()


def _pages(atlas: Atlas, report: UniversalityReport) -> Iterator[str]:
    own = f"/circuits/{atlas.induction.circuit_id}"
    ended = _submitted(atlas, 900)
    store = atlas.client.service.store
    jobs.claim(store, ended, "t", owner="a", lease=600, max_attempts=3)
    jobs.finish(store, ended, "t", lambda _: None, [])
    yield from ("/atlas", "/circuits", "/jobs", "/verdicts", f"/jobs/{ended}")
    yield from (
        "/circuits?task=it's&model=x\\y&max_edges=900&min_faithfulness=-1",
        "/circuits?skip=1",
    )
    yield from ("/jobs?state=succeeded&model=board", f"/verdicts?task={MODELS[0].name}'")
    yield from (own, f"{own}?edges=3&node=a1.h2", f"{own}?node=group-1&group=a1.h2,a0.h1+it's")
    none = {"score": None, "score_kind": None}
    unscored = [edge.model_copy(update=none) for edge in atlas.induction.edges]
    imported = make_imported("without scores", edges=tuple(unscored))
    store.write(lambda tx: write_circuit(tx, imported))
    yield f"/circuits/{imported.circuit_id}"
    yield f"/circuits/{imported.circuit_id}?edges=3&group=a1.h2,a0.h1+two&group=input,logits+two"
    yield f"/compare?ids={atlas.induction.circuit_id},{atlas.wide.circuit_id}"
    yield f"/compare?ids={report.models[0].circuits[0]},{report.models[1].circuits[0]}"
    yield f"/verdicts/{report.verdicts[0].verdict_id}"
    yield f"/cypher?question=strongest-paths&p.circuit={atlas.wide.circuit_id}"
    yield '/cypher?q=RETURN $x AS n, $y AS m&p.x=[1,{"a":null}]&p.y=NaN'


def test_what_is_copied_runs_and_shows_something(
    atlas: Atlas, browser: TestClient, report: UniversalityReport, here: None
) -> None:
    tried = {"Python": 0, "Cypher": 0}
    for path in _pages(atlas, report):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        for title, text in copied(answer.text).items():
            if title in ("as Python", "as a notebook's drawing"):
                said = _run(text)
                tried["Python"] += 1
                narrow = "it's" in path or "'" in path
                assert said or narrow or "drawing" in title or "/jobs/" in path, (path, text)
            elif "Cypher" in title:
                asked = browser.get("/cypher", params={"q": text})
                assert asked.status_code == 200, (path, text, asked.text)
                tried["Cypher"] += 1
    assert tried["Python"] >= 15
    assert tried["Cypher"] >= 10


def test_python_of_a_circuit_has_what_its_page_shows(
    atlas: Atlas, browser: TestClient, here: None
) -> None:
    own = f"/circuits/{atlas.wide.circuit_id}"
    pins = list(atlas.wide.nodes_in_order[2:4])
    code = copied(browser.get(f"{own}?edges=20&pin={pins[0]}&pin={pins[1]}").text)
    names: dict[str, Any] = {}
    exec(code["as Python"].replace("print(edges)", ""), names)
    strongest = sorted(atlas.wide.edges, key=lambda edge: -abs(edge.score or 0))[:20]
    rows = zip(names["edges"].sender, names["edges"].receiver, strict=True)
    assert sorted(rows) == sorted((edge.sender, edge.receiver) for edge in strongest)
    exec(
        code["as a notebook's drawing"].replace("circuit.widget(", "drawn = circuit.widget("), names
    )
    assert (names["drawn"].kept, names["drawn"].pins) == (20, pins)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_was_typed_is_a_value_in_python_and_in_cypher(browser: TestClient, text: str) -> None:
    asked = {"q": "RETURN $given AS given", "p.given": json.dumps(text)}
    code = copied(browser.get("/cypher", params=asked).text)["as Python"]
    assert eval(re.findall(r"given=(.*)\)\)\n", code)[0]) == text
    back = browser.get("/cypher", params={"q": written_out("RETURN $x = $y AS same", {
        "x": text, "y": text})})  # fmt: skip
    assert back.status_code == 200, back.text
    same = browser.get("/cypher.csv", params={"q": f"RETURN {cypher_literal(text)} AS text"})
    told = browser.get("/cypher.csv", params={"q": "RETURN $t AS text", "p.t": json.dumps(text)})
    assert same.text == told.text


@pytest.mark.parametrize("name", ["from", "class", "function", "self", "text", "parameters", "q"])
def test_a_parameter_of_any_name_is_asked_and_copied(browser: TestClient, name: str) -> None:
    asked = {"q": f"RETURN ${name} AS n", f"p.{name}": "5"}
    answer = browser.get("/cypher", params=asked)
    assert answer.status_code == 200, answer.text
    compile(copied(answer.text)["as Python"], "copied", "exec")


def test_a_dollar_in_a_text_or_a_comment_is_no_parameter(browser: TestClient) -> None:
    page = browser.get("/cypher", params={"q": "RETURN '$a' AS `$b` // $c\n/* $d */"}).text
    assert "1 rows" in page
    waiting = browser.get("/cypher", params={"q": "RETURN $n AS n"}).text
    assert "Not asked yet: it wants a value for <code>$n</code>" in waiting


def test_values_that_have_no_letters_of_their_own_are_written() -> None:
    value = {"a": [float("nan"), float("inf"), -float("inf"), None, True, 10**30, "x"], "b": {}}
    back = eval(literal(value))
    assert str(back) == str(value)
    said = call("f", 1, **{"from": [1.5], "b": "c", "d e": None})
    assert said == "f(1, b='c', **{'from': [1.5], 'd e': None})"
