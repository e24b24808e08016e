"""From a form to a circuit on screen, over the local service of a home: nothing is made up.

`circuits web` is a process, which is killed and started again while two browsers have a board open.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from graph_schema.processes import reserved_port
from tests.workers.tiny import Tiny, make_tiny
from tests.workers.web.chrome import visiting
from workers.client import CircuitClient, Job
from workers.local.ending import down
from workers.settings import Settings

pytestmark = [pytest.mark.needs_browser, pytest.mark.slow]

CIRCUITS = [sys.executable, "-c", "from workers.cli import main; main()"]
LONG = 300_000
"""Milliseconds until a job has ended that waits for a worker to be started."""


@dataclass(frozen=True)
class Home:
    """A home with a local service, and a model of two layers with pairs that it does."""

    settings: Settings
    tiny: Tiny
    pairs: Path
    port: int

    @contextmanager
    def served(self) -> Generator[tuple[subprocess.Popen[str], str]]:
        """`circuits web` as a process, and the address that lets one browser in."""
        command = [*CIRCUITS, "web", "--no-open", "--port", str(self.port)]
        with subprocess.Popen(
            command, env=self.settings.environment(), stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stderr is not None
                said = process.stderr.readline()
                found = re.search(r"http://127\.0\.0\.1:\d+/enter\?word=\S+", said)
                assert found is not None, said + process.stderr.read()
                yield process, found[0]
            finally:
                process.kill()

    def submitted(self, client: CircuitClient, seed: int) -> Job:
        model = str(self.tiny.folder)
        return client.submit(model=model, dataset=self.pairs, method="eap", n_edges=20, seed=seed)


@pytest.fixture
def home(tmp_path: Path) -> Generator[Home]:
    settings = Settings.model_validate({"home": tmp_path / "home", "idle_seconds": 600})
    tiny = make_tiny(tmp_path / "model")
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_bytes(tiny.jsonl)
    with reserved_port() as port:
        yield Home(settings, tiny, pairs, port)
    down(settings)


def test_a_form_ends_as_a_drawing_and_a_board_outlives_its_server(
    home: Home, chrome: Browser, tmp_path: Path
) -> None:
    with CircuitClient(settings=home.settings) as client, home.served() as (killed, entrance):
        own = entrance.partition("/enter")[0]
        with visiting(chrome, entrance) as one:
            _from_the_form_to_the_drawing(one, own, home, tmp_path / "submitted.png")
            one.goto(f"{own}/jobs")
            expect(one.locator("#live")).to_have_text("live")
            one.get_by_role("button", name="Another browser").click()
            with visiting(chrome, one.locator(".copyable pre").inner_text()) as two:
                for page in (one, two):
                    page.goto(f"{own}/jobs")
                    expect(page.locator("#live")).to_have_text("live")
                shown = home.submitted(client, 1)
                for page in (one, two):  # by an event, whose id the browser has from now on
                    expect(page.locator(f"#job-{shown.job_id}")).to_have_count(1)
                killed.send_signal(signal.SIGKILL)
                killed.wait()
                missed = [shown, *(home.submitted(client, seed) for seed in (2, 3))]
                for job in missed:
                    job.wait(timeout=LONG / 1000)
                for page in (one, two):
                    expect(page.locator("#live")).to_contain_text("does not answer")
                with home.served():
                    for page in (one, two):
                        for job in missed:
                            row = page.locator(f"#job-{job.job_id}")
                            expect(row.locator(".state")).to_have_text("succeeded")
                        expect(page.locator("#live")).to_have_text("live")
                    stored = [f"job-{job.job_id}" for job in client.jobs()]
                    assert len(stored) == 4
                    assert [_rows(page) for page in (one, two)] == [stored, stored]


def _from_the_form_to_the_drawing(page: Page, own: str, home: Home, picture: Path) -> None:
    page.goto(f"{own}/submit")
    page.locator("input[name=model]").fill(str(home.tiny.folder))
    page.locator("input[name=dataset]").fill(str(home.pairs))
    page.locator("select[name=method]").select_option("eap")
    page.locator("input[name=n_edges]").fill("20")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator("#board .state").first).to_have_text("succeeded", timeout=LONG)
    page.locator("dd a[href^='/circuits/']").first.click()
    expect(page.locator("#drawing[data-ready=yes] canvas.below")).to_be_visible()
    expect(page.locator("#strongest h2")).to_contain_text(re.compile(r"strongest \d+ of \d+"))
    page.screenshot(path=picture, full_page=True)


def _rows(page: Page) -> list[str]:
    return page.locator("#board tbody tr").evaluate_all("rows => rows.map((row) => row.id)")
