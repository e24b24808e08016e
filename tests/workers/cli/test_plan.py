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
    assert "assumes   one threshold, and every edge kept" in ran.out
    assert "estimate" in ran.out
    told = circuits(*asked, "--dtype", "bfloat16", "--json").json()
    assert told["weight_bytes"] == 2 * 6_738_415_616
    assert told["refused"] is None
    assert told["assumes_all_kept"]
    monkeypatch.setenv("CIRCUITS_LIMITS__MEMORY_BYTES", str(2**30))
    assert "the limit is 1.00 GiB" in circuits(*asked, "--json").json()["refused"]


def _tiny(folder: Path) -> None:
    config = transformers.GPT2Config(n_embd=16, n_head=2, n_layer=2, n_positions=40)
    config.save_pretrained(folder)


def test_an_unknown_method_is_named(circuits: Circuits, tmp_path: Path) -> None:
    ran = circuits("plan", "--model", tmp_path, "--task", "ioi", "--method", "eip", "--edges", 5)
    assert ran.code == ExitCode.REQUEST
    assert "did you mean 'eap'" in ran.err


def test_shards_divide_the_scores(circuits: Circuits, tmp_path: Path) -> None:
    _tiny(tmp_path)
    asked = ("plan", "--model", tmp_path, "--task", "ioi", "--method", "exact", "--edges", 9)
    told = circuits(*asked, "--shards", 4, "--json").json()
    assert told["shards"] == 4
    assert told["shard_cpu_seconds"] == told["cpu_seconds"]["scores"] / 4
    assert "shards    4, about" in circuits(*asked, "--shards", 4).out
    assert "\nshards" not in circuits(*asked).out


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--dtype", "int8", 'dtype is "int8"; expected'),
        ("--pairs", 0, "pairs is 0; expected"),
        ("--chunk", 0, "chunk is 0; expected"),
        ("--shards", 0, "shards is 0; expected"),
        ("--shards", 33, "shards is 33, and there are 32 pairs"),
        ("--tokens", 0, "--tokens is 0; expected 1 to the model's 40 positions"),
        ("--tokens", 41, "--tokens is 41; expected 1 to"),
        ("--threshold", "nan", "threshold is NaN; expected"),
    ],
)
def test_what_submit_refuses_is_not_planned(
    circuits: Circuits, tmp_path: Path, option: str, value: object, message: str
) -> None:
    _tiny(tmp_path)
    keep = () if option == "--threshold" else ("--edges", 5)
    ran = circuits("plan", "--model", tmp_path, "--task", "ioi", *keep, option, value)
    assert ran.code == ExitCode.REQUEST
    assert message in ran.err


def test_a_files_pairs_are_counted_and_the_rest_assumed(circuits: Circuits, tmp_path: Path) -> None:
    _tiny(tmp_path)
    line = '{"clean": "a b%d", "corrupt": "a c%d", "answers": ["x"], "wrong_answers": ["y"]}\n'

    def write(n: int, line: str = line) -> None:
        (tmp_path / "pairs.jsonl").write_text("".join(line % (i, i) for i in range(n)))

    write(20)
    asked = ("plan", "--model", tmp_path, "--dataset", tmp_path / "pairs.jsonl", "--edges", 5)
    told = circuits(*asked, "--json").json()
    assert (told["n_pairs"], told["n_heldout"], told["n_tokens"]) == (14, 6, 32)
    assert not told["assumes_all_kept"]
    assert "assumes" not in circuits(*asked).out
    write(9)
    told = circuits(*asked, "--json").json()
    assert (told["n_pairs"], told["n_heldout"]) == (8, 1), "discovery keeps eight"
    write(20, line.replace("}", ', "split": "discovery"}'))
    told = circuits(*asked, "--json").json()
    assert (told["n_pairs"], told["n_heldout"]) == (20, 0)
    few = circuits(*asked, "--method", "acdc", "--candidates", 10**8, "--json").json()
    every = circuits(*asked, "--method", "acdc", "--json").json()
    assert few["cpu_seconds"]["scores"] < 2 * every["cpu_seconds"]["scores"]


def test_alternatives_and_thresholds_cost_what_they_take(
    circuits: Circuits, tmp_path: Path
) -> None:
    _tiny(tmp_path)
    asked = ("plan", "--model", tmp_path, "--task", "ioi", "--method", "eap")
    one = circuits(*asked, "--edges", 5, "--json").json()
    three = circuits(*asked, "--edges", 5, "--alternatives", 3, "--json").json()
    swept = circuits(*asked, "--threshold", 0.1, "--threshold", 0.2, "--json").json()
    assert [told["n_circuits"] for told in (one, three, swept)] == [1, 3, 2]
    for told in (three, swept):
        assert told["cpu_seconds"]["evaluation"] > 1.5 * one["cpu_seconds"]["evaluation"]
    assert three["cpu_seconds"]["scores"] > one["cpu_seconds"]["scores"]
    assert "3 circuits" in circuits(*asked, "--edges", 5, "--alternatives", 3).out
