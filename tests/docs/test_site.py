"""The documentation as a site: built strictly, complete, and fetching nothing."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from typer.main import get_command

from workers.cli import app
from workers.client import CircuitClient

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as CI and users build it: a link that leads nowhere ends it."""
    folder = tmp_path_factory.mktemp("site")
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return folder


def _text(page: Path) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def test_every_page_of_the_repository_is_in_the_navigation(site: Path) -> None:
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    built = [site / page.with_suffix("") / "index.html" for page in pages if page.stem != "index"]
    assert [page for page in built if not page.exists()] == []
    start = (site / "index.html").read_text()
    names = [page.with_suffix("").as_posix() for page in pages if page.stem != "index"]
    assert [name for name in names if f'href="{name}/"' not in start] == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """No font, script, style or picture of another host: who reads is told to nobody."""
    loaded = re.compile(
        r"""<(?:script|img|iframe)[^>]*\ssrc="(https?:|//)|<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*href="(https?:|//)"""
    )
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    assert [page.name for page in pages if loaded.search(page.read_text())] == []


def test_the_reference_has_every_command_with_its_options(site: Path) -> None:
    text = _text(site / "reference" / "commands" / "index.html")
    commands = get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    assert len(commands) > 30
    assert [name for name in commands if f"circuits {name}" not in text] == []
    assert "--edges" in text


def test_the_reference_has_every_public_method_of_the_client(site: Path) -> None:
    text = _text(site / "reference" / "client" / "index.html")
    methods = [
        name for name, _ in inspect.getmembers(CircuitClient, callable) if not name.startswith("_")
    ]
    assert {"submit", "universality", "cypher"} <= set(methods)
    assert [name for name in methods if not re.search(rf"\b{name}\b", text)] == []
    for parameter in inspect.signature(CircuitClient.submit).parameters:
        assert parameter == "self" or parameter in text


def test_notebooks_are_there_to_read_and_to_take(site: Path) -> None:
    text = _text(site / "notebooks" / "index.html")
    for name in ("A first circuit", "The same circuit?", "One prompt, in full"):
        assert name in text
    assert "circuit = await job" in text
    page = (site / "notebooks" / "index.html").read_text()
    for file in (ROOT / "docs" / "notebooks").glob("*.ipynb"):
        assert re.search(rf'href="[./]*(notebooks/)?{file.name}"', page)
        assert (site / "notebooks" / file.name).read_bytes() == file.read_bytes()


def test_a_bar_inside_code_in_a_table_is_a_bar(site: Path) -> None:
    assert "circuits delete CIRCUIT|JOB" in _text(site / "cli" / "index.html")
