"""Comparisons, verdicts and the atlas in chromium; screenshots are left in the test's folder."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from graph_schema.documents.universality import UniversalityReport
from graph_schema.processes import reserved_port
from graph_schema.store.records.circuits import write_circuit
from tests.factories import made_edges, make_circuit, make_model
from tests.made_universality import store_report
from tests.workers.web.chrome import visiting
from tests.workers.web.conftest import Atlas
from tests.workers.web.every_screen import read_every_screen, ways
from tests.workers.web.test_browser import Served
from tests.workers.web.test_verdicts import MODELS

pytestmark = [pytest.mark.needs_browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(atlas: Atlas) -> UniversalityReport:
    return store_report(atlas.client.service.store, MODELS, stressed="a")


@pytest.fixture(scope="module")
def within(atlas: Atlas) -> list[str]:
    """Circuits of one model that share a part of their edges."""
    edges, store = made_edges(260, n_layers=6, n_heads=8, seed=9), atlas.client.service.store
    model = make_model("made/within", n_layers=6, n_heads=8, n_edges=5_000)
    ids: list[str] = []
    for number in range(4):
        own = edges[40 * number : 40 * number + 100]
        circuit = make_circuit(own, model=model, job=f"within {number}", task="made")
        store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
        ids.append(circuit.circuit_id)
    return ids


@pytest.fixture(scope="module")
def served(atlas: Atlas) -> Generator[Served]:
    with reserved_port() as port:
        served = Served(atlas, port)
        yield served
        served.stop()


def _compared(ids: Iterable[str]) -> str:
    return f"/compare?ids={','.join(ids)}"


def _across(report: UniversalityReport, *places: int) -> str:
    return _compared(report.models[place].circuits[0] for place in places)


def _screens(report: UniversalityReport, within: list[str]) -> dict[str, str]:
    return {
        "compare-two": _compared(within[1:3]),
        "compare-four": f"{_compared(within)}&node=a3.h2",
        "compare-roles": f"{_across(report, 0, 1, 3, 4, 5)},{within[0]}&light=induction",
        "compare-one": _compared(within[:1]),
        "ticked": f"/circuits?ids={within[0]}",
        "atlas": "/atlas",
        "atlas-task": "/atlas?task=induction&motif=induction",
        "verdicts": "/verdicts",
        "verdict": f"/verdicts/{report.verdicts[1].verdict_id}",
    }


@ways
def test_every_screen_reads_and_passes_the_accessibility_check(
    report: UniversalityReport,
    within: list[str],
    served: Served,
    chrome: Browser,
    tmp_path: Path,
    scheme: str,
    width: int,
    scripts: bool,
) -> None:
    way: dict[str, Any] = {"scheme": scheme, "width": width, "scripts": scripts}
    screens = _screens(report, within)
    read_every_screen(chrome, served.url, served.entrance(), screens, tmp_path, **way)


def test_counterparts_light_up_by_pointer_and_by_keys(
    report: UniversalityReport, served: Served, chrome: Browser
) -> None:
    with visiting(chrome, served.entrance()) as page:
        page.goto(served.url + _across(report, 0, 1, 3))
        page.evaluate("window.stays = true")
        lit = page.locator(".rolegraph .box.lit")
        page.locator(".rolegraph .box[data-light=induction]").first.click()
        expect(lit).to_have_count(3)
        expect(page.locator("tr.lit")).to_contain_text("induction")
        expect(page).to_have_url(re.compile("light=induction"))
        page.locator(".rolegraph .box[data-light=previous_token]").nth(1).focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("light=previous_token"))
        assert set(lit.evaluate_all("all => all.map((one) => one.dataset.light)")) == {
            "previous_token"
        }
        page.keyboard.press("Enter")
        expect(lit).to_have_count(0)
        expect(page).not_to_have_url(re.compile("light="))
        assert page.evaluate("window.stays"), "the page was loaded again"


def test_a_union_is_narrowed_and_walked_without_loading_the_page(
    within: list[str], served: Served, chrome: Browser
) -> None:
    with visiting(chrome, served.entrance()) as page:
        page.goto(served.url + _compared(within[1:3]))
        page.evaluate("window.stays = true")
        edges = page.locator(".drawn .edge")
        expect(edges).to_have_count(140)
        page.get_by_role("link", name="both", exact=True).click()
        expect(edges).to_have_count(60)
        node = page.locator(".drawn a.box").nth(3)
        name = node.get_attribute("aria-label") or ""
        node.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".drawn a.box.chosen")).to_have_attribute("aria-label", name)
        expect(page.locator(".drawn a.box.chosen")).to_be_focused()
        expect(page).to_have_url(re.compile("part=AB&node="))
        page.go_back()
        expect(page.locator(".drawn a.box.chosen")).to_have_count(0)
        page.go_back()
        expect(edges).to_have_count(140)
        assert page.evaluate("window.stays"), "the page was loaded again"
