"""The report's page as a browser shows it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from graph_schema.documents.jobs import JobState
from graph_schema.store.connection import GraphStore
from tests.browser import look
from tests.made_universality import Made, placed, store_jobs
from tests.workers.tiny import worker_settings
from workers.client import CircuitClient
from workers.requests.discover import Submission
from workers.results.universality import Universality
from workers.running.inline import do_here

MODELS = [
    Made("page/gpt2-with-a-long-name-that-has-no-blank-in-it-at-all", "gpt2", "m"),
    Made("page/gpt2-1", "gpt2", "d"),
    *(Made(f"page/llama-{n}", "llama", how) for n, how in enumerate("ddda")),
    *(Made(f"page/neox-{n}", "gpt_neox", how) for n, how in enumerate("drb")),
]


@pytest.fixture
def found(embedded_store: GraphStore, tmp_path: Path) -> Generator[Universality]:
    settings = worker_settings(tmp_path / "home", embedded_store.address)
    with CircuitClient(settings=settings) as client:
        spec = store_jobs(embedded_store, MODELS, stressed="a")
        job = do_here(client, Submission(spec, placed(MODELS[0].name), None))
        assert job.state is JobState.SUCCEEDED, job.error
        yield job.outcome(progress=False)


@pytest.mark.needs_browser
def test_the_page_fits_a_telephone_and_says_k_of_n(found: Universality, tmp_path: Path) -> None:
    page = found.to_html()
    for width in (400, 1280):
        seen = look(page, tmp_path, width)
        assert seen.errors == [], "the browser's console"
        assert seen.width == width
        assert seen.needed == width, seen.past
        if width == 400:  # a table may scroll in its own box on a wide screen alone
            assert seen.past == []
        assert "5 of 8 (+1 untestable)" in seen.text
        for part in ("Scope", "Assumptions", "What would change the verdicts", "Stress test"):
            assert part in seen.text
        # A picture a model that has a role graph, what they mean, and depths: none cut off.
        assert len(seen.pictures) == 8 + 2
        assert min(seen.pictures) > 200
        assert max(seen.pictures) <= width
    # What the assertion on the console rests on: a script is refused, and that is told there.
    scripted = page.replace("</body>", "<script>document.title = 'x'</script></body>")
    assert len(look(scripted, tmp_path, 400).errors) == 1
