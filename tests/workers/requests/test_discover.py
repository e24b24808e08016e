"""What a user asks for becomes a spec, or one line that says what to change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from graph_schema.documents import (
    Acdc,
    DatasetData,
    Eap,
    EapIg,
    InductionTask,
    Limits,
    Metric,
    TaskData,
    Thresholds,
)
from graph_schema.documents.jobs import DiscoverSpec, Placement
from graph_schema.errors import DatasetError, ModelError, SpecError
from workers.requests.discover import DiscoverRequest, Submission, build_submission


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder as far as a client looks into it: it hashes the files, no more."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "gpt2"}')
    save_file({"wte": np.zeros((4, 2), np.float32)}, model / "model.safetensors")
    return model


def pair(first: int, **more: Any) -> dict[str, Any]:
    record = {"clean": [first, 2, 3], "corrupt": [first, 4, 3], "answers": [5]}
    return {**record, "wrong_answers": [6], **more}


def write(file: Path, pairs: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(record) + "\n" for record in pairs))
    return file


def build(folder: Path, limits: Limits | None = None, **asked: Any) -> Submission:
    if "task" not in asked and "dataset" not in asked:
        asked["task"] = "induction"
    if "n_edges" not in asked and "threshold" not in asked:
        asked["n_edges"] = 10
    values: dict[str, Any] = {"model": str(folder), **asked}
    request = DiscoverRequest(**values)
    return build_submission(request, limits or Limits(), folder.parent / "cache")


def discovering(made: Submission) -> DiscoverSpec:
    assert isinstance(made.spec, DiscoverSpec)
    return made.spec


def test_a_request_becomes_a_spec(folder: Path) -> None:
    made = build(folder, task_params={"length": 24}, method_params={"steps": 7}, pairs=16, seed=3)
    spec = discovering(made)
    assert isinstance(spec.data, TaskData)
    assert spec.data.pairs == 16
    assert spec.data.task == InductionTask(length=24)
    assert spec.method == EapIg(steps=7)
    assert spec.metric is Metric.LOGIT_DIFF
    assert made.placement == Placement.model_validate({"model": {"name": str(folder)}})
    assert made.dataset is None


def test_the_job_id_ignores_where_the_model_lies_and_where_it_runs(folder: Path) -> None:
    other = folder.rename(folder.with_name("elsewhere"))
    here = build(other)
    other.rename(folder)
    assert build(folder, device="cuda", chunk=4).spec.job_id == here.spec.job_id
    assert build(folder, seed=1).spec.job_id != here.spec.job_id


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"task": "iio"}, r"unknown task 'iio'; did you mean 'ioi'\? .*ioi, induction"),
        ({"method": "eap_ig"}, r"unknown method 'eap_ig'; did you mean 'eap-ig'\? .*exact"),
        ({"metric": "logitdiff"}, r"unknown metric 'logitdiff'; did you mean 'logit_diff'"),
        ({"ablation": "patch"}, r"unknown ablation 'patch'; .*corrupt, resample, mean, zero"),
        ({"n_edges": -5}, r"^edges is -5; expected greater than or equal to 1$"),
        ({"n_edges": 10**6}, r"edges is 1,000,000; the limit is 50,000"),
        ({"n_edges": 10**5000}, r"edges is a whole number of 16,610 bits; the limit is 50,000"),
        ({"seed": 10**5000}, r"^seed is a whole number of 16,610 bits; expected less than"),
        ({"pairs": 10**5000}, r"^pairs is a whole number of 16,610 bits; the limit is 10,000"),
        ({"threshold": 0.0}, r"^threshold is 0.0; expected greater than 0$"),
        ({"threshold": float("nan")}, r"^threshold is NaN"),
        (
            {"method": "acdc", "threshold": [0.0, 1.0]},
            r"^threshold is 0.0; expected greater than 0$",
        ),
        ({"n_edges": 5, "threshold": 0.1}, r"exactly one of n_edges .* both were given"),
        ({"n_edges": None}, r"exactly one of n_edges .* neither was given"),
        ({"task": None}, r"exactly one of task .* neither was given"),
        ({"dataset": "x.jsonl", "task": "ioi"}, r"exactly one of task .* both were given"),
        ({"method": "eap", "metric": "kl"}, r"^method 'eap' cannot use metric 'kl'.*eap-ig"),
        ({"method": "eap", "method_params": {"steps": 3}}, r"'eap' has no parameter 'steps'"),
        ({"method_params": {"steps": 0}}, r"^steps is 0; expected greater than or equal to 1$"),
        ({"task_params": {"len": 3}}, r"task 'induction' has no parameter 'len'; it takes: len"),
        ({"task_params": {"length": 8}}, r"^min_period 6, max_period 16, length 8: expected"),
        ({"pairs": 4}, r"^pairs is 4; expected greater than or equal to 8$"),
        ({"heldout": "x.jsonl"}, r"heldout and label go with a dataset"),
        ({"dtype": "int8"}, r"^dtype is \"int8\"; expected 'float32'"),
        ({"seed": -1}, r"^seed is -1; expected greater"),
        ({"evaluation": "slow"}, r"^evaluation is \"slow\"; expected 'quick' or 'full'$"),
        ({"draws": 0}, r"^draws is 0"),
        ({"draws": 5}, r"draws is 5, and ablation 'corrupt' draws nothing: leave"),
        ({"priority": 10}, r"^priority is 10"),
    ],
)
def test_a_wrong_request_is_told_in_one_line(
    folder: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message) as told:
        build(folder, **asked)
    assert "\n" not in str(told.value)


def test_several_thresholds_are_one_job(folder: Path) -> None:
    made = build(folder, method="acdc", threshold=[0.1, 0.01, 0.1])
    assert discovering(made).selection == Thresholds(thresholds=(0.01, 0.1))


def test_a_proposing_method_may_be_given_by_name(folder: Path) -> None:
    made = build(folder, method="acdc", method_params={"candidates": 9, "proposed_by": "eap"})
    assert discovering(made).method == Acdc(candidates=9, proposed_by=Eap())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpt2", "neither a hub id"),
        ("./absent", "no such file or folder"),
        ("./" + "x" * 300, "no such file or folder"),
        ("/etc", "no config.json"),
    ],
)
def test_a_model_that_is_not_there_is_named(folder: Path, name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(folder, model=name)


def test_a_request_is_checked_before_the_model_is_looked_at(folder: Path) -> None:
    with pytest.raises(SpecError, match="unknown method"):
        build(folder, model="./absent", method="magic")


def test_a_dataset_is_read_and_filed_under_its_label(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "greetings.jsonl", [pair(i) for i in range(10)])
    made = build(folder, dataset=file)
    assert made.dataset is not None
    assert made.dataset.n_pairs == 10
    assert discovering(made).data == DatasetData(sha256=made.dataset.sha256, task="greetings")
    labelled = build(folder, dataset=file, label="hello")
    assert discovering(labelled).data == DatasetData(sha256=made.dataset.sha256, task="hello")


def test_held_out_pairs_of_another_file_are_marked(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [pair(i) for i in range(10)])
    heldout = write(tmp_path / "b.jsonl", [pair(i, split="heldout") for i in range(20, 23)])
    made = build(folder, dataset=file, heldout=heldout)
    assert made.dataset is not None
    splits = [json.loads(line)["split"] for line in made.dataset.jsonl.splitlines()]
    assert splits == ["discovery"] * 10 + ["heldout"] * 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"\n \n", r"is empty \(3 bytes\)"),
        (b'{"clean": "a"}\n', r"line 1: the key 'corrupt' is missing"),
        (b"{}\n\xff\n", r"line 2: .*0xff.* is not UTF-8"),
        (b"[1, 2]\n", r"line 1: expected a JSON object"),
        (
            b'{"clean": [1, 2], "corrupt": [1], "answers": [1], "wrong_answers": [2]}\n',
            r"line 1: clean has 2 tokens, corrupt has 1",
        ),
        (b" " * (4 * 2**20 + 1), r"has 4,194,305 bytes; the limit .* is 4,194,304 bytes"),
    ],
)
def test_a_bad_dataset_names_its_file_and_line(
    folder: Path, tmp_path: Path, data: bytes, message: str
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(data)
    with pytest.raises(DatasetError, match=message) as told:
        build(folder, dataset=file)
    assert str(file) in str(told.value)


def test_a_dataset_that_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent\.jsonl': No such file"):
        build(folder, dataset=tmp_path / "absent.jsonl")
    with pytest.raises(DatasetError, match="Is a directory"):
        build(folder, dataset=tmp_path)


def test_a_dataset_that_lacks_what_the_metric_reads_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    pairs = [pair(i) for i in range(10)]
    del pairs[3]["wrong_answers"]
    file = write(tmp_path / "a.jsonl", pairs)
    with pytest.raises(DatasetError, match=r"line 4: metric 'logit_diff' needs 'wrong_answers'"):
        build(folder, dataset=file)
    assert build(folder, dataset=file, metric="answer_logit").dataset is not None


def test_a_label_that_would_steer_a_terminal_is_refused(folder: Path) -> None:
    file = write(folder.parent / "pairs.jsonl", [pair(n) for n in range(8)])
    with pytest.raises(SpecError, match=r"label 'a\\x1b\[31m' holds control characters.*--label"):
        build(folder, dataset=file, label="a\x1b[31m")


@pytest.mark.parametrize(
    "asked",
    [{"shards": 0}, {"priority": 10}, {"memory": 0}, {"chunk": 0}, {"device": "tpu"}],
    ids=str,
)
def test_what_needs_no_model_is_told_before_one_is_looked_for(
    folder: Path, asked: dict[str, Any]
) -> None:
    """Which takes half a minute where the hub is away, and is then what the user reads."""
    (name,) = asked
    with pytest.raises(SpecError, match=name) as refused:
        build(folder / "none", **asked)
    assert not isinstance(refused.value, ModelError)


def test_a_file_of_pairs_with_a_null_in_its_name_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot read the dataset .*null"):
        build(folder, dataset="pairs\0.jsonl", label="pairs")
