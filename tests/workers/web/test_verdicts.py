"""The verdicts' screens as a reader without JavaScript has them."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from graph_schema.documents import Outcome, Rung
from graph_schema.documents.universality import UniversalityReport
from graph_schema.reports.universality_tables import sections
from graph_schema.store.records.verdicts import write_verdict
from tests.findings import finding, verdict
from tests.made_universality import Made, store_report
from tests.workers.web.conftest import FOREIGN, Atlas
from tests.workers.web.test_screens import _text

MODELS = [
    *(Made(f"v/gpt2-{n}", "gpt2", how) for n, how in enumerate("dm")),
    *(Made(f"v/llama-{n}", "llama", how) for n, how in enumerate("da")),
    Made(f"v/{FOREIGN}", "neox", "d"),
    Made("v/neox-b", "neox", "b"),
]


@pytest.fixture(scope="module")
def report(atlas: Atlas) -> UniversalityReport:
    return store_report(atlas.client.service.store, MODELS, stressed="d")


def test_a_verdict_says_how_many_of_which_family_and_leads_to_what_it_rests_on(
    browser: TestClient, report: UniversalityReport
) -> None:
    wiring = report.verdicts[1]
    page = browser.get(f"/verdicts/{wiring.verdict_id}")
    assert page.status_code == 200
    text = _text(html.unescape(page.text.replace("</td>", " | </td>")))
    assert "wiring refuted" not in text
    assert "wiring undecided 4 of 5 (+1 untestable) 95 % bounds 0.284 to 0.995" in text
    assert "wiring | llama | 1 of 2 | 0.013 to 0.987 |" in text
    for part in ("Scope", "Assumptions", "What would change the verdicts", "Stress test"):
        assert f"<h2>{part}</h2>" in page.text
    assert "of 18 states moved" in text
    assert "v/llama-1" in text  # the counterexample, by name
    assert page.text.count("role='img'") >= 6  # role graphs, what they mean, depths
    assert page.text.count("class='card ") == 3
    assert page.text.count(" own'>") == 1
    assert f'href="/jobs/{report.job_id}"' in page.text


def test_every_figure_leads_to_the_query_that_finds_it(
    browser: TestClient, report: UniversalityReport
) -> None:
    page = browser.get(f"/verdicts/{report.verdicts[0].verdict_id}").text
    links = [html.unescape(each) for each in re.findall(r"class='ask'><a href=\"([^\"]+)", page)]
    tables = page.count("<table")
    assert len(links) >= tables + len(report.verdicts)
    for link in links:
        asked = browser.get(link)
        assert asked.status_code == 200, link
        assert "<tbody><tr>" in asked.text, parse_qs(urlsplit(link).query)["q"]
    numbers = browser.get(links[0]).text
    assert "undecided" in numbers


def test_that_no_state_moved_has_its_query_too(report: UniversalityReport) -> None:
    assert report.stress is not None
    still = report.model_copy(update={"stress": report.stress.model_copy(update={"moves": ()})})
    (told,) = (each for each in sections(still) if each.title == "Stress test")
    assert "0 of 18 states moved" in told.lines[0]
    assert "MATCH (g:RoleGraph {job_id: job})" in told.queries[0]


def test_a_report_is_kept_as_one_file(browser: TestClient, report: UniversalityReport) -> None:
    answer = browser.get(f"/verdicts/{report.verdicts[0].verdict_id}/report.html")
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.text.startswith("<!doctype html>")
    assert "<link" not in answer.text
    assert not re.search(r"(?:src|href)=['\"](?!#)", answer.text), "it fetches and leads nowhere"
    assert "@media print" in answer.text


def test_first_digits_and_jobs_lead_to_a_verdict_and_others_nowhere(
    browser: TestClient, report: UniversalityReport
) -> None:
    for own in (report.verdicts[2].verdict_id, report.job_id):
        answer = browser.get(f"/verdicts/{own[:16]}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/verdicts/{own}")
        assert browser.get(f"/verdicts/{own}").status_code == 200
    assert browser.get("/verdicts/ffffffffff").status_code == 404


def test_verdicts_are_listed_filtered_and_flagged(
    atlas: Atlas, browser: TestClient, report: UniversalityReport
) -> None:
    page = browser.get("/verdicts").text
    for each in report.verdicts:
        assert f'href="/verdicts/{each.verdict_id}"' in page
    assert "wiring, directly" in page
    assert "4 of 5" in page
    other = browser.get("/verdicts", params={"motif": "bi_fan"})
    assert "No verdict passes this filter" in other.text
    assert browser.get("/verdicts", params={"outcome": "certain"}).status_code == 400
    # One that nobody's job judged has no report: what the graph holds of it is asked instead.
    models = [finding(each.document, "ppp") for each in MODELS[:2]]
    handed = verdict(Rung.WIRING, Outcome.UNDECIDED, models)
    atlas.client.service.store.write(lambda tx: write_verdict(tx, handed))
    page = browser.get("/verdicts").text
    (asked,) = re.findall(r'href="(/cypher\?question=verdict-evidence[^"]+)"', page)
    assert handed.verdict_id in asked
    assert browser.get(html.unescape(asked)).status_code == 200


def test_foreign_text_of_a_report_is_text(browser: TestClient, report: UniversalityReport) -> None:
    for page in (
        f"/verdicts/{report.verdicts[0].verdict_id}",
        f"/verdicts/{report.verdicts[0].verdict_id}/report.html",
        f"/verdicts?motif={FOREIGN}",
        "/verdicts/<script>alert(1)",
    ):
        text = browser.get(page).text
        assert "<script>" not in text
        assert "alert(" in text
    text = browser.get(f"/verdicts/{report.verdicts[0].verdict_id}").text
    assert re.findall(r"<style|\sstyle=|\son\w+=", text) == []
