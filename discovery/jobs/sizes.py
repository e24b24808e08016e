"""What of a model decides memory and time, from its configuration: no weight is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discovery.engine.graph import Graph
from graph_schema.documents import ModelSource
from graph_schema.models.compiled.program import CompiledProgram
from graph_schema.models.files import CONFIG_FILE, refuse_adapter
from graph_schema.models.fingerprint import is_path


@dataclass(frozen=True)
class Sizes:
    """What of a model decides memory and time."""

    n_layers: int
    n_heads: int
    d_model: int
    d_mlp: int
    d_vocab: int
    n_weights: int
    n_embeddings: int
    """Weights that are looked up or read at the metric's positions alone."""
    parallel: bool = False
    split_embed: bool = False

    @property
    def graph(self) -> Graph:
        return Graph(self.n_layers, self.n_heads, self.parallel, self.split_embed)


def read_config(source: ModelSource, fingerprint: str | None = None) -> Any:
    """A model's configuration; a local folder need not hold weights.

    Raises:
        ModelError: There is none, or no adapter for its family.
    """
    from discovery.models.families import adapter_class
    from discovery.models.inspecting import inspect_model

    folder = Path(source.name).expanduser()
    if is_path(source.name) and (folder / CONFIG_FILE).is_file():
        from transformers import AutoConfig

        refuse_adapter(folder)
        config = AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        adapter_class(config)
        return config
    return inspect_model(source, fingerprint=fingerprint).config


def sizes_of(config: Any) -> Sizes:
    """A model's sizes from its configuration, its weights counted on the meta device."""
    import torch
    from transformers import AutoModelForCausalLM

    from discovery.models.families import adapter_class

    if isinstance(config, CompiledProgram):
        return Sizes(
            n_layers=config.n_layers,
            n_heads=config.n_heads,
            d_model=config.d_model,
            d_mlp=config.d_mlp,
            d_vocab=config.d_out,
            n_weights=config.n_weights,
            n_embeddings=config.d_model * (config.d_vocab + config.n_ctx + config.d_out),
            split_embed=True,
        )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        adapter = adapter_class(config)(model)
    shape = adapter.shape
    inside = model.get_input_embeddings().weight
    outside = model.get_output_embeddings()
    tied = outside is None or outside.weight is inside
    return Sizes(
        n_layers=shape.n_layers,
        n_heads=shape.n_heads,
        d_model=shape.d_model,
        d_mlp=shape.d_mlp,
        d_vocab=shape.d_vocab,
        n_weights=sum(weight.numel() for weight in model.parameters()),
        n_embeddings=shape.d_model * shape.d_vocab * (1 if tied else 2),
        parallel=adapter.parallel,
    )
