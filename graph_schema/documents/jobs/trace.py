"""The job that traces one prompt: an attribution graph of its units, tokens and logits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import later
from graph_schema.documents.dictionary import DictionaryDocument
from graph_schema.documents.jobs.base import JobSpec
from graph_schema.documents.method import Trace
from graph_schema.documents.model import ModelId

MOST_TARGETS = 100
Token = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]


class TraceSpec(JobSpec):
    """Everything an attribution graph depends on. Its SHA-256 is the job id.

    The prompt is a text, after the tokenizer's own special tokens (`add_bos` forces a BOS token on
    or off), or token ids as they are. `targets` are tokens whose logits are nodes, as text that is
    one token, or as ids; without any they are the likeliest. `exact_top` K tests the K strongest
    edges by intervention. Dictionaries are in the order of their components. Nothing is drawn, so
    there is no seed.
    """

    kind: Literal["trace"] = "trace"
    model: ModelId
    prompt: Text | Annotated[tuple[Token, ...], Field(min_length=1)]
    add_bos: bool | None = None
    targets: Annotated[tuple[Token | Text, ...], Field(max_length=MOST_TARGETS)] = ()
    granularity: Literal["neuron", "dictionary"] = "neuron"
    dictionaries: tuple[DictionaryDocument, ...] = later(())
    method: Trace = Trace()
    exact_top: Annotated[int, Field(ge=1, le=10_000)] | None = None
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = "float32"

    @model_validator(mode="after")
    def _is_cut_as_it_says(self) -> TraceSpec:
        if (self.granularity == "dictionary") != bool(self.dictionaries):
            raise ValueError(
                f"granularity is {self.granularity!r} with {len(self.dictionaries)} dictionaries; "
                "expected 'dictionary' with at least one, or none (the neurons of MLPs are the "
                "model's own)"
            )
        for each in self.dictionaries:
            if not each.site.of_mlp:
                raise ValueError(
                    f"{each.words} reads {each.site.reads.value} and writes "
                    f"{each.site.writes.value}; an attribution graph takes dictionaries of MLPs: "
                    "transcoders, or SAEs on an MLP's output"
                )
        return self

    @model_validator(mode="after")
    def _one_prompt_has_one_id(self) -> TraceSpec:
        if len(set(map(repr, self.targets))) < len(self.targets):
            raise ValueError("a target is given twice; leave one out")
        if self.add_bos is not None and not isinstance(self.prompt, str):
            raise ValueError(
                "add_bos goes with a prompt of text; token ids are taken as they are: leave it out"
            )
        return self
