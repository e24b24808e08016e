"""Truths between features: the exact engine repeats them, and methods find the minimal edges."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from discovery.known.feature_recovery import FEATURE_METHODS, judge_features
from discovery.known.features import feature_files, read_feature_case
from graph_schema.documents import Ablation
from graph_schema.errors import ModelError, SpecError
from tests.discovery.known.folders import KEPT, SHARED

HERE = KEPT.parent
CASES = [
    *feature_files(HERE),
    *(
        pytest.param(file, marks=pytest.mark.slow)
        for file in (feature_files(SHARED) if SHARED.is_dir() else [])
        if not (HERE / "features" / file.name).is_file()
    ),
]
every_case = pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
MINIMAL = {Ablation.CORRUPT: "resample_minimal", Ablation.ZERO: "zero_minimal"}


@every_case
@pytest.mark.parametrize("ablation", list(MINIMAL))
def test_exact_repeats_what_each_edge_does_and_ranks_the_minimal_ones_first(
    file: Path, ablation: Ablation
) -> None:
    case = read_feature_case(file)
    checks = json.loads(file.read_text())["checks"]
    found = judge_features(case, "exact", ablation)
    assert found.case == file.stem
    assert (found.level, found.candidates) == ("feature", checks["candidate_edges"])
    assert found.max_d_logit_error is not None
    assert found.max_d_logit_error < 1e-4
    assert found.outside_rule == 0
    # The minimal circuit is greedy: where others do as much as its edges, not all come first.
    assert (found.auroc[MINIMAL[ablation]] or 0) >= 0.97
    assert found.max_logit_change < 1e-4


@pytest.mark.parametrize("method", [each for each in FEATURE_METHODS if each != "exact"])
def test_every_method_finds_the_edges_that_carry_a_programs_difference(method: str) -> None:
    found = judge_features(
        read_feature_case(HERE / "features" / "ib03_frac_prevs.json"), method, Ablation.CORRUPT
    )
    minimal = "resample_minimal"
    assert found.auroc[minimal] == found.precision[minimal] == found.recall[minimal] == 1
    assert found.max_logit_change < 1e-4
    assert found.max_d_logit_error is None


def test_where_a_gate_is_closed_two_legs_see_what_a_gradient_does_not() -> None:
    case = read_feature_case(HERE / "features" / "ib07_hist.json")
    two_leg, gradient = (
        judge_features(case, method, Ablation.CORRUPT) for method in ("two-leg", "attribution")
    )
    assert two_leg.auroc["resample_minimal"] == two_leg.recall["resample_minimal"] == 1
    assert (gradient.auroc["resample_minimal"] or 0) < 0.9


Change = Callable[[dict[str, Any]], None]


def _backwards(file: dict[str, Any]) -> None:
    first = file["edges"][0]
    first["sender"], first["receiver"] = first["receiver"], first["sender"]


CHANGES: dict[str, tuple[Change, str]] = {
    "no nodes": (lambda file: file.pop("nodes"), "nodes"),
    "another component": (lambda file: file["nodes"][0].update(component="a9.h0"), "a9.h0"),
    "no coordinate": (lambda file: file["nodes"][0].update(index=99), "99"),
    "a node twice": (lambda file: file["nodes"].append(file["nodes"][0]), "twice"),
    "an edge to nowhere": (lambda file: file["edges"][0].update(receiver="m0/none"), "m0/none"),
    "backwards": (_backwards, "backwards"),
    "no channel": (lambda file: file["edges"][1].update(channel="r"), "channel"),
    "another program": (lambda file: file.update(case="nobody"), "nobody"),
    "a path": (lambda file: file.update(case="../features"), "features"),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_file_that_does_not_fit_its_program_is_refused(change: str, tmp_path: Path) -> None:
    edit, says = CHANGES[change]
    for part in ("compiled", "features"):
        shutil.copytree(HERE / part, tmp_path / part)
    file = tmp_path / "features" / "ib03_frac_prevs.json"
    read = json.loads(file.read_text())
    edit(read)
    file.write_text(json.dumps(read))
    with pytest.raises((SpecError, ModelError), match=says) as refused:
        read_feature_case(file)
    assert "ib03_frac_prevs.json" in str(refused.value)


def test_a_file_that_is_no_json_and_a_folder_without_features_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="features"):
        feature_files(HERE / "compiled")
    shutil.copytree(HERE / "compiled", tmp_path / "compiled")
    (tmp_path / "features").mkdir()
    with pytest.raises(SpecError, match=r"no \.json file"):
        feature_files(tmp_path)
    (tmp_path / "features" / "ib07_hist.json").write_text("{")
    (file,) = feature_files(tmp_path)
    with pytest.raises(SpecError, match="ib07_hist"):
        read_feature_case(file)
