"""What a configuration says of a model's sizes is what its adapter finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from discovery.models.families import FAMILIES as ADAPTERS
from graph_schema.documents import ModelSource
from graph_schema.errors import ModelError
from graph_schema.models.config import ARCHITECTURES, read_model
from tests.discovery.models.families import FAMILIES, tiny

PRINT = "a" * 64


def test_every_family_with_an_adapter_can_be_read() -> None:
    assert ARCHITECTURES.keys() == ADAPTERS.keys()


@pytest.mark.parametrize("name", FAMILIES)
def test_sizes_are_the_adapters(name: str, tmp_path: Path) -> None:
    adapter = tiny(name)
    adapter.config.save_pretrained(tmp_path)
    found = read_model(ModelSource(name=str(tmp_path)), PRINT)
    assert found.family == adapter.config.model_type
    assert found.architecture == type(adapter.model).__name__
    assert found.n_edges == adapter.n_edges
    for size in ("n_layers", "n_heads", "n_kv_heads", "d_model", "d_head", "d_mlp", "d_vocab"):
        assert getattr(found, size) == getattr(adapter.shape, size), size


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "not a JSON object"),
        (json.dumps({"model_type": "bert"}), "no adapter for model_type 'bert'"),
        (json.dumps({"model_type": "gpt2"}), "no num_hidden_layers or n_layer"),
        (json.dumps({"model_type": "gpt2", "n_layer": "2"}), "n_layer is '2'"),
        (json.dumps({"model_type": ["gpt2"]}), r"no adapter for model_type \['gpt2'\]"),
        (json.dumps({"model_type": "b" * 5000}), r"no adapter for model_type 'b{70,80}…; expected"),
        (
            '{"model_type": "gpt2", "n_layer": 1, "n_head": 5, "n_embd": 3, "vocab_size": 9}',
            "more heads than dimensions",
        ),
    ],
)
def test_a_configuration_that_does_not_say_them_is_refused(
    tmp_path: Path, config: str, message: str
) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match=message):
        read_model(ModelSource(name=str(tmp_path)), PRINT)
    with pytest.raises(ModelError, match="sizes of a GGUF file"):
        read_model(ModelSource(name="/some/where.gguf"), PRINT)
