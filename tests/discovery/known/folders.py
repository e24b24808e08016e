"""Folders of compiled cases: two kept here, the others where the project's shared folder lies."""

from __future__ import annotations

from pathlib import Path

import pytest

KEPT = Path(__file__).parent / "compiled"
SHARED = Path(__file__).parents[4] / "shared" / "ground_truth"
_COMPILED = SHARED / "compiled"

HERE = sorted(KEPT.iterdir())
ELSEWHERE = [
    folder
    for folder in (sorted(_COMPILED.iterdir()) if _COMPILED.is_dir() else [])
    if not (KEPT / folder.name).is_dir()
]


every_case = pytest.mark.parametrize(
    "folder",
    [*HERE, *(pytest.param(folder, marks=pytest.mark.slow) for folder in ELSEWHERE)],
    ids=lambda case: case.name,
)
