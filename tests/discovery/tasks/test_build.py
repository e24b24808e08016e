"""From a spec to its pairs: both kinds of data, one form, every refusal before weights load."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from discovery.tasks import TASKS, PairSet, build_dataset
from graph_schema.datasets.file import dataset_document, read_jsonl
from graph_schema.documents import (
    Ablation,
    AblationSpec,
    AnyTask,
    DatasetData,
    EapIg,
    GreaterThanTask,
    InductionTask,
    IoiTask,
    Limits,
    Metric,
    ModelId,
    TaskData,
    TopEdges,
    sha256_hex,
)
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.errors import DatasetError, NotFoundError
from tests.discovery.tasks.tokenizers import byte_level

LIMITS = Limits()


def spec(data: TaskData | DatasetData, **change: Any) -> DiscoverSpec:
    return DiscoverSpec(
        model=ModelId(fingerprint="0" * 64),
        data=data,
        method=EapIg(),
        selection=TopEdges(n_edges=10),
        **change,
    )


def submit(records: list[dict[str, Any]]) -> tuple[DatasetData, str]:
    data = "".join(json.dumps(record) + "\n" for record in records).encode()
    document = dataset_document(read_jsonl(data), "mine")
    return DatasetData(sha256=document.sha256, task="mine"), document.jsonl


def records(n: int = 20, **change: Any) -> list[dict[str, Any]]:
    plain = {"answers": [5], "wrong_answers": [6]}
    return [{"clean": [1, i, 3], "corrupt": [1, i, 4], **plain, **change} for i in range(n)]


def from_records(lines: list[dict[str, Any]], **change: Any) -> PairSet:
    data, jsonl = submit(lines)
    return build_dataset(spec(data, **change), None, 64, jsonl, LIMITS)


def test_the_documents_and_the_registry_name_the_same_tasks() -> None:
    (union, _) = get_args(AnyTask)
    assert {task.model_fields["name"].default for task in get_args(union)} == set(TASKS)


@pytest.mark.parametrize("task", [IoiTask(), InductionTask()], ids=lambda task: task.name)
def test_a_built_in_task_makes_as_many_pairs_again_held_out(task: IoiTask | InductionTask) -> None:
    tokenizer = byte_level()
    pairs = build_dataset(spec(TaskData(task=task)), tokenizer, len(tokenizer), None, LIMITS)
    assert len(pairs.discovery) == len(pairs.heldout) == 32
    assert (pairs.task, pairs.task_id) == (task.name, task.content_id())
    assert pairs.document.n_pairs == 64


def test_the_stored_document_gives_the_same_pairs_again() -> None:
    tokenizer = byte_level()
    first = build_dataset(spec(TaskData(task=IoiTask())), tokenizer, len(tokenizer), None, LIMITS)
    stored = DatasetData(sha256=first.document.sha256, task="ioi")
    again = build_dataset(spec(stored, seed=7), None, len(tokenizer), first.document.jsonl, LIMITS)
    assert again.discovery == first.discovery
    assert again.heldout == first.heldout
    assert again.document == first.document


def test_a_seeds_pairs_are_pinned() -> None:
    """Other pairs for the same spec change what its job id stands for: raise the task's version."""
    pairs = build_dataset(spec(TaskData(task=InductionTask())), None, 64, None, LIMITS)
    assert pairs.document.sha256.startswith("2c303555ed6b90a3")
    # As it was before held-out groups had names of their own: prompts and discovery's groups stay.
    before = pairs.document.jsonl.replace(" held out", "")
    assert sha256_hex(before).startswith("d5725fc7d48c2f1a")


def test_pairs_of_an_older_version_are_not_made_under_its_name() -> None:
    old, tokenizer = TaskData(task=IoiTask(version=1)), byte_level()
    with pytest.raises(DatasetError, match=r"version 1 of task 'ioi' is no longer made"):
        build_dataset(spec(old), tokenizer, len(tokenizer), None, LIMITS)


