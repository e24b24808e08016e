"""The job that finds a circuit: model x data x method."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import later
from graph_schema.documents.dictionary import STREAM, DictionaryDocument
from graph_schema.documents.jobs.base import CircuitSpec
from graph_schema.documents.method import (
    AnyMethod,
    Candidates,
    Granularity,
    JobSelection,
    Metric,
    Receivers,
)

_PATH = {"head": "eap-ig", "neuron": "mask-ig", "dictionary": "mask-ig"}


class DiscoverSpec(CircuitSpec):
    """Everything a circuit depends on. Its SHA-256 is the job id.

    `exact_top` K tests the K best edges of a circuit that attribution found exactly, one at a time;
    the ranking stays the estimate's. `keep_pair_scores` stores every edge's score on every pair.
    `alternatives` finds so many circuits in place of one, each as unlike those before as stays
    comparably faithful.

    `granularity` cuts MLPs into neurons, or the sites of `dictionaries` into features; `candidates`
    says which of them are nodes. Dictionaries are in the order of their components.
    """

    kind: Literal["discover"] = "discover"
    method: AnyMethod
    granularity: Granularity = "head"
    dictionaries: tuple[DictionaryDocument, ...] = later(())
    candidates: Candidates | None = later(None)
    receivers: Receivers = later("query_head")
    selection: JobSelection
    exact_top: Annotated[int, Field(ge=1, le=10**9)] | None = later(None)
    keep_pair_scores: bool = later(False)
    alternatives: Annotated[int, Field(ge=1, le=10)] = later(1)

    @model_validator(mode="before")
    @classmethod
    def _features_have_candidates(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("granularity", "head") != "head":
            return {**given, "candidates": given.get("candidates") or {}}
        return given

    @model_validator(mode="after")
    def _is_cut_as_it_says(self) -> DiscoverSpec:
        if self.granularity == "head" and self.candidates is not None:
            raise ValueError(
                "candidates are units of neurons or dictionaries: leave them out, or ask for "
                "granularity 'neuron' or 'dictionary'"
            )
        if (self.granularity == "dictionary") != bool(self.dictionaries):
            raise ValueError(
                f"granularity is {self.granularity!r} with {len(self.dictionaries)} dictionaries; "
                "expected 'dictionary' with at least one, or none (the neurons of MLPs are the "
                "model's own)"
            )
        components: list[str] = []
        for each in self.dictionaries:
            if each.site.writes in STREAM or each.site.component is None:
                raise ValueError(
                    f"{each.words} lies on the residual stream: spliced in, it would cut the edges "
                    "that pass by; take one on an MLP's or attention's output"
                )
            if len(each.site.written) > 1:
                raise ValueError(
                    f"{each.words} writes to {len(each.site.written)} layers; circuits over pairs "
                    "take dictionaries of one component each"
                )
            components.append(each.site.component)
        for name in sorted(components):
            if components.count(name) > 1:
                raise ValueError(f"two dictionaries are on {name}: which one shall cut it?")
            if components.count(name.partition(".")[0]) and "." in name:
                raise ValueError(
                    f"a dictionary is on {name} and another on {name.partition('.')[0]}, which "
                    "holds it: which one shall cut it?"
                )
        return self

    @model_validator(mode="after")
    def _features_fit_the_method(self) -> DiscoverSpec:
        if self.granularity == "head":
            return self
        asked = [self.method.name]
        if self.method.name == "acdc" and self.method.candidates is not None:
            asked.append(self.method.proposed_by.name)
        if "eap-ig" in asked:
            raise ValueError(
                f"method 'eap-ig' scores heads and MLPs; at granularity {self.granularity!r} "
                "integrated gradients are 'mask-ig': take that, 'two-leg', 'eap', 'exact' or "
                "'acdc'"
            )
        if self.receivers != "query_head":
            raise ValueError("receivers 'kv_group' goes with granularity 'head' alone")
        if self.evaluation != "quick":
            raise ValueError(
                "evaluation 'full' goes with granularity 'head'; a circuit of features is judged "
                "on its held-out pairs ('quick')"
            )
        return self

    @model_validator(mode="after")
    def _method_fits_metric(self) -> DiscoverSpec:
        if self.method.name in ("eap", "two-leg") and self.metric is Metric.KL:
            # The gradient of KL(clean || patched) is zero at the clean run.
            raise ValueError(
                f"method {self.method.name!r} cannot use metric 'kl': its gradient at the clean "
                "run is zero, so every score would be 0; use metric 'logit_diff' or method "
                f"{_PATH[self.granularity]!r}"
            )
        return self

    @model_validator(mode="after")
    def _candidates_fit_metric(self) -> DiscoverSpec:
        if self.candidates and self.candidates.by != "ig" and self.metric is Metric.KL:
            raise ValueError(
                f"candidates cannot be chosen by {self.candidates.by!r} under metric 'kl', whose "
                "gradient at the clean run is zero; choose by 'ig' (--units-by ig)"
            )
        return self

    @model_validator(mode="after")
    def _acdc_fits(self) -> DiscoverSpec:
        if self.method.name != "acdc":
            return self
        if self.selection.by != "abs":
            # Otherwise one piece of work would have two job ids.
            raise ValueError("acdc decides by the rise of the loss, not by a ranking: leave `by`")
        proposed = self.method.candidates is not None
        by = self.method.proposed_by.name
        if proposed and by in ("eap", "two-leg") and self.metric is Metric.KL:
            raise ValueError(
                f"candidates cannot be proposed by {by!r} under metric 'kl', whose gradient at the "
                f"clean run is zero; use {_PATH[self.granularity]!r}"
            )
        return self

    @model_validator(mode="after")
    def _extras_fit_the_method(self) -> DiscoverSpec:
        if self.exact_top is not None and self.method.name in ("exact", "acdc"):
            raise ValueError(
                "exact_top tests the best edges of eap, eap-ig, two-leg or mask-ig; method "
                f"{self.method.name!r} measures each edge exactly already: leave it out"
            )
        if self.alternatives > 1 and self.method.name == "acdc":
            raise ValueError(
                "alternatives goes with methods that score all edges, which further circuits are "
                "selected by; acdc decides edge by edge: leave it out"
            )
        if self.keep_pair_scores and self.method.name in ("acdc", "two-leg", "mask-ig"):
            raise ValueError(
                f"keep_pair_scores goes with exact, eap and eap-ig; {self.method.name} takes the "
                "mean over pairs and has no score of a single pair"
            )
        if self.keep_pair_scores and self.granularity != "head":
            raise ValueError("keep_pair_scores goes with granularity 'head' alone")
        return self
