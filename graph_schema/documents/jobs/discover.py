"""The job that finds a circuit: model x data x method."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from graph_schema.documents.jobs.base import MeasuredSpec
from graph_schema.documents.method import AnyMethod, JobSelection, Metric


class DiscoverSpec(MeasuredSpec):
    """Everything a circuit depends on. Its SHA-256 is the job id."""

    kind: Literal["discover"] = "discover"
    method: AnyMethod
    granularity: Literal["head"] = "head"
    selection: JobSelection

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
