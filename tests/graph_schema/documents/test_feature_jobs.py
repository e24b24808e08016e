"""What a job that asks for features may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from graph_schema.documents import (
    Activation,
    Candidates,
    DictionaryDocument,
    DictionaryKind,
    Eap,
    EapIg,
    InductionTask,
    MaskIg,
    Metric,
    ModelId,
    Place,
    Reading,
    Site,
    TaskData,
    TopEdges,
    TwoLeg,
)
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.documents.method import Acdc


def sae(layer: int, place: Place = Place.MLP_OUT, **more: Any) -> DictionaryDocument:
    return DictionaryDocument(
        kind=DictionaryKind.SAE,
        site=Site(reads=place, writes=place, layer=layer, **more),
        width=64,
        reading=Reading(activation=Activation.RELU),
        sha256="a" * 64,
    )


def spec(**changes: Any) -> DiscoverSpec:
    given: dict[str, Any] = {
        "model": ModelId(fingerprint="f" * 64),
        "data": TaskData(task=InductionTask()),
        "method": TwoLeg(),
        "granularity": "neuron",
        "selection": TopEdges(n_edges=10),
    }
    return DiscoverSpec.model_validate({**given, **changes})


def test_candidates_have_a_default_and_are_in_the_id() -> None:
    assert spec().candidates == Candidates()
    assert spec(candidates=Candidates()).job_id == spec().job_id
    assert spec(candidates=Candidates(n=7)).job_id != spec().job_id
    dictionary = spec(granularity="dictionary", dictionaries=(sae(0),))
    assert dictionary.job_id != spec().job_id
    assert DiscoverSpec.model_validate_json(dictionary.canonical_json()) == dictionary


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"granularity": "head", "candidates": Candidates()}, "candidates are units"),
        ({"granularity": "dictionary"}, "expected 'dictionary' with at least one"),
        ({"dictionaries": (sae(0),)}, "neurons of MLPs are the model's own"),
        (
            {"granularity": "dictionary", "dictionaries": (sae(0, Place.RESID_POST),)},
            "cut the edges that pass by",
        ),
        ({"granularity": "dictionary", "dictionaries": (sae(0), sae(0))}, "two dictionaries are"),
        (
            {
                "granularity": "dictionary",
                "dictionaries": (sae(0, Place.ATTN_OUT), sae(0, Place.HEAD_OUT, head=1)),
            },
            "which holds it",
        ),
        ({"method": EapIg()}, "integrated gradients are 'mask-ig'"),
        ({"method": Acdc(candidates=5)}, "integrated gradients are 'mask-ig'"),
        ({"metric": Metric.KL}, "use metric 'logit_diff' or method 'mask-ig'"),
        (
            {"metric": Metric.KL, "method": MaskIg(), "candidates": Candidates(by="relp")},
            "choose by 'ig'",
        ),
        ({"receivers": "kv_group"}, "granularity 'head' alone"),
        ({"evaluation": "full"}, "granularity 'head'"),
        ({"keep_pair_scores": True}, "keep_pair_scores goes with"),
        ({"method": Eap(), "keep_pair_scores": True}, "granularity 'head' alone"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(**changes)


def test_what_goes_together() -> None:
    assert spec(method=MaskIg(), metric=Metric.KL).metric is Metric.KL
    assert spec(method=Acdc()).method == Acdc()
    assert spec(method=Acdc(candidates=5, proposed_by=MaskIg())).granularity == "neuron"
    assert spec(granularity="head", method=TwoLeg()).candidates is None
