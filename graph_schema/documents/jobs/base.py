"""A job's identity and place.

The job id is the SHA-256 of the spec's canonical JSON, so the same request twice is one job.
What only says where to run is the `Placement`, outside the id.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from graph_schema.documents.base import Document, later
from graph_schema.documents.dictionary import DictionarySource
from graph_schema.documents.evaluation import Preset
from graph_schema.documents.jobs.resources import MOST_GIB
from graph_schema.documents.method import AblationSpec, Metric
from graph_schema.documents.model import ModelId, ModelSource
from graph_schema.documents.task import AnyData


class Tokenisation(Document):
    """How text becomes tokens: the tokenizer's own special tokens, no chat template.

    `add_bos` forces a BOS token on (True) or off (False). `answers="first_difference"` takes
    the first token in which answer and wrong answer differ instead of refusing an answer of
    several tokens. `misfits="leave_out"` drops submitted pairs that do not fit the tokenizer, and
    the result says how many, instead of refusing the dataset.
    """

    add_bos: bool | None = None
    answers: Literal["single", "first_difference"] = "single"
    misfits: Literal["refuse", "leave_out"] = "refuse"


MOST_SHARDS = 256
"""Parts that a job's pairs are scored in."""

SPECS: dict[str, type[JobSpec]] = {}
"""Every kind of spec that is defined, by its kind's name."""


class JobSpec(Document):
    """What a job is asked; its SHA-256 is the job id.

    A kind's own class has a field `kind`, a literal with its name as the default.
    """

    schema_version: Literal[1] = 1

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "kind" in cls.model_fields:
            SPECS[cls.kind_name()] = cls

    @classmethod
    def kind_name(cls) -> str:
        """The name of this kind of job."""
        return str(cls.model_fields["kind"].default)

    @property
    def job_id(self) -> str:
        return self.content_id()

    @property
    def part_of(self) -> str | None:
        """The id of the job that this one is a part of; None where it stands for itself."""
        return None


class MeasuredSpec(JobSpec):
    """What every job that measures a model depends on: model, pairs, metric, ablation."""

    model: ModelId
    data: AnyData
    tokenisation: Tokenisation = Tokenisation()
    metric: Metric = Field(default_factory=lambda known: known["data"].default_metric)
    ablation: AblationSpec = AblationSpec()
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = "float32"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class CircuitSpec(MeasuredSpec):
    """What a job that finds or judges a circuit depends on besides: how it is evaluated."""

    evaluation: Preset = "quick"


class Placement(Document):
    """Where and how to run: nothing here changes a result beyond rounding.

    `dictionaries` say where the spec's lie; one source may hold several. `device` is one of
    `DEVICES`, and `memory_gib` what it is to have: both choose the worker (`resources.py`). A
    discover job's edges are scored in so many `shards`, each a job that any worker may do.
    """

    model: ModelSource
    dictionaries: tuple[DictionarySource, ...] = later(())
    device: str = "cpu"
    memory_gib: Annotated[int, Field(ge=1, le=MOST_GIB)] | None = later(None)
    chunk: Annotated[int, Field(ge=1)] | None = None
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    shards: Annotated[int, Field(ge=1, le=MOST_SHARDS)] = later(1)
