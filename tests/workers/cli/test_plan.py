"""`circuits plan`: an estimate from a configuration, without weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers

from tests.workers.cli.conftest import Circuits
from workers.cli.exits import ExitCode


def test_seven_billion_parameters_are_planned_from_their_configuration(
    circuits: Circuits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers.LlamaConfig(
        hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32
    ).save_pretrained(tmp_path)
    asked = ("plan", "--model", tmp_path, "--task", "ioi", "--method", "acdc", "--edges", 100)
    ran = circuits(*asked, "--candidates", 2000, "--proposed-by", "eap-ig")
    assert ran.code == ExitCode.DONE
    assert "6,738,415,616 weights" in ran.out
    assert "25.1 weights in float32" in ran.out
    assert "assumes   one run that keeps every edge" in ran.out
    assert "estimate" in ran.out
    told = circuits(*asked, "--dtype", "bfloat16", "--json").json()
    assert told["weight_bytes"] == 2 * 6_738_415_616
    assert told["refused"] is None
    assert told["assumes_all_kept"]
    monkeypatch.setenv("CIRCUITS_LIMITS__MEMORY_BYTES", str(2**30))
    assert "the limit is 1.00 GiB" in circuits(*asked, "--json").json()["refused"]


def test_an_unknown_method_is_named(circuits: Circuits, tmp_path: Path) -> None:
    ran = circuits("plan", "--model", tmp_path, "--task", "ioi", "--method", "eip", "--edges", 5)
    assert ran.code == ExitCode.REQUEST
    assert "did you mean 'eap'" in ran.err
