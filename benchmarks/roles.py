"""Roles in the zoo's models, and how often untrained ones have any: docs/roles.md.

    python -m benchmarks.roles [--models N] [--zoo FOLDER] [--write]

`--models N` untrained models of each of the zoo's six families are examined as if they did the
task: whoever passes then passes falsely. With `--zoo` every trained model in a folder (`circuits
zoo train`, or `discovery.models.zoo.train`) is examined too. `--write` puts the tables into
docs/roles.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.page import cpu, put, versions
from discovery.evaluation.session import Session
from discovery.jobs.roles import examine
from discovery.models.inspecting import inspect_model
from discovery.models.load import LoadedModel, load_model
from discovery.models.zoo import train
from discovery.progress import no_progress
from discovery.roles.behaviour import performance
from discovery.roles.examining import Examination
from discovery.roles.probing import probed
from discovery.tasks import build_dataset
from discovery.tasks.base import PairSet
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import (
    InductionTask,
    Limits,
    ModelId,
    ModelSource,
    RoleName,
    RolesPlayed,
    TaskData,
)
from graph_schema.documents.jobs import RolesSpec

PAGE = Path(__file__).parents[1] / "docs" / "roles.md"
FAMILIES = ("gpt2", "neox", "llama", "qwen2", "gemma2", "gemma3")
TESTED = (RoleName.PREVIOUS_TOKEN, RoleName.DUPLICATE_TOKEN, RoleName.INDUCTION)


@dataclass(frozen=True)
class Case:
    """A model's folder with the job of a seed."""

    spec: RolesSpec
    model: LoadedModel
    pairs: PairSet
    vocabulary: Vocabulary

    @classmethod
    def of(cls, folder: Path, seed: int) -> Case:
        source = ModelSource(name=str(folder))
        inspected = inspect_model(source)
        model = load_model(source, fingerprint=None, inspected=inspected)
        spec = RolesSpec(
            model=ModelId(fingerprint=model.document.fingerprint),
            data=TaskData(task=InductionTask()),
            roles=TESTED,
            seed=seed,
        )
        size, n_ctx, names = inspected.d_vocab, inspected.n_ctx, inspected.names
        pairs = build_dataset(spec, inspected.tokenizer, size, None, Limits(), n_ctx, names)
        return cls(spec, model, pairs, Vocabulary(size, inspected.tokenizer, None, n_ctx, names))


def false_roles(family: str, seed: int) -> tuple[bool, int, int]:
    """Whether an untrained model passes for one that does the task, false roles, and tests."""
    with TemporaryDirectory() as scratch:
        case = Case.of(train(family, Path(scratch) / "model", seed=seed, steps=0), seed)
    session = Session.of(
        case.spec,
        case.model,
        case.pairs,
        receivers="query_head",
        limits=Limits(),
        progress=no_progress,
        chunk=None,
    )
    done = performance(session, case.vocabulary)
    probes = probed(case.spec, session, case.vocabulary)
    examination = Examination(session, done.discovery, probes)
    examination.run()
    false = sum(play.passes for play in examination.plays)
    return not done.behaviour.reason, false, len(examination.plays)


def untrained_table(models: int) -> Iterator[str]:
    yield "| family | models | do the task | with a false role | false roles, of heads x roles |"
    yield "| --- | --- | --- | --- | --- |"
    for family in FAMILIES:
        found = [false_roles(family, seed) for seed in range(models)]
        gate = sum(each[0] for each in found)
        models_with = sum(each[1] > 0 for each in found)
        false, tests = (sum(each[i] for each in found) for i in (1, 2))
        share = f"{false} of {tests} ({false / tests:.1%})"
        line = f"| {family} | {models} | {gate} | {models_with} | {share} |"
        print(line, flush=True)
        yield line


def zoo_table(folder: Path) -> Iterator[str]:
    heads = ("accuracy, worst period", "gap", *(role.value for role in TESTED), "moved", "same")
    yield f"| model | {' | '.join(heads)} |"
    yield f"| --- |{' --- |' * len(heads)}"
    configs = (*folder.glob("*/config.json"), *folder.glob("*/case.json"))
    for place in sorted(config.parent for config in configs):
        case = Case.of(place, 0)
        found = examine(
            case.spec,
            case.model,
            case.pairs,
            case.vocabulary,
            limits=Limits(),
            progress=no_progress,
        ).played
        line = f"| {place.name} | {' | '.join(_cells(found))} |"
        print(line, flush=True)
        yield line


def _cells(found: RolesPlayed) -> list[str]:
    behaviour = found.behaviour
    assert behaviour is not None, "the job always says how the model behaves"
    cells = [f"{behaviour.worst:.2f}", f"{behaviour.gap:.1f}"]
    for role in TESTED:
        names = [play.component for play in found.ranked if play.passes and play.role is role]
        cells.append("untestable" if role in found.untested else " ".join(names) or "none")
    carried = found.transductions[0] if found.transductions else None
    if carried is None:
        return [*cells, "", ""]
    same = carried.same_answer
    return [*cells, f"{carried.moved.share:.2f}", "" if same is None else f"{same.share:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--zoo", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines: list[str] = []
    seconds = cpu(lambda: lines.extend(untrained_table(given.models)))
    told = f"`python -m benchmarks.roles`: {seconds:.0f} CPU s; {versions('torch', 'scipy')}."
    if given.write:
        put("untrained roles", "\n".join([told, "", *lines]), PAGE)
    if given.zoo is not None:
        table = list(zoo_table(given.zoo))
        if given.write:
            put("zoo roles", "\n".join(table), PAGE)


if __name__ == "__main__":
    main()
