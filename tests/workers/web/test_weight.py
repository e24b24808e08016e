"""Pages are light, by the byte."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.workers.web.conftest import Atlas
from tests.workers.web.weights import loaded, weight
from workers import static
from workers.web.app import SCREENS

ALL_SCRIPT = 150_000
SCRIPT = {"/circuits": 1_000, "/jobs": 8_000, "/submit": 0, "/import": 4_000, "/cypher": 6_000}
"""Of pages that have little to do; the others have `ALL_SCRIPT` together."""
STYLE = 24_000
HTML = 60_000


def _pages(atlas: Atlas) -> list[str]:
    plain = [path for path in SCREENS if "{" not in path and "." not in path]
    own = f"/circuits/{atlas.wide.circuit_id}"
    return [*plain, own, f"{own}?node={atlas.wide.nodes_in_order[5]}"]


def test_pages_are_light(atlas: Atlas, browser: TestClient) -> None:
    for path in _pages(atlas):
        html, script, style = weight(browser.get(path).text)
        assert html < HTML, path
        assert script <= SCRIPT.get(path, ALL_SCRIPT), (path, script)
        assert 0 < style < STYLE, path


@pytest.mark.parametrize("name", sorted(static.ASSETS))
def test_what_a_script_imports_is_in_the_table(name: str) -> None:
    if name.endswith(".js"):
        assert loaded(name) <= set(static.ASSETS)
