"""The job that finds a circuit: model x data x method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import later
from graph_schema.documents.jobs.base import CircuitSpec
from graph_schema.documents.method import AnyMethod, JobSelection, Metric, Receivers


class DiscoverSpec(CircuitSpec):
    """Everything a circuit depends on. Its SHA-256 is the job id.

    `exact_top` K tests the K best edges of a circuit that attribution found exactly, one at a time;
    the ranking stays the estimate's. `keep_pair_scores` stores every edge's score on every pair.
    `alternatives` finds so many circuits in place of one, each as unlike those before as stays
    comparably faithful.
    """

    kind: Literal["discover"] = "discover"
    method: AnyMethod
    granularity: Literal["head"] = "head"
    receivers: Receivers = later("query_head")
    selection: JobSelection
    exact_top: Annotated[int, Field(ge=1)] | None = later(None)
    keep_pair_scores: bool = later(False)
    alternatives: Annotated[int, Field(ge=1, le=10)] = later(1)

    @model_validator(mode="after")
    def _method_fits_metric(self) -> DiscoverSpec:
        if self.method.name == "eap" and self.metric is Metric.KL:
            # The gradient of KL(clean || patched) is zero at the clean run.
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

    @model_validator(mode="after")
    def _extras_fit_the_method(self) -> DiscoverSpec:
        if self.exact_top is not None and self.method.name not in ("eap", "eap-ig"):
            raise ValueError(
                f"exact_top tests the best edges of eap or eap-ig; method {self.method.name!r} "
                "measures each edge exactly already: leave it out"
            )
        if self.alternatives > 1 and self.method.name == "acdc":
            raise ValueError(
                "alternatives goes with exact, eap and eap-ig, whose scores of all edges further "
                "circuits are selected by; acdc decides edge by edge: leave it out"
            )
        if self.keep_pair_scores and self.method.name == "acdc":
            raise ValueError(
                "keep_pair_scores goes with exact, eap and eap-ig; acdc decides on the mean over "
                "pairs and has no score of a single pair"
            )
        return self
