"""What of a model decides memory and time, from its configuration: no weight is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from discovery.engine.graph import Graph
from discovery.engine.site import Split
from graph_schema.documents import Candidates, CircuitDocument, ModelSource, mlp_name
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.models.compiled.program import CompiledProgram
from graph_schema.models.files import CONFIG_FILE, refuse_adapter
from graph_schema.models.fingerprint import is_path
from graph_schema.private_files import expanded


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
    d_head: int = 0

    @property
    def graph(self) -> Graph:
        return Graph(self.n_layers, self.n_heads, self.parallel, self.split_embed)


@dataclass(frozen=True)
class CutSizes:
    """Into how many units a job cuts which components, before any unit is scored.

    Attributes:
        asked: How many units, of what, chosen by what.
        components: What is cut; None is every MLP, into neurons.
        n_numbers: What the tensors of the dictionaries hold.
    """

    asked: Candidates
    components: tuple[str, ...] | None = None
    n_numbers: int = 0

    @classmethod
    def of(cls, spec: DiscoverSpec, n_numbers: int = 0) -> CutSizes | None:
        """Of a spec; None where it cuts nothing."""
        if spec.candidates is None:
            return None
        found = tuple(each.site.words for each in spec.dictionaries)
        return cls(spec.candidates, found or None, n_numbers)

    @classmethod
    def of_circuit(
        cls, circuit: CircuitDocument, n_units: int, n_numbers: int = 0
    ) -> CutSizes | None:
        """Of a stored circuit whose job had `n_units` candidates; None where it cuts nothing."""
        if circuit.granularity == "head":
            return None
        found = tuple(each.site.words for each in circuit.dictionaries)
        return cls(Candidates(n=max(1, n_units)), found or None, n_numbers)

    def graph(self, sizes: Sizes) -> Graph:
        """A graph of about as many parts: which units they are does not change its size."""
        names = self.components or tuple(mlp_name(layer) for layer in range(sizes.n_layers))
        n = self.asked.n
        each = n if self.asked.per == "layer" else -(-n // len(names))
        splits = tuple(
            Split(name, tuple(range(each)), error=self.components is not None) for name in names
        )
        return replace(sizes.graph, splits=splits)


def read_config(source: ModelSource, fingerprint: str | None = None) -> Any:
    """A model's configuration; a local folder need not hold weights.

    Raises:
        ModelError: There is none, or no adapter for its family.
    """
    from discovery.models.families import settle_attention
    from discovery.models.inspecting import inspect_model

    folder = expanded(source.name)
    if is_path(source.name) and (folder / CONFIG_FILE).is_file():
        from transformers import AutoConfig

        refuse_adapter(folder)
        config = AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        settle_attention(config, source.name)
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
            d_head=config.d_head,
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
        d_head=shape.d_head,
    )
