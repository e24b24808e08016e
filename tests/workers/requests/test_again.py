"""What a request leaves out is what was said before, alike for circuits and for roles jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from graph_schema.documents import Ablation, AblationSpec, DatasetData, Limits, TaskData
from graph_schema.errors import SpecError
from workers.requests.again import AgainRequest, ablation_again, data_again, source_again
from workers.requests.effects import EffectsRequest
from workers.requests.evaluate import EvaluateRequest

RESAMPLED = AblationSpec(kind=Ablation.RESAMPLE, draws=4)
REQUESTS = [EvaluateRequest(circuit="c"), EffectsRequest(roles_job="r")]


def changed(request: AgainRequest, **said: Any) -> AgainRequest:
    return replace(request, **said)


@pytest.mark.parametrize("request_", REQUESTS)
def test_draws_stay_with_their_kind(request_: AgainRequest) -> None:
    assert ablation_again(request_, RESAMPLED) == RESAMPLED
    same = changed(request_, ablation="resample")
    assert ablation_again(same, RESAMPLED) == RESAMPLED
    assert ablation_again(changed(same, draws=2), RESAMPLED).draws == 2
    other = changed(request_, ablation="mean")
    assert ablation_again(other, RESAMPLED) == AblationSpec(kind=Ablation.MEAN)


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_task_may_be_asked_for_otherwise_and_a_dataset_is_used_whole(
    request_: AgainRequest,
) -> None:
    own = TaskData.model_validate({"task": {"name": "induction", "length": 24}, "pairs": 8})
    assert data_again(request_, own, None, Limits()) == own
    more = data_again(changed(request_, pairs=16), own, None, Limits())
    assert more == own.model_copy(update={"pairs": 16})
    longer = data_again(changed(request_, task_params={"length": 40}), own, None, Limits())
    assert longer.model_dump(exclude={"task"}) == own.model_dump(exclude={"task"})
    dataset = DatasetData(sha256="0" * 64, task="made")
    assert data_again(request_, dataset, None, Limits()) == dataset
    with pytest.raises(SpecError, match="a dataset is used whole"):
        data_again(changed(request_, pairs=16), dataset, None, Limits())


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_revision_goes_with_a_model(request_: AgainRequest) -> None:
    assert source_again(request_) is None
    with pytest.raises(SpecError, match="a revision goes with a model"):
        source_again(changed(request_, revision="main"))
