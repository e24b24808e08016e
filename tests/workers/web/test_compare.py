"""The comparison as a reader without JavaScript has it."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from graph_schema.documents import CircuitDocument
from graph_schema.documents.jobs import EffectsSpec, JobState, RolesSpec, read_spec
from graph_schema.store import jobs
from graph_schema.store.records.circuits import read_circuit, write_circuit
from tests.factories import make_circuit, make_edges, make_imported, make_model
from tests.made_universality import Made, store_report
from tests.workers.web.conftest import FOREIGN, Atlas
from tests.workers.web.test_screens import _text

SHARED = [("input", "a0.h1", "v", 0.75), ("a0.h1", "a1.h2", "k", 1.5)]
TWO = make_edges([*SHARED, ("m0", "logits", "r", 0.5), ("input", "m0", "r", 3.0)])
"""Of `INDUCTION_EDGES` four: the shared ones and both of the MLP."""
THREE = make_edges([*SHARED, ("a1.h2", "logits", "r", 1.0), ("input", "a1.h3", "q", 1.0)])
MODELS = [
    Made("c/gpt2", "gpt2", "d"),
    Made("c/llama", "llama", "m"),
    Made(f"c/{FOREIGN}", "neox", "b"),
    Made("c/none", "neox", "f"),
]


class World:
    """Three circuits of one model, and one each of four models with what was measured of them."""

    def __init__(self, atlas: Atlas) -> None:
        store = atlas.client.service.store
        self.one = atlas.induction.circuit_id
        two, three = make_circuit(TWO, job="two"), make_circuit(THREE, job="three")
        for circuit in (two, three):
            store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
        self.two, self.three = two.circuit_id, three.circuit_id
        found = store_report(store, MODELS)
        self.across = {each.name: each.circuits[0] for each in found.models}
        self.unasked = atlas.wide.circuit_id
        self.store = store

    def document(self, id: str) -> CircuitDocument:
        return read_circuit(self.store, id)


@pytest.fixture(scope="module")
def world(atlas: Atlas) -> World:
    return World(atlas)


def _page(browser: TestClient, ids: Sequence[str], **state: str) -> str:
    answer = browser.get("/compare", params={"ids": ",".join(ids), **state})
    assert answer.status_code == 200, _text(answer.text)
    return answer.text


def _rows(page: str, region: str) -> list[str]:
    part = page[page.index(f'aria-label="{region}"') :]
    body = part[part.index("<tbody>") : part.index("</tbody>")]
    return [_text(row) for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)]


def test_two_circuits_of_a_model_are_drawn_into_one_another(
    atlas: Atlas, browser: TestClient, world: World
) -> None:
    page = _page(browser, [world.one, world.two])
    counts = dict(re.findall(r"(both|only A|only B)</a></td>\s*<td class=\"n\">(\d+)", page))
    assert counts == {"both": "4", "only A": "3", "only B": "0"}
    assert page.count('<path class="edge both') == 4
    assert page.count('<path class="edge first') == 3
    assert page.count('class="box both') == 5  # input, a0.h1, a1.h2, m0, logits
    found = atlas.client.compare(world.one, world.two).document.pairs[0]
    assert found.edges is not None
    assert found.edges.p is not None
    edges = _rows(page, "Overlap against chance")[0].split()
    assert edges[3:7] == ["7", "4", "4", f"{found.edges.expected:#.4g}"]
    assert f"{found.edges.p:#.4g}" in edges
    only = _rows(_page(browser, [world.one, world.two], part="A"), "Edges")
    assert len(only) == 3
    assert only[0].startswith("a1.h2 logits residual A 2.125 ")


def test_of_three_it_says_in_how_many_and_in_which(browser: TestClient, world: World) -> None:
    page = _page(browser, [world.one, world.two, world.three])
    counts = re.findall(r">(all of them|2|one alone)</a></td>\s*<td class=\"n\">(\d+)", page)
    assert counts == [("all of them", "2"), ("2", "3"), ("one alone", "3")]
    parts = dict(re.findall(r'part=\w+"[^>]*>([ABC]+)</a> (\d+)', page))
    assert parts == {"ABC": "2", "AB": "2", "AC": "1", "A": "2", "C": "1"}
    assert len(_rows(page, "Overlap against chance")) == 6
    assert len(_rows(_page(browser, [world.one, world.two, world.three], part="2"), "Edges")) == 3
    node = _page(browser, [world.one, world.two, world.three], node="m0")
    assert [row.split()[:2] for row in _rows(node, "Edges")] == [["input", "m0"], ["m0", "logits"]]
    assert node.count(" faint") > 3
    assert f'href="/circuits/{world.one}?node=m0#node"' in node


def test_across_models_roles_stand_in_rows_and_their_counterparts_light_up(
    browser: TestClient, world: World
) -> None:
    ids = [world.across["c/gpt2"], world.across["c/llama"]]
    page = _page(browser, ids)
    assert "Overlap against chance" not in page
    assert page.count('data-light="induction"') == 3  # two columns, and a row of the table
    assert "at 25 %" in page
    assert "at 75 %" in page
    effects = _rows(page, "Effects")
    keys = next(row for row in effects if row.startswith("previous token -k-&gt; induction"))
    assert "0.50 [0.48, 0.52] present directly" in keys
    assert "0.50 [0.48, 0.52] present through m0" in keys
    assert "m0 0.75 [0.73, 0.77]" in keys
    members = next(row for row in effects if row.startswith("induction a1.h2"))
    assert "2.000 [1.750, 2.250]" in members
    assert "lit" not in re.findall(r'class="(box[^"]*|arrow[^"]*)"', page)
    lit = _page(browser, ids, light="induction")
    assert lit.count('class="box lit"') == 2
    assert '<tr data-lit="induction" class="lit">' in lit


def test_what_cannot_be_tested_is_drawn_as_such(browser: TestClient, world: World) -> None:
    ids = [world.across[name] for name in ("c/gpt2", f"c/{FOREIGN}", "c/none")]
    page = _page(browser, ids)
    text = _text(html.unescape(page))
    assert "untestable: the task is not done" in text
    assert "untestable: the roles job failed: out of memory: 3 GB asked for" in text
    assert 'class="rolegraph open"' in page
    assert "<script>" not in page
    assert "Ask for roles and effects" in page


def test_a_circuit_of_no_known_task_is_told_and_has_no_column(
    browser: TestClient, world: World
) -> None:
    brought = make_imported("brought", model=make_model("c/brought"))
    world.store.write(lambda tx: write_circuit(tx, brought))
    page = _page(browser, [world.across["c/gpt2"], brought.circuit_id])
    assert "B: nobody knows the task" in page
    assert page.count('<figure class="column">') == 1


def test_roles_that_nobody_asked_for_are_asked_for_here(
    atlas: Atlas, browser: TestClient, world: World
) -> None:
    own = world.document(world.across["c/none"])
    sent: dict[str, Any] = atlas.form(browser, circuit=own.circuit_id, motif="induction")
    answer = browser.post("/compare/roles", **sent)
    assert answer.status_code == 303, _text(answer.text)
    effects = jobs.get(world.store, answer.headers["location"].rpartition("/")[2])
    spec = read_spec(effects.spec)
    assert isinstance(spec, EffectsSpec)
    roles = jobs.get(world.store, spec.roles_job)
    assert roles.state is JobState.QUEUED
    asked = read_spec(roles.spec)
    assert isinstance(asked, RolesSpec)
    assert asked.model.fingerprint == own.model.fingerprint
    page = _page(browser, [world.across["c/gpt2"], own.circuit_id])
    assert f'<a href="/jobs/{roles.job_id}">roles job</a> is queued' in page
    # A circuit of a job that is gone: the command alone.
    page = _page(browser, [world.across["c/gpt2"], world.unasked])
    assert "Nobody asked for the roles of this model on this task" in page
    assert "circuits roles --model made/wide --task made --wait" in page
    refused: dict[str, Any] = atlas.form(browser, circuit=world.unasked)
    assert browser.post("/compare/roles", **refused).status_code == 404


def test_a_command_to_copy_runs_nothing_that_a_file_brought(
    browser: TestClient, world: World
) -> None:
    model, task = "x; touch pwned", "a $(touch pwned) 'b"
    brought = make_circuit(model=make_model(model), job="shell", task=task, task_id="s")
    world.store.write(lambda tx: write_circuit(tx, brought))
    page = _page(browser, [world.across["c/gpt2"], brought.circuit_id])
    (command,) = re.findall(r'<pre tabindex="0" aria-label="Command">(.*?)</pre>', page, re.DOTALL)
    asked = ["circuits", "roles", "--model", model, "--task", task, "--wait"]
    assert shlex.split(html.unescape(command)) == asked


def test_an_address_that_is_no_comparison_says_what_to_change(
    atlas: Atlas, browser: TestClient, world: World
) -> None:
    def told(*ids: str) -> tuple[int, str]:
        answer = browser.get("/compare", params={"ids": ",".join(ids)})
        return answer.status_code, _text(html.unescape(answer.text))

    assert "Tick them in the list of circuits" in told()[1]
    status, text = told(world.one)
    assert (status, "One circuit alone is compared with nothing: add another" in text) == (
        200,
        True,
    )
    status, text = told(world.one, "ffffffffff")
    assert status == 404
    assert "no circuit has id 'ffffffffff'" in text
    assert "tiny" in text  # the other one stays chosen
    status, text = told(world.one, world.one[:20], world.two)
    assert status == 200
    assert "named twice" in text
    assert "Overlap against chance" in text
    store = world.store
    many = [make_circuit(job=f"many {n}", seed=n) for n in range(10)]
    for circuit in many:
        store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
    ids = [each.circuit_id for each in many]
    status, text = told(*ids)
    assert (status, "10 circuits; expected 2 to 9: take 1 away" in text) == (400, True)
    page = browser.get("/compare", params={"ids": ",".join(ids)}).text
    away = re.findall(r'class="away" href="([^"]+)"', page)
    assert len(away) == 10
    assert browser.get(html.unescape(away[0])).status_code == 200
    bad = browser.get("/compare", params={"ids": FOREIGN})
    assert bad.status_code == 404
    assert "<script>" not in bad.text
    # A form sends each by itself.
    answer = browser.get("/compare", params=[("ids", world.one), ("ids", world.two[:12])])
    assert "Overlap against chance" in answer.text


def test_circuits_are_ticked_in_the_list_and_taken_along(browser: TestClient, world: World) -> None:
    page = browser.get("/circuits").text
    assert f'form="compare" name="ids" value="{world.two}"' in page
    along = browser.get("/circuits", params={"ids": f"{world.one},nonsense", "task": "made"}).text
    assert along.count(f'<input type="hidden" name="ids" value="{world.one}">') == 2
    assert "nonsense" not in along
    assert "with the 1 chosen before" in along


def test_a_jobs_circuits_are_compared_from_its_page(browser: TestClient, world: World) -> None:
    job = world.document(world.across["c/gpt2"]).job_id
    page = browser.get(f"/jobs/{job}").text
    (link,) = re.findall(r'href="(/compare[^"]+)">compare them', page)
    assert "all of them" in browser.get(html.unescape(link)).text


def test_a_comparison_is_asked_for_elsewhere(browser: TestClient, world: World) -> None:
    page = html.unescape(_page(browser, [world.across["c/gpt2"], world.across["c/llama"]]))
    assert f'client.compare("{world.across["c/gpt2"][:12]}", ' in page
    links = re.findall(r'<p class="ask"><a href="([^"]+)"', page)
    assert len(links) == 2
    for link in links:
        assert "<tbody><tr>" in browser.get(link).text
