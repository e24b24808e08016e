"""A sweep becomes jobs, or all that is wrong with it is told at once."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from graph_schema.documents import Limits
from graph_schema.documents.jobs import DiscoverSpec
from graph_schema.errors import DatasetError, ModelUnavailable, SpecError
from tests.workers.requests.test_discover import pair, write
from workers.requests.discover import DiscoverRequest, build_submission
from workers.requests.sweep import AXES, SweepRequest, asked_sweep
from workers.requests.sweep_file import MAX_BYTES, read_sweep
from workers.requests.sweep_jobs import SweepSubmission, build_sweep

YAML = """\
models: [./a, ./b]
tasks:
  - {name: induction, pairs: 16}
  - pairs.jsonl
methods:
  - eap
  - {name: eap-ig, steps: 7}
edges: 10
seeds: [0, 1]
ablation: mean
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models as far as a client looks into them, pairs, and a sweep."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": "gpt2", "n": name}))
        save_file({"wte": np.zeros((4, 2), np.float32)}, tmp_path / name / "model.safetensors")
    write(tmp_path / "pairs.jsonl", [pair(n) for n in range(8)])
    (tmp_path / "mine.yaml").write_text(YAML)
    return tmp_path


def built(file: Path) -> SweepSubmission:
    return build_sweep(read_sweep(file), Limits(), file.parent / "cache")


def said(folder: Path, **given: Any) -> SweepSubmission:
    return build_sweep(asked_sweep(given, base=folder), Limits(), folder / "cache")


def test_every_model_is_asked_with_every_task_method_and_seed(folder: Path) -> None:
    found = built(folder / "mine.yaml")
    assert (found.name, found.by, len(found.jobs)) == ("mine", "edges", 16)
    words = [(job.model, job.task, job.method, job.size, job.seed) for job in found.jobs]
    assert words[0] == ("./a", "induction pairs=16", "eap", 10, 0)
    assert words[-1] == ("./b", "pairs", "eap-ig steps=7", 10, 1)
    assert len(set(words)) == 16
    for job in found.jobs:
        assert isinstance(job.submission.spec, DiscoverSpec)
        assert job.submission.spec.ablation.kind == "mean"
        assert (job.submission.dataset is None) == (job.task != "pairs")


def test_its_jobs_are_those_of_single_requests(folder: Path) -> None:
    alone = DiscoverRequest(
        model=str(folder / "b"),
        dataset=folder / "pairs.jsonl",
        method="eap-ig",
        method_params={"steps": 7},
        n_edges=10,
        seed=1,
        ablation="mean",
    )
    job_id = build_submission(alone, Limits(), folder / "cache").spec.job_id
    assert built(folder / "mine.yaml").jobs[-1].job_id == job_id


def test_its_id_is_of_what_it_asks_whatever_it_is_called_and_where_it_lies(folder: Path) -> None:
    first = built(folder / "mine.yaml").sweep_id
    (folder / "b").rename(folder / "c")
    text = YAML.replace("[./a, ./b]", "[./c, ./a, ./c]").replace("[0, 1]", "[1, 0]")
    (folder / "other.yaml").write_text(f"name: another\n{text}")
    again = built(folder / "other.yaml")
    assert (again.sweep_id, again.name, len(again.jobs)) == (first, "another", 16)
    assert said(folder, models="./a", tasks="induction", edges=10).sweep_id != first