def test_greater_than_is_measured_as_in_its_paper_unless_told_otherwise() -> None:
    data = TaskData(task=GreaterThanTask())
    assert spec(data).metric is Metric.PROB_DIFF
    assert spec(data, metric=Metric.LOGIT_DIFF).metric is Metric.LOGIT_DIFF
    assert spec(TaskData(task=IoiTask())).metric is Metric.LOGIT_DIFF
    assert DiscoverSpec.model_validate_json(spec(data).canonical_json()) == spec(data)


def test_a_submitted_file_is_split_and_named() -> None:
    pairs = from_records(records())
    assert (len(pairs.discovery), len(pairs.heldout)) == (14, 6)
    assert pairs.task == "mine"
    assert pairs.discovery[0].group == pairs.discovery[0].id


@pytest.mark.parametrize("metric", [Metric.LOGIT_DIFF, Metric.PROB_DIFF])
def test_a_metric_that_needs_wrong_answers_is_refused_by_name(metric: Metric) -> None:
    with pytest.raises(DatasetError, match=f"line 1: metric '{metric}' needs 'wrong_answers'"):
        from_records(records(wrong_answers=[]), metric=metric)


def test_linear_needs_weights() -> None:
    with pytest.raises(DatasetError, match="line 1: metric 'linear' needs 'weights'"):
        from_records(records(), metric=Metric.LINEAR)
    induction = spec(TaskData(task=InductionTask()), metric=Metric.LINEAR)
    with pytest.raises(DatasetError, match="metric 'linear' needs token weights, and task 'ind"):
        build_dataset(induction, None, 64, None, LIMITS)
    pairs = from_records(records(weights=[[[5, 1.0]]]), metric=Metric.LINEAR)
    assert pairs.discovery[0].weights == (((5, 1.0),),)


def test_prompts_that_do_not_differ_are_refused_where_corrupt_is_the_ablation() -> None:
    same = records(corrupt=[1, 2, 3], clean=[1, 2, 3])
    with pytest.raises(DatasetError, match="every corrupt prompt equals its clean one"):
        from_records(same)
    from_records(same, ablation=AblationSpec(kind=Ablation.ZERO))


def test_a_missing_or_changed_dataset_is_refused() -> None:
    data, jsonl = submit(records())
    with pytest.raises(NotFoundError, match=f"dataset {data.sha256[:12]} is not in the store"):
        build_dataset(spec(data), None, 64, None, LIMITS)
    with pytest.raises(NotFoundError, match=f"the job names {data.sha256[:12]}"):
        build_dataset(spec(data), None, 64, jsonl + "\n", LIMITS)


def test_limits_hold_for_built_in_tasks() -> None:
    data = TaskData(task=InductionTask(), pairs=100)
    with pytest.raises(DatasetError, match="100 pairs were asked for; the limit is 50"):
        build_dataset(spec(data), None, 64, None, Limits(pairs=50))
    with pytest.raises(DatasetError, match=r"200 pairs are [\d,]+ bytes as token ids; the limit"):
        build_dataset(spec(data), None, 64, None, Limits(dataset_bytes=1000))
    with pytest.raises(DatasetError, match="task 'induction': the prompt has 32 tokens; the limit"):
        build_dataset(spec(data), None, 64, None, Limits(prompt_tokens=16))
    with pytest.raises(DatasetError, match="context holds 20"):
        build_dataset(spec(data), None, 64, None, LIMITS, n_ctx=20)


def test_means_of_few_prompts_of_a_length_are_refused_before_weights_load() -> None:
    lines = records(20) + [{**records(1)[0], "clean": [1, 2, 3, 4], "corrupt": [1, 9, 3, 4]}] * 2
    mean = AblationSpec(kind=Ablation.MEAN)
    for line in lines:
        line["split"] = "discovery"
    few = r"finds 0 other discovery prompts of its length \(4 tokens\); expected at least 7"
    with pytest.raises(DatasetError, match=few):
        from_records(lines, ablation=mean)
    assert len(from_records(lines[:20], ablation=mean).discovery) == 20
