"""The screens as a reader without JavaScript has them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.testclient import TestClient

from graph_schema.documents import DatasetData, Eap, ModelId, ModelSource, TopEdges
from graph_schema.documents.jobs import DiscoverSpec, ErrorDocument, JobState, Need, Placement
from graph_schema.errors import SpecError
from graph_schema.private_files import private_folder
from graph_schema.store import jobs
from tests.factories import make_dataset
from tests.workers.web.conftest import FOREIGN, Atlas
from workers.results.rows import Rows
from workers.web.screens import cypher
from workers.web.screens import jobs as jobs_screen
from workers.web.screens.submit import planned
from workers.web.site import Site


def _text(page: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def _submitted(atlas: Atlas, seed: int, *needs: str) -> str:
    spec = DiscoverSpec(
        model=ModelId(fingerprint="f" * 64),
        data=DatasetData(sha256=make_dataset().sha256, task="board"),
        method=Eap(),
        selection=TopEdges(n_edges=5),
        seed=seed,
    )
    jobs.submit(
        atlas.client.service.store,
        spec,
        Placement(model=ModelSource(name="/models/board")),
        needs=[Need(job_id=each) for each in needs],
    )
    return spec.job_id


def test_circuits_are_listed_and_filtered(atlas: Atlas, browser: TestClient) -> None:
    every = browser.get("/circuits").text
    for circuit in (atlas.induction, atlas.wide, atlas.foreign):
        assert f'href="/circuits/{circuit.circuit_id}"' in every
    narrowed = browser.get("/circuits", params={"model": "made/wide", "max_edges": "200"}).text
    assert atlas.wide.circuit_id in narrowed
    assert atlas.induction.circuit_id not in narrowed
    assert 'value="made/wide"' in narrowed
    refused = browser.get("/circuits", params={"max_edges": "many"})
    assert refused.status_code == 400
    assert "max_edges" in refused.text


@pytest.mark.parametrize("path", ["/circuits", "/verdicts", "/atlas"])
def test_past_its_end_a_list_says_so_and_leads_back(browser: TestClient, path: str) -> None:
    page = _text(browser.get(f"{path}?skip=999999999").text)
    assert "has ended before" in page
    assert "stored yet" not in page
    for beginning in ("-5", "x", "9" * 40):
        assert browser.get(f"{path}?skip={beginning}").text == browser.get(path).text


def test_past_its_end_the_board_says_so(atlas: Atlas, browser: TestClient) -> None:
    _submitted(atlas, 60)
    page = _text(browser.get(f"/jobs?before=1-{'0' * 64}").text)
    assert "The list has ended before" in page
    assert "No job yet" not in page


def test_of_a_task_that_nobody_asked_for_the_atlas_says_so(browser: TestClient) -> None:
    page = _text(browser.get("/atlas?task=greater_than").text)
    assert page.count("not asked") >= 3


def test_first_digits_lead_to_the_circuit_and_others_nowhere(
    atlas: Atlas, browser: TestClient
) -> None:
    answer = browser.get(f"/circuits/{atlas.wide.circuit_id[:10]}?node=a1.h2")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/circuits/{atlas.wide.circuit_id}?node=a1.h2"
    assert browser.get("/circuits/ffffffffff").status_code == 404
    assert browser.get(f"/circuits/{atlas.wide.circuit_id}?node=a9.h9").status_code == 404


def test_a_node_shows_its_edges_with_evidence_and_the_roles_it_was_tested_for(
    atlas: Atlas, browser: TestClient
) -> None:
    page = browser.get(f"/circuits/{atlas.induction.circuit_id}?node=a1.h2").text
    panel = _text(page[page.index('<section id="node"') : page.index('<datalist id="names"')])
    assert "Into it 3" in panel
    assert "Out of it 1" in panel
    assert "a0.h1 key 1.500 estimate" in panel
    assert "logits residual 2.125 estimate" in panel
    assert "induction passes: pattern 0.5500, effect 2.000 [1.750, 2.250]" in panel
    assert "control 0.05000, q 0.001" in panel


def test_pruning_keeps_the_strongest_edges_and_reads_the_curve(
    atlas: Atlas, browser: TestClient
) -> None:
    own = f"/circuits/{atlas.induction.circuit_id}"
    page = browser.get(f"{own}?edges=2").text
    table = page[page.index('<section id="strongest"') :]
    assert re.findall(r"node=([\w.]+)#node", table) == ["a1.h2", "logits", "a0.h1", "a1.h2"]
    assert "0.5000 at 13" in _text(page)  # nothing was measured of fewer
    few, all_of_it = (browser.get(f"{own}/picture.svg{q}").text for q in ("?edges=2", ""))
    assert few.count("<path") == 2
    assert all_of_it.count("<path") == 7


def test_pins_and_groups_stand_in_the_address(atlas: Atlas, browser: TestClient) -> None:
    own = f"/circuits/{atlas.induction.circuit_id}"
    made = browser.get(f"{own}?edges=2&pin=a0.h1&pin=a1.h2&members=a0.h1&members=a1.h2&called=Two")
    assert made.status_code == 303
    assert made.headers["location"] == f"{own}?edges=2&group=a0.h1%2Ca1.h2+Two"
    page = _text(browser.get(made.headers["location"]).text)
    assert "Two a0.h1 a1.h2 take apart" in page
    panel = _text(browser.get(f"{own}?group=a0.h1,a1.h2+Two&node=group-1").text)
    assert "Two group of 2" in panel
    assert "1 edge between its members is not drawn" in panel
    assert f"{own}?pin=a0.h1&amp;pin=a1.h2" in browser.get(
        made.headers["location"] + "&x=1"
    ).text.replace("?edges=2&amp;", "?")
    kept = browser.get(f"{own}/file?format=csv&what=shown&edges=1&pin=input&pin=a0.h1").text
    between = {("input", "a0.h1")}
    pairs = [(edge.sender, edge.receiver) for edge in atlas.induction.edges]
    assert len(kept.splitlines()) == 2 + sum(pair in between for pair in pairs)
    sent: dict[str, Any] = atlas.form(
        browser,
        node="a1.h2",
        kind="note",
        text="of a pinned one",
        view="edges=2&pin=a0.h1&pin=a1.h2",
    )
    answer = browser.post(f"{own}/annotations", **sent)
    assert answer.headers["location"] == f"{own}?edges=2&pin=a0.h1&pin=a1.h2&node=a1.h2#node"


def test_a_group_is_stored_with_its_circuit(atlas: Atlas, browser: TestClient) -> None:
    own = f"/circuits/{atlas.induction.circuit_id}"
    view = f"edges=3&group=a0.h1,a1.h2+{FOREIGN}"
    page = browser.get(f"{own}?{view}&node=group-1").text
    assert "Store it with the circuit" in page
    members = {"members": "a0.h1,a1.h2", "text": FOREIGN, "node": "group-1", "view": view}
    sent: dict[str, Any] = atlas.form(browser, kind="group", **members)
    for _ in range(2):  # the same twice is one
        answer = browser.post(f"{own}/annotations", **sent)
        assert answer.status_code == 303, answer.text
    assert answer.headers["location"].endswith("&node=group-1#node")
    page = browser.get(answer.headers["location"]).text
    assert "Stored with the circuit" in page
    assert "<script>" not in page
    plain = browser.get(own).text
    assert "draw the stored groups as one each" in plain
    assert _text(plain).count("a0.h1 a1.h2 group,") == 1
    circuit = atlas.client.circuit(atlas.induction.circuit_id)
    assert circuit.groups == {FOREIGN: ("a0.h1", "a1.h2")}
    for change in (
        *({"members": "a0.h1"}, {"members": "a0.h1,a9.h9"}, {"members": ""}, {"text": " "}),
        *({"text": "n" * 81}, {"members": "a0.h1,a0.h1"}, {"kind": "groups"}),
    ):
        bad: dict[str, Any] = atlas.form(browser, **{"kind": "group", **members, **change})
        assert browser.post(f"{own}/annotations", **bad).status_code in (400, 404), change


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("pin=a9.h9", 404),
        ("group=a0.h1+One", 400),
        ("group=a0.h1,a1.h2", 400),
        ("group=a0.h1,a9.h9+Two", 404),
        ("group=a0.h1,a1.h2+A&group=a1.h2,input+B", 400),
        ("group=a0.h1,a1.h2+" + "n" * 81, 400),
        ("members=a0.h1&called=One", 400),
        ("node=group-1", 404),
        ("&".join(["pin=input"] * 300), 200),
    ],
)
def test_pins_and_groups_that_are_none_are_refused(
    atlas: Atlas, browser: TestClient, query: str, status: int
) -> None:
    own = f"/circuits/{atlas.induction.circuit_id}"
    for path in (own, f"{own}/picture.svg"):
        assert browser.get(f"{path}?{query}").status_code == status


def test_a_script_gets_all_edges_with_their_places(atlas: Atlas, browser: TestClient) -> None:
    graph = browser.get(f"/circuits/{atlas.wide.circuit_id}/graph.json").json()
    edges = {
        (graph["nodes"][s], graph["nodes"][r], c)
        for s, r, c in zip(graph["senders"], graph["receivers"], graph["channels"], strict=True)
    }
    assert edges == {(e.sender, e.receiver, e.channel.value) for e in atlas.wide.edges}
    depth = dict(zip(graph["nodes"], graph["y"], strict=True))
    assert all(depth[s] < depth[r] for s, r, _ in edges)
    sizes = [abs(score) for score in graph["scores"]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_note_and_a_label_are_written_where_they_are_read(
    atlas: Atlas, browser: TestClient
) -> None:
    own = f"/circuits/{atlas.wide.circuit_id}"
    node = atlas.wide.nodes_in_order[3]
    for kind, text in (("note", "seen in a browser"), ("label", "moves names")):
        sent: dict[str, Any] = atlas.form(browser, node=node, kind=kind, text=text)
        answer = browser.post(f"{own}/annotations", **sent)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"{own}?node={node}#node"
    page = _text(browser.get(f"{own}?node={node}").text)
    assert "seen in a browser" in page
    assert "label moves names" in page
    assert atlas.client.circuit(atlas.wide.circuit_id).annotations[-1].component == node
    nowhere: dict[str, Any] = atlas.form(browser, node="a9.h9", kind="note", text="x")
    assert browser.post(f"{own}/annotations", **nowhere).status_code in (400, 404)
    for text in ("two\r\nlines", "\x1b[2J", "n" * 2_001, " "):
        bad: dict[str, Any] = atlas.form(browser, node=node, kind="note", text=text)
        assert browser.post(f"{own}/annotations", **bad).status_code == 400


def test_what_was_noted_and_tagged_is_shown(atlas: Atlas, browser: TestClient) -> None:
    job = _submitted(atlas, 30)
    for id in (atlas.wide.circuit_id, job):
        atlas.client.note(id, f"see figure 2 of {id[:12]}", author="somebody")
        atlas.client.tag(id, "paper", "draft")
    for page in (f"/circuits/{atlas.wide.circuit_id}", f"/jobs/{job}"):
        text = _text(browser.get(page).text)
        assert f"note see figure 2 of {page.rpartition('/')[2][:12]} somebody" in text
        assert "tags draft, paper" in text


def test_a_job_is_listed_cancelled_and_run_again(atlas: Atlas, browser: TestClient) -> None:
    id = _submitted(atlas, 1)
    board = browser.get("/jobs", params={"state": "queued", "task": "board"}).text
    assert f'id="job-{id}"' in board
    assert f'id="job-{id}"' not in browser.get("/jobs", params={"task": "other"}).text
    sent: dict[str, Any] = atlas.form(browser)
    assert browser.post(f"/jobs/{id}/cancel", **sent).status_code == 303
    assert atlas.client.job(id).state is JobState.CANCELLED
    page = browser.get(f"/jobs/{id}").text
    assert "the job was cancelled" in page
    assert "Run it again" in page
    assert browser.post(f"/jobs/{id}/rerun", **sent).status_code == 303
    assert atlas.client.job(id).state is JobState.QUEUED
    assert browser.post(f"/jobs/{id}/rerun", **sent).status_code == 400
    assert browser.get("/jobs", params={"state": "asleep"}).status_code == 400
    store = atlas.client.service.store
    assert jobs.claim(store, id, "t", owner="a", lease=600, max_attempts=3)
    full = ErrorDocument(type="ResourceError", message="no room")
    jobs.put_off(store, id, "t", full, jobs.Patience())
    asked = {"state": "queued", "task": "board"}
    assert "waits until" in _text(browser.get("/jobs", params=asked).text)
    record = jobs.get(store, id)
    placement = Placement.model_validate_json(record.placement)
    jobs.submit(store, DiscoverSpec.model_validate_json(record.spec), placement)
    assert "is tried again after ResourceError" in _text(browser.get("/jobs", params=asked).text)
    atlas.client.job(id).cancel()


async def _first_event(atlas: Atlas, last: str, seconds: float) -> ServerSentEvent | None:
    """What a browser is told that comes back with the id of the last event that it had."""

    async def forever() -> dict[str, str]:
        await anyio.sleep_forever()
        raise AssertionError

    site = Site(atlas.client, atlas.access)
    headers = [(b"last-event-id", last.encode())]
    given = {
        "type": "http",
        "method": "GET",
        "headers": headers,
        "query_string": b"seen=of-the-first-page",
    }
    answer = jobs_screen.events(site, Request(given, forever))
    assert isinstance(answer, EventSourceResponse)
    with anyio.move_on_after(seconds):
        async for each in answer.body_iterator:
            assert isinstance(each, ServerSentEvent)
            if each.event == "changed":
                return each
    return None


def test_a_browser_that_comes_back_is_told_what_it_missed_and_nothing_else(atlas: Atlas) -> None:
    _submitted(atlas, 50)
    first = anyio.run(_first_event, atlas, "", 60.0)
    assert first is not None
    assert first.id is not None
    assert anyio.run(_first_event, atlas, first.id, 2.0) is None
    _submitted(atlas, 51)
    missed = anyio.run(_first_event, atlas, first.id, 60.0)
    assert missed is not None
    assert missed.id != first.id


def test_a_job_shows_the_end_of_what_the_log_says_of_it(atlas: Atlas, browser: TestClient) -> None:
    id, other = _submitted(atlas, 20), _submitted(atlas, 21)
    jobs.claim(atlas.client.service.store, id, "t", owner="a", lease=600, max_attempts=3)
    head = "2026-11-29 12:00:00,000 INFO 12 workers.x"
    lines = [f"{head} [{id[:12]}]: own {n}\n{head} [{other[:12]}]: foreign\n" for n in range(30)]
    folder = private_folder(atlas.client.settings.log_dir)
    (folder / "worker.log").write_text("".join(lines))
    page = browser.get(f"/jobs/{id}").text
    assert "foreign" not in page
    assert re.findall(r"own (\d+)", page) == [str(n) for n in range(5, 30)]
    assert "foreign" not in browser.get(f"/jobs/{other}").text, "it has not begun"


def test_a_queued_job_says_what_it_waits_for(atlas: Atlas, browser: TestClient) -> None:
    id, store = _submitted(atlas, 40), atlas.client.service.store
    waits = "waits for a worker with cpu; no worker is live"
    assert f"it {waits}" in _text(browser.get(f"/jobs/{id}").text)
    jobs.claim(store, id, "t", owner="a", lease=600, max_attempts=3)
    assert waits not in browser.get(f"/jobs/{id}").text


def test_what_failed_through_its_needs_is_run_again_with_them(
    atlas: Atlas, browser: TestClient
) -> None:
    store = atlas.client.service.store
    root, well = _submitted(atlas, 10), _submitted(atlas, 11)
    middle = _submitted(atlas, 12, root)
    last = _submitted(atlas, 13, root, middle, well)
    for id in (root, well):
        jobs.claim(store, id, "t", owner="a", lease=600, max_attempts=3)
    jobs.finish(store, well, "t", lambda _: None, [])
    jobs.fail(store, root, "t", ErrorDocument(type="NonFiniteError", message="a score is NaN"))
    assert atlas.client.job(last).record.failed_need == root
    sent: dict[str, Any] = atlas.form(browser)
    assert browser.post(f"/jobs/{last}/rerun", **sent).status_code == 303
    states = [atlas.client.job(id).state for id in (root, middle, last, well)]
    assert states == [JobState.QUEUED] * 3 + [JobState.SUCCEEDED]


def test_a_request_that_is_wrong_comes_back_with_what_was_typed(
    atlas: Atlas, browser: TestClient
) -> None:
    wrong: dict[str, Any] = atlas.form(browser, model="./m", task="ioi", n_edges="several")
    answer = browser.post("/submit", **wrong)
    assert answer.status_code == 400
    assert "n_edges is &#39;several&#39;; expected a whole number" in answer.text
    assert 'value="./m"' in answer.text
    both: dict[str, Any] = atlas.form(browser, model="./m", task="ioi", n_edges="5", threshold="1")
    assert "exactly one of" in browser.post("/submit", **both).text


def test_a_plan_takes_no_code_from_the_folder_that_the_server_was_started_in(
    atlas: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "__init__.py").write_text("open('ran', 'w').close()")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match="unknown task 'none'"):
        planned(atlas.client.settings, {"model": "./m", "task": "none", "n_edges": "5"})
    assert not Path("ran").exists()


def test_a_named_question_is_asked_and_taken_along(atlas: Atlas, browser: TestClient) -> None:
    chosen = browser.get("/cypher?question=strongest-paths").text
    assert 'name="p.circuit"' in chosen
    asked = {"question": "strongest-paths", "p.circuit": atlas.induction.circuit_id[:8]}
    page = browser.get("/cypher", params=asked)
    assert page.status_code == 200
    assert "Answer" in page.text
    assert f"circuit=&#39;{asked['p.circuit']}&#39;" in page.text
    answer = browser.get("/cypher.csv", params=asked)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert (
        answer.text
        == atlas.client.query("strongest-paths", circuit=asked["p.circuit"]).to_csv() + "\n"
    )
    wrong = browser.get("/cypher", params={"question": "strongest-paths", "p.circuit": "ffff"})
    assert wrong.status_code == 400


def test_cypher_takes_parameters_and_leads_to_circuits(atlas: Atlas, browser: TestClient) -> None:
    query = "MATCH (c:Circuit) WHERE c.n_edges = $n RETURN c.circuit_id AS circuit, c.task AS task"
    waiting = browser.get("/cypher", params={"q": query}).text
    assert 'name="p.n"' in waiting
    assert "Answer" not in waiting
    page = browser.get("/cypher", params={"q": query, "p.n": "150"}).text
    assert f'href="/circuits/{atlas.wide.circuit_id}"' in page
    assert atlas.induction.circuit_id not in page


def test_a_value_that_would_fill_the_page_is_cut_there_and_whole_in_the_file(
    browser: TestClient,
) -> None:
    asked = {"q": "RETURN range(1, 50000) AS many, {a: [1, null]} AS map, null AS nothing"}
    page = browser.get("/cypher", params=asked).text
    assert len(page) < 20_000
    assert "1, 2, 3, 4" in page
    assert "{&#34;a&#34;: [1, null]}" in page
    assert "50000]" in browser.get("/cypher.csv", params=asked).text


def test_events_of_a_state_that_is_none_are_refused_at_once(browser: TestClient) -> None:
    assert browser.get("/jobs/events?state=asleep").status_code == 400


def test_an_answer_that_holds_a_graph_is_drawn(atlas: Atlas, browser: TestClient) -> None:
    query = (
        "MATCH (c:Circuit)-[r:CONTAINS]->(a:CircuitNode)-[e:EDGE]->(b:CircuitNode) "
        f"WHERE c.circuit_id = '{atlas.induction.circuit_id}' RETURN c, a, e, b"
    )
    page = browser.get("/cypher", params={"q": query}).text
    drawing = page[page.index("<svg") : page.index("</svg>")]
    assert drawing.count("<path") == 7
    assert drawing.count("<rect") == len(atlas.induction.node_names) + 1
    assert f'<a href="/circuits/{atlas.induction.circuit_id}">' in drawing
    assert "a0.h1" in drawing
    columns = "UNWIND range(1, 300) AS n RETURN 'x' + n AS sender, 'hub' AS receiver"
    page = browser.get("/cypher", params={"q": columns}).text
    assert "181 more nodes are not drawn" in page
    assert "<svg" not in browser.get("/cypher", params={"q": "RETURN 1 AS n"}).text
    circle = (
        "UNWIND [['a', 'b'], ['b', 'a'], ['a', 'a']] AS p RETURN p[0] AS sender, p[1] AS receiver"
    )
    assert browser.get("/cypher", params={"q": circle}).text.count("<path") == 3


def test_an_answer_stands_that_cannot_be_drawn(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = (
        "MATCH (a)-[e:EDGE]->(b) "
        "RETURN a.name AS sender, b.name AS receiver, collect(e.channel) AS channel LIMIT 3"
    )
    page = browser.get("/cypher", params={"q": query})
    assert (page.status_code, page.text.count("<svg")) == (200, 1)
    own = "RETURN {id: 1, labels: 5, properties: {}} AS x"
    page = browser.get("/cypher", params={"q": own})
    assert (page.status_code, page.text.count("<svg")) == (200, 0)
    assert "&#34;labels&#34;: 5" in page.text

    def broken(rows: Rows) -> None:
        raise KeyError(rows.columns)

    monkeypatch.setattr(cypher, "answer_drawing", broken)
    page = browser.get("/cypher", params={"q": query})
    assert (page.status_code, page.text.count("<svg")) == (200, 0)
    assert "a0.h1" in page.text


def test_an_answer_that_is_cut_is_not_said_to_have_every_row(browser: TestClient) -> None:
    query = "UNWIND range(1, {}) AS n RETURN n"
    whole = browser.get("/cypher", params={"q": query.format(3)}).text
    cut = browser.get("/cypher", params={"q": query.format(10_001)}).text
    assert "with every row, and" in whole
    assert "with every row up to the limit, and" in cut


def test_what_a_query_misses_is_worked_out_once() -> None:
    asked = cypher.Asked("", "RETURN $x AS n", {})
    assert asked.missing == ["x"]
    assert asked.missing is asked.missing


@pytest.mark.parametrize("text", ["[" * 20_000, "[" * 900 + "]" * 900, "9" * 30, "NaN", "{"])
def test_a_parameter_of_any_text_is_answered_or_refused(browser: TestClient, text: str) -> None:
    asked = {"q": "RETURN size(toString($n)) AS n", "p.n": text}
    assert browser.get("/cypher", params=asked).status_code in (200, 400)