def test_the_example_of_the_page_is_a_sweep(folder: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "sweeps.md"
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    for model, instead in (("zoo:gpt2/0", "./a"), ("zoo:llama/0", "./b"), ("./my-model", "./b")):
        assert model in example
        example = example.replace(model, instead)
    (folder / "page.yaml").write_text(example)
    found = built(folder / "page.yaml")
    assert len(found.jobs) == 2 * 3 * 2 * 2
    assert [job.task for job in found.jobs[::4]][:3] == [
        "induction",
        "induction min_period=8 pairs=64",
        "mine",
    ]


def test_it_may_say_all_that_a_single_request_may() -> None:
    single = {field.name for field in fields(DiscoverRequest)}
    asked_by_axes = {"model", "revision", "task", "task_params", "dataset", "heldout", "label"}
    asked_by_axes |= {"method", "method_params", "n_edges", "threshold", "seed"}
    of_all = set(SweepRequest.model_fields) - AXES
    assert single - asked_by_axes - of_all == {"dictionaries"}
    assert of_all <= single


def test_one_value_is_a_list_of_one_and_thresholds_are_sizes(folder: Path) -> None:
    found = said(folder, models="./a", tasks="induction", methods="acdc", thresholds=[0.1, 0.2])
    assert found.by == "threshold"
    assert [job.size for job in found.jobs] == [0.1, 0.2]
    assert {job.seed for job in found.jobs} == {0}


MISTAKES = """\
models: [./a, ./none]
tasks:
  - inductoin
  - {name: induction, length: 3}
  - dataset: nowhere.jsonl
methods:
  - {name: eap-ig,
     steps: 0}
  - {name: exact, steps: 5}
edges: [10]
ablation: men
"""


def test_all_that_is_wrong_is_told_at_once_each_with_its_line(folder: Path) -> None:
    (folder / "mine.yaml").write_text(MISTAKES)
    with pytest.raises(SpecError) as refused:
        built(folder / "mine.yaml")
    first, *lines = str(refused.value).splitlines()
    assert first.startswith("5 things are wrong with the sweep; nothing was submitted")
    wanted = [
        ("mine.yaml, line 7, methods[0]: steps is 0;", "greater than or equal to 1"),
        ("mine.yaml, line 9, methods[1]: method 'exact' has no parameter 'steps'", "none"),
        ("mine.yaml, line 3, tasks[0]: unknown task 'inductoin'; did you mean 'induction'?", ""),
        ("mine.yaml, line 4, tasks[1]: length is 3;", ""),
        ("mine.yaml, line 5, tasks[2]: cannot read the dataset", "nowhere.jsonl"),
    ]
    for line, (start, part) in zip(lines, wanted, strict=True):
        assert line.strip().startswith(start)
        assert part in line


@pytest.mark.parametrize(
    ("changed", "said_of_it"),
    [
        (
            {"metric": "kl"},
            "methods[0] with tasks[0] with edges[0]: method 'eap' cannot use metric",
        ),
        ({"metric": "kll"}, "metric: unknown metric 'kll'; did you mean 'kl'?"),
        ({"priority": 12}, "priority: priority is 12; expected less than or equal to 9"),
        ({"pairs": 3}, "pairs: pairs is 3; expected greater than or equal to 8"),
        ({"edges": 60_000}, "methods[0] with tasks[0] with edges[0]: edges is 60,000; the limit"),
        ({"candidates": "x"}, 'candidates is "x"; expected a valid dictionary'),
        ({"edges": None}, "give exactly one of edges and thresholds; neither was given"),
        ({"thresholds": 0.1}, "give exactly one of edges and thresholds; both were given"),
        ({"edges": [10, True]}, "edges[1]: edges is true; expected a valid integer"),
        ({"edges": []}, "edges: edges is []; Value should have at least 1 item"),
        ({"seeds": [-1]}, "seeds[0]: seeds is -1; expected greater than or equal to 0"),
        ({"thresholds": [float("nan")], "edges": None}, "thresholds[0]: threshold is NaN"),
        ({"models": [1.5]}, "models[0]: 1.5 is not a mapping"),
        ({"models": [{"name": "./a"}]}, "models[0].name: unknown key 'name'"),
        ({"modles": "./a"}, "modles: unknown key 'modles'; did you mean 'models'?"),
        ({"tasks": [{"dataset": "pairs.jsonl", "lable": "x"}]}, "did you mean 'label'?"),
        ({"seeds": list(range(1_000)), "edges": list(range(1, 12))}, "11,000 jobs; the limit is"),
        ({"methods": {"steps": 3}}, "name is missing"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    folder: Path, changed: dict[str, Any], said_of_it: str
) -> None:
    plain = {"models": "./a", "tasks": "induction", "methods": ["eap"], "edges": 10}
    with pytest.raises(SpecError) as refused:
        said(folder, **plain | changed)
    assert said_of_it in str(refused.value)


def test_a_mistake_of_one_kind_keeps_its_kind(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"models\[0\]"):
        said(folder, models=["./none"], tasks="induction", edges=10)
    with pytest.raises(DatasetError, match=r"tasks\[0\]"):
        said(folder, models=["./none"], tasks="none.jsonl", edges=10)


@pytest.mark.parametrize(
    ("data", "said_of_it"),
    [
        (b"- a\n", "mine.yaml holds no keys"),
        (b"", "mine.yaml holds no keys"),
        (b"\xff", "mine.yaml is not UTF-8 text"),
        (b"models: &m [./a]\ntasks: *m", "mine.yaml is not YAML: line 2"),
        (b"1: 2\nmodels: a", "the value is 1; Keys should be strings"),
        (b"#" * (MAX_BYTES + 1), "expected at most"),
        (b"models: ./a\ntasks: induction\nedgse: 1", "line 3, edgse: unknown key 'edgse'"),
    ],
)
def test_a_file_that_is_no_sweep_is_refused(folder: Path, data: bytes, said_of_it: str) -> None:
    (folder / "mine.yaml").write_bytes(data)
    with pytest.raises(SpecError) as refused:
        built(folder / "mine.yaml")
    assert said_of_it in str(refused.value)
    with pytest.raises(SpecError, match=r"'~nosuchuser/mine\.yaml' begins with the home of"):
        built(Path("~nosuchuser/mine.yaml"))
    with pytest.raises(SpecError, match="cannot read the sweep"):
        built(folder / "none.yaml")


@pytest.mark.parametrize("stem", ["n" * 200, "a\udcff"], ids=["long", "no text"])
def test_a_sweep_is_called_as_its_file_is_whatever_that_is(folder: Path, stem: str) -> None:
    file = folder / f"{stem}.yaml"
    file.write_text("models: ./a\ntasks: induction\nedges: 10\n")
    assert 0 < len(built(file).name) <= 100
