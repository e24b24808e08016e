"""The zoo: what its data are, what a training leaves behind, and what the models learn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from discovery.models import zoo
from graph_schema.errors import SpecError


def test_repeated_targets_have_a_match_one_period_back() -> None:
    tokens, scored = zoo.repeated(64, 4, 20, torch.Generator().manual_seed(0))
    assert tokens.shape == (64, zoo.N_CTX)
    for row, counts in zip(tokens.tolist(), scored.tolist(), strict=True):
        period = row.index(row[0], 1)
        assert 4 <= period <= 20
        assert len(set(row)) == period
        assert row[period:] == row[:-period]
        assert counts == [i >= period for i in range(zoo.N_CTX - 1)]


def test_a_training_saves_a_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()

    def progress(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total))

    folder = zoo.train("gpt2", tmp_path / "model", steps=2, progress=progress)
    assert seen == [("train", i, 2) for i in range(3)]
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)
    assert {f.name for f in folder.iterdir()} >= {"config.json", "model.safetensors", zoo.RECORD}
    assert not list(folder.glob("tokenizer*"))
    assert [f.name for f in tmp_path.iterdir()] == ["model"]
    record = json.loads((folder / zoo.RECORD).read_text())
    assert (record["family"], record["steps"]) == ("gpt2", 2)
    assert zoo.accuracy(folder) == record["accuracy"] < 0.5


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    folders = [
        zoo.train("gpt2", tmp_path / name, seed=seed, steps=2)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    a, b, c = ((folder / "model.safetensors").read_bytes() for folder in folders)
    assert a == b != c


def test_unknown_families_and_existing_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="family 'bert' is not in the zoo; expected gpt2, neox"):
        zoo.train("bert", tmp_path / "model")
    with pytest.raises(SpecError, match="exists already; choose another folder"):
        zoo.train("gpt2", tmp_path)


@pytest.mark.slow
def test_the_demo_model_is_trained_once(zoo_cache: Path) -> None:
    folder = zoo.ensure_demo_model(zoo_cache)
    assert zoo.accuracy(folder) > zoo.ACCURATE
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert zoo.ensure_demo_model(zoo_cache) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "number"), [("neox", 1), ("qwen2", 0), ("gemma3", 0), ("smeared", 0)]
)
def test_every_kind_of_family_learns_induction(family: str, number: int, zoo_cache: Path) -> None:
    """GPT-NeoX's is the demo's own: it is trained once for both."""
    assert zoo.accuracy(zoo.ensure_model(zoo_cache, family, number)) > zoo.ACCURATE


@pytest.mark.slow
@pytest.mark.parametrize("family", ["one-layer", "fixed-period"])
def test_negative_controls_do_not_learn_it(family: str, zoo_cache: Path) -> None:
    record = json.loads((zoo.ensure_model(zoo_cache, family) / zoo.RECORD).read_text())
    # Over a short period a single layer does better than chance: it repeats what it saw.
    assert max(record["by_period"][period] for period in ("16", "20")) < 0.4
    assert (record["by_period"]["12"] > zoo.ACCURATE) == (family == "fixed-period")
