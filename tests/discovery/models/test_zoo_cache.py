"""The zoo's cache: checkpoints along a training, going on after a kill, trained once."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from discovery.models import GPT2Adapter, load_model
from discovery.models.zoo import cache, training
from discovery.models.zoo.recipes import RECIPES
from graph_schema.errors import NumericsError, SpecError
from graph_schema.models.config import read_model
from graph_schema.models.fingerprint import fingerprint, resolve_source


class Killed(BaseException):
    """What stops a training where it stands."""


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_a_model_has_checkpoints_that_are_models_and_its_loss_curve(tmp_path: Path) -> None:
    folder = cache.ensure_model(tmp_path, "gpt2", 1, n_checkpoints=2, steps=7)
    record = json.loads((folder / training.RECORD).read_text())
    assert [each["step"] for each in record["checkpoints"]] == [0, 4, 7]
    assert len(record["losses"]) == record["steps"] == 7
    assert (record["family"], record["seed"], record["training_seed"]) == ("gpt2", 1, 1)
    assert record["attempts"] == []
    prints: set[str] = set()
    for each in record["checkpoints"]:
        part = folder / each["folder"]
        model = load_model(resolve_source(str(part)), fingerprint=None)
        prints.add(model.document.identity)
        own = json.loads((part / training.RECORD).read_text())
        assert own["steps"] == each["step"] == len(own["losses"])
        assert own["accuracy"] == each["accuracy"]
        assert each["loss"] == (own["losses"][-1] if own["losses"] else None) or each["step"] > 0
    assert len(prints) == 3
    assert weights(folder) == weights(folder / record["checkpoints"][-1]["folder"])
    assert not (folder / training.STATE).exists()


@pytest.mark.parametrize("family", ["gpt2", "markov", "smeared", "gemma3"])
@pytest.mark.parametrize("step", [1, 5])
def test_a_killed_training_goes_on_to_the_same_weights(
    family: str, step: int, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"n_checkpoints": 3, "steps": 6}
    whole = cache.ensure_model(tmp_path / "whole", family, **options)
    seen: list[int] = []

    def kill(stage: str, done: int, total: int) -> None:
        seen.append(done)
        if done == step:
            raise Killed

    with pytest.raises(Killed):
        cache.ensure_model(tmp_path / "killed", family, progress=kill, **options)
    assert not list((tmp_path / "killed" / "zoo").glob(f"{family}-*"))
    begun = seen.copy()
    seen.clear()

    def watch(stage: str, done: int, total: int) -> None:
        seen.append(done)

    resumed = cache.ensure_model(tmp_path / "killed", family, progress=watch, **options)
    assert seen[0] == max(at for at in (0, 2, 4) if at <= begun[-1])
    assert weights(resumed) == weights(whole)
    one, other = (json.loads((folder / training.RECORD).read_text()) for folder in (whole, resumed))
    assert one["losses"] == other["losses"]
    for each in one["checkpoints"]:
        assert weights(whole / each["folder"]) == weights(resumed / each["folder"])


def test_a_finished_model_is_not_trained_again_and_a_changed_recipe_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cache.ensure_model(tmp_path, "gpt2", n_checkpoints=0, steps=2)
    when = (folder / "model.safetensors").stat().st_mtime_ns
    assert cache.ensure_model(tmp_path, "gpt2", n_checkpoints=0, steps=2) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == when
    assert cache.ensure_model(tmp_path, "gpt2", n_checkpoints=0, steps=3) != folder
    assert cache.folder_of(tmp_path, "gpt2", 0, 10) != cache.folder_of(tmp_path, "gpt2", 0, 5)


def test_two_processes_train_a_model_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    real = training.Training.run

    def run(self: training.Training, *args: Any) -> Any:
        runs.append(self.family)
        return real(self, *args)

    monkeypatch.setattr(training.Training, "run", run)
    threads = [
        threading.Thread(target=cache.ensure_model, args=(tmp_path, "gpt2"), kwargs={"steps": 2})
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runs == ["gpt2"]


def test_a_seed_that_falls_short_is_followed_by_another_and_the_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three steps learn nothing, so what counts as accurate is set where seeds differ.
    monkeypatch.setitem(RECIPES, "gpt2", cache.replace(RECIPES["gpt2"], steps=3))
    reached = {
        seed: training.accuracy(training.train("gpt2", tmp_path / str(seed), seed=seed))
        for seed in (2, 102, 202, 302)
    }
    best = max(reached.values())
    monkeypatch.setattr(cache, "ACCURATE", best)
    folder = cache.ensure_model(tmp_path, "gpt2", 2, n_checkpoints=1)
    record = json.loads((folder / training.RECORD).read_text())
    tried = [each["training_seed"] for each in record["attempts"]]
    assert [*tried, record["training_seed"]] == list(reached)[: len(tried) + 1]
    assert record["accuracy"] == best
    assert all(each["accuracy"] == reached[each["training_seed"]] for each in record["attempts"])
    monkeypatch.setattr(cache, "ACCURATE", 1.1)
    with pytest.raises(NumericsError, match=r"gpt2/3 reached accuracy 0\.\d\d in 4 trainings"):
        cache.ensure_model(tmp_path, "gpt2", 3, n_checkpoints=0)


def test_the_list_says_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for family, recipe in RECIPES.items():
        monkeypatch.setitem(RECIPES, family, cache.replace(recipe, steps=2))
    names = [("markov", 0), ("one-layer", 4)]
    trained = list(cache.train_zoo(tmp_path, names))
    assert [model.name for model in trained] == ["markov/0", "one-layer/4"]
    found = cache.list_zoo(tmp_path)
    assert len(found) == 3 * len(RECIPES) + 1
    assert [model for model in found if model.trained] == [
        model for model in found if model.name in ("markov/0", "one-layer/4")
    ]
    assert trained[0] in found
    with pytest.raises(SpecError, match="family 'bert' is not in the zoo"):
        cache.ensure_model(tmp_path, "bert")
    with pytest.raises(SpecError, match="seed -1 of the zoo's gpt2"):
        cache.ensure_model(tmp_path, "gpt2", -1)


def test_a_smeared_folder_is_a_model_like_others(tmp_path: Path) -> None:
    folder = cache.ensure_model(tmp_path, "smeared", n_checkpoints=0, steps=2)
    source = resolve_source(str(folder))
    document = load_model(source, fingerprint=None).document
    assert (document.family, document.n_layers) == ("smeared", 1)
    known = read_model(source, fingerprint(source))
    assert known.n_edges == document.n_edges


def test_smeared_keys_are_those_of_the_definition(tmp_path: Path) -> None:
    folder = cache.ensure_model(tmp_path, "smeared", n_checkpoints=0, steps=2)
    adapter: Any = load_model(resolve_source(str(folder)), fingerprint=None).adapter
    share = adapter.model.transformer.h[0].attn.smearing.share
    share.data.copy_(torch.linspace(-2, 2, share.numel()))
    batch = adapter.batch(torch.arange(7)[None])
    x = adapter.norm(0, "attn", adapter.embed(batch))
    plain = GPT2Adapter.project(adapter, batch, 0, "k", x)
    k, s = adapter.project(batch, 0, "k", x), share.sigmoid()
    for head in range(8):
        for i in range(7):
            before = plain[0, head, max(i - 1, 0)]
            wanted = s[head] * plain[0, head, i] + (1 - s[head]) * before
            torch.testing.assert_close(k[0, head, i], wanted)
