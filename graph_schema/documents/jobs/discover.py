"""The job that finds a circuit: model x data x method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document
from graph_schema.documents.evaluation import Preset
from graph_schema.documents.method import (
    AblationSpec,
    AnyMethod,
    JobSelection,
    Metric,
)
from graph_schema.documents.model import ModelId
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


class DiscoverSpec(Document):
    """Everything a circuit depends on. Its SHA-256 is the job id."""

    kind: Literal["discover"] = "discover"
    schema_version: Literal[1] = 1
    model: ModelId
    data: AnyData
    tokenisation: Tokenisation = Tokenisation()
    method: AnyMethod
    metric: Metric = Metric.LOGIT_DIFF
    ablation: AblationSpec = AblationSpec()
    granularity: Literal["head"] = "head"
    selection: JobSelection
    evaluation: Preset = "quick"
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = "float32"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _method_fits_metric(self) -> DiscoverSpec:
        if self.method.name == "eap" and self.metric is Metric.KL:
            # DESIGN §7: the gradient of KL(clean || patched) is zero at the clean run.
            raise ValueError(
                "method 'eap' cannot use metric 'kl': its gradient at the clean run is zero, so "
                "every score would be 0; use metric 'logit_diff' or method 'eap-ig'"
            )
        return self

    @model_validator(mode="after")
    def _acdc_fits(self) -> DiscoverSpec:
        if self.method.name != "acdc":
            return self
        if self.selection.by != "abs":
            # Otherwise one piece of work would have two job ids.
            raise ValueError("acdc decides by the rise of the loss, not by a ranking: leave `by`")
        proposed = self.method.candidates is not None and self.method.proposed_by.name == "eap"
        if proposed and self.metric is Metric.KL:
            raise ValueError(
                "candidates cannot be proposed by 'eap' under metric 'kl', whose gradient at the "
                "clean run is zero; use 'eap-ig'"
            )
        return self

    @property
    def job_id(self) -> str:
        return self.content_id()
