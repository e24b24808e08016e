"""What a client hands out as a notebook shows it: whole parts of a page, harmless and short."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from graph_schema.artifacts import ArtifactStore
from graph_schema.comparing.circuits import Known, compare_all
from graph_schema.documents.jobs import ErrorDocument, JobProgress, JobRecord, JobState
from tests.browser import look
from tests.factories import made_edges, make_circuit, make_circuit_evaluation, make_model
from tests.findings import finding, report, role_graph, roles_played, specificity, verdict
from workers.client import Circuit, Compared, Evaluated, Rows
from workers.client.job import Job
from workers.results.effects import EffectsFound
from workers.results.job_shown import job_html
from workers.results.roles import Roles
from workers.results.specificity import SpecificityFound
from workers.results.universality import Universality

NASTY = "made/<script>alert(1)</script>&'\"\u202e"
VOID = {"br", "meta", "img", "hr", "input", "progress"}


class Part(HTMLParser):
    """Tags of a part of a page; everything that is opened is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.styles = self.words = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.styles += data
        else:
            self.words += data


def record(**changes: Any) -> JobRecord:
    fields: dict[str, Any] = {
        "job_id": "a" * 64,
        "kind": "discover",
        "state": JobState.RUNNING,
        "spec": json.dumps(
            {"data": {"task": "ioi"}, "method": {"name": "eap"}, "selection": {"n_edges": 7}}
        ),
        "placement": json.dumps({"model": {"name": NASTY}}),
        "submitted_at": 0,
        "started_at": 0,
        "progress": JobProgress(stage="scores", done=3, total=9),
    }
    return JobRecord.model_validate(fields | changes)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One of each; names of models and what a job failed with are foreign text."""
    model = make_model(NASTY)
    circuits = make_circuit(model=model), make_circuit(model=model, job="b")
    played = roles_played(model)
    artifacts = ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))
    failed = record(
        state=JobState.FAILED, error=ErrorDocument(type="SpecError", message=NASTY), circuit_ids=()
    )
    return {
        "circuit": Circuit(circuits[0], artifacts),
        "comparison": Compared(compare_all([Known(each) for each in circuits]), circuits),
        "evaluation": Evaluated(make_circuit_evaluation(circuits[0])),
        "roles": Roles(played),
        "effects": EffectsFound(role_graph(model), NASTY),
        "specificity": SpecificityFound(specificity(played)),
        "verdict": Universality(
            report("j" * 64, NASTY, verdicts=[verdict(models=[finding(model, "ppp")])])
        ),
        "rows": Rows(("model",), ((NASTY,),), cut_by="query_rows"),
        "job": Job(None, failed),  # pyright: ignore[reportArgumentType]
    }


KINDS = (
    "circuit", "comparison", "evaluation", "roles", "effects", "specificity", "verdict", "rows",
    "job",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_whole_part_of_a_page_that_runs_and_fetches_nothing(
    shown: dict[str, Any], kind: str
) -> None:
    part = Part(shown[kind]._repr_html_())
    assert not part.tags & {"script", "html", "body", "head", "iframe", "link", "img", "object"}
    assert not {name for name in part.attributes if name.startswith("on")}
    assert not part.attributes & {"src", "href", "srcset", "action"}
    assert "\u202e" not in part.words
    assert "url(" not in part.styles
    # A rule of a notebook's whole page would change the notebook: all stand within our own class.
    assert re.fullmatch(r"(\.atlas-report\{.*\})?", part.styles.strip(), re.DOTALL)
    if kind != "evaluation":  # which names no model
        assert "alert(1)" in part.words


@pytest.mark.parametrize("kind", KINDS)
def test_its_plain_form_is_a_short_line(shown: dict[str, Any], kind: str) -> None:
    said = repr(shown[kind])
    assert said.startswith("<")
    assert len(said.splitlines()) == 1
    assert "\u202e" not in said
    assert len(said) < 250


def test_a_circuit_says_what_it_is_of_and_how_good(shown: dict[str, Any]) -> None:
    words = Part(shown["circuit"]._repr_html_()).words
    for said in ("model", "task", "induction", "method", "eap", "0.875 [0.800, 0.900]", "held out"):
        assert said in words


def test_of_a_large_circuit_the_strongest_edges_are_drawn_and_the_rest_counted(
    tmp_path: Path,
) -> None:
    edges = made_edges(1_000, n_layers=6, n_heads=8)
    document = make_circuit(edges, model=make_model(n_layers=6, n_heads=8, n_kv_heads=8))
    html = Circuit(document, ArtifactStore(str(tmp_path)))._repr_html_()
    assert html.count("<path") == 100
    assert "the strongest 100 of 1,000 edges, 900 left out" in html
    assert len(html) < 100_000
    drawn = {edge.name for edge in sorted(edges, key=lambda edge: -edge.strength)[:100]}
    hints = re.findall(r"<title>(\S+)  ", html.replace("&gt;", ">").replace("&lt;", "<"))
    assert drawn <= set(hints)


def test_a_long_answer_is_counted_and_says_by_what_it_was_cut() -> None:
    rows = Rows(("n",), tuple((n,) for n in range(1_234)), cut_by="query_rows")
    html = rows._repr_html_()
    assert html.count("<tr>") == 101
    assert "100 of 1,234 rows shown" in html
    assert "CIRCUITS_LIMITS__QUERY_ROWS" in html


def test_a_running_job_says_how_far_it_is() -> None:
    words = Part(job_html(record(), now=75.0)).words
    assert "running" in words
    assert "scores 3 of 9" in words
    assert "1 min" in words
    assert "ioi in made/" in words


def test_a_job_that_is_put_off_is_not_said_to_have_failed() -> None:
    full = ErrorDocument(type="ResourceError", message="no room")
    waiting = record(state=JobState.QUEUED, progress=None, error=full, retry_at=60_000)
    words = Part(job_html(waiting, now=30.0)).words
    assert ":00: ResourceError: no room" in words.partition("until")[2]
    assert "why" not in words
    sent = Part(job_html(waiting.model_copy(update={"retry_at": None}), now=90.0)).words
    assert "tried again" in sent
    failed = waiting.model_copy(update={"state": JobState.FAILED, "retry_at": None})
    assert "why" in Part(job_html(failed, now=90.0)).words


@pytest.mark.needs_browser
def test_a_report_leaves_the_page_around_it_alone(shown: dict[str, Any], tmp_path: Path) -> None:
    """The same heading outside looks as it did; the report's own is smaller."""
    outside = "<body style='margin:0'><h1 id=o>outside</h1>"
    script = (
        "<script>document.body.append('size ' + getComputedStyle(o).fontSize + ' own ' + "
        "getComputedStyle(document.querySelector('.atlas-report h1')).fontSize)</script>"
    )
    seen = look(outside + shown["verdict"]._repr_html_() + script, tmp_path, 1000)
    assert seen.errors == []
    assert "size 32px own 24px" in seen.text
    assert seen.needed == 1000, seen.past
