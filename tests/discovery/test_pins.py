"""What work on speed or precision must not change: scores, kept sets, a circuit's id.

The figures were computed once (tests/discovery/pins/made.py says of what) and are compared with
what is computed now, in float32. Kept sets are cut where scores lie well apart.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.discovery.models.families import FAMILIES
from tests.discovery.pins import made


@cache
def _pinned() -> dict[str, NDArray[np.float32]]:
    with np.load(made.SCORES) as arrays:
        return dict(arrays)


def _kept() -> dict[str, Any]:
    return json.loads(made.KEPT.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("ablation", made.ABLATIONS)
@pytest.mark.parametrize("method", made.METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_what_they_were(family: str, method: str, ablation: str) -> None:
    wanted = _pinned()[f"{family}/{method}/{ablation}"]
    found = made.scores(family, method, ablation)
    within = 1e-5 * float(np.abs(wanted).max())
    if method == "acdc":
        # Without its inputs a norm divides by next to nothing (qwen3, zero): rounding is large.
        within = max(within, 3 * made.moved_by_rounding(family, ablation))
    np.testing.assert_allclose(found, wanted, atol=within)
    if method == "acdc":
        assert np.array_equal(found >= made.TAU, wanted >= made.TAU), "kept edges"


def test_the_demos_circuit_is_what_it_was() -> None:
    assert made.demo() == _kept()["demo"]


@pytest.mark.needs_real_models
def test_smollm2s_circuit_for_ioi_is_what_it_was(smollm2_folder: str) -> None:
    assert made.smollm2(smollm2_folder) == _kept()["smollm2"]
