"""Two real language models of two families asked for the same motifs: docs/universality.md.

    python -m benchmarks.real_universality [--model FOLDER]... [--only MOTIF]... [--stress NAME]
        [--write]

SmolLM2-135M-Instruct (Llama) and Gemma-3-270M: `python -m tests.real_models smollm2-135m
gemma3-270m` fetches them and says where they lie, which is where they are looked for. Through the
client and the local service of CIRCUITS_HOME: of each model and task a discover job of three
circuits, roles, effects and the judgement; with `--stress mean` roles and effects again by that
ablation, which is more than twice the work. Jobs that
ended well are not done again, so an interrupted run goes on where it was, and tables are written
from what is stored. `--write` puts them into the page.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.page import put, versions
from graph_schema.documents import RoleName, RolePlay, RolesPlayed
from graph_schema.documents.role import Share
from graph_schema.documents.role_graph import SuperEdge
from graph_schema.documents.universality import ModelEvidence, UniversalityReport
from workers.client import CircuitClient

PAGE = Path(__file__).parents[1] / "docs" / "universality.md"
FOLDER = Path.home() / ".cache" / "circuit-atlas" / "test-models"
MODELS = ("smollm2-135m", "gemma3-270m")


@dataclass(frozen=True)
class Case:
    """A motif and the task that it is asked of; pairs for each split, prompts for each probe."""

    motif: str
    task: str
    pairs: int
    probes: int
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])


CASES = (
    Case("induction", "induction", 16, 16, {"length": 24, "max_period": 10}),
    Case("indirect_object", "ioi", 32, 16),
)
OTHER_TASKS = ("greater_than", "subject_verb_agreement")
"""Tasks that no motif of the catalogue is named for: behaviour and roles alone."""


def judged(client: CircuitClient, case: Case, models: list[str], stress: str) -> UniversalityReport:
    """The report of a case; what is stored is not measured again."""
    job = client.universality(
        case.motif,
        models,
        task=case.task,
        task_params=case.params,
        pairs=case.pairs,
        probes=case.probes,
        stress=stress,
    )
    return job.outcome().document


def roles_found(client: CircuitClient, model: str, task: str) -> RolesPlayed:
    """Who plays what in a task without a motif."""
    return client.roles(model, task=task, pairs=16, probes=16).outcome().document


# Tables.


def section(client: CircuitClient, case: Case, report: UniversalityReport) -> Iterator[str]:
    """All that was found of a case, in Markdown."""
    params = ", ".join(f"{name} {value}" for name, value in case.params.items())
    yield f"#### {case.motif} (`{report.notation}`) on `{case.task}`"
    yield ""
    told = f"{case.pairs} pairs a split, {case.probes} prompts a probe condition, seed 0"
    yield f"{told}{'; ' + params if params else ''}."
    yield ""
    yield from rungs(report)
    yield ""
    played = {
        each.fingerprint: client.job(each.jobs["roles"]).outcome().document
        for each in report.models
        if "roles" in each.jobs and "roles" not in each.failures
    }
    yield from members(report, played)
    yield ""
    yield from super_edges(report)
    yield ""
    yield from circuits(report)
    yield ""
    yield from verdicts(report)


def rungs(report: UniversalityReport) -> Iterator[str]:
    yield "| model | family | accuracy, worst | gap | behaviour | role | wiring |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for each in report.models:
        known, done = each.behaviour, " | "
        if known is not None:
            gap = f"{known.gap:.1f} {between(known.gap_low, known.gap_high)}"
            done = f"{known.worst:.2f} | {gap}"
        states = " | ".join(
            found.state.value + (f": {found.reason}" if found.reason else "")
            for found in each.rungs
        )
        yield f"| {each.name} | {each.family} | {done} | {states} |"


def members(report: UniversalityReport, played: Mapping[str, RolesPlayed]) -> Iterator[str]:
    """Who passes, with effects as shares of the gap; where nobody does, who comes nearest."""
    yield "| model | role | heads: share of the gap alone; among their kin | transduction |"
    yield "| --- | --- | --- | --- |"
    for each in report.models:
        if (found := played.get(each.fingerprint)) is not None:
            for role in RoleName:
                if role in found.untested:
                    continue
                cells = role.value, heads(found, role), moved(found, role)
                yield f"| {each.name} | {' | '.join(cells)} |"
    for each in report.models:
        untested = (found.untested if (found := played.get(each.fingerprint)) else {}).items()
        for why in dict.fromkeys(reason for _, reason in untested):
            names = ", ".join(role.value for role, reason in untested if reason == why)
            yield f"\nUntestable in {each.name}: {names}. {why}."


def heads(found: RolesPlayed, role: RoleName) -> str:
    behaviour = found.behaviour
    gap = behaviour.gap if behaviour else 1.0
    plays = [play for play in found.ranked if play.role is role]
    passing = [play for play in plays if play.passes]
    if passing:
        return "; ".join(head(play, gap) for play in passing)
    near = sorted(plays, key=lambda play: -min(play.score, 0.3) * max(0.0, best(play)))[:1]
    return "none" + "".join(
        f"; nearest {head(play, gap)}, pattern {play.score:.2f}: {play.reason}" for play in near
    )


def best(play: RolePlay) -> float:
    return max(abs(play.effect), play.kin_effect or 0.0)


def head(play: RolePlay, gap: float) -> str:
    text = (
        f"{play.component} {play.effect / gap:.2f} {between(play.ci_low / gap, play.ci_high / gap)}"
    )
    if play.kin_effect is None or play.kin_low is None or play.kin_high is None:
        return text
    low, high = play.kin_low / gap, play.kin_high / gap
    return f"{text}; of {play.kin}: {play.kin_effect / gap:.2f} {between(low, high)}"


def moved(found: RolesPlayed, role: RoleName) -> str:
    of = next((each for each in found.transductions if each.role is role), None)
    if of is None:
        return ""
    others = "" if of.others is None else f", other heads {of.others:.2f}"
    return f"moved {share(of.moved)}, same answer {share(of.same_answer)}{others}"


def super_edges(report: UniversalityReport) -> Iterator[str]:
    yield "| model | super-edge | share | on discovery | direct | mediators | controls | state |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for each in report.models:
        for found in each.super_edges:
            if (edge := found.edge) is None:
                state = f"{found.state.value}: {found.reason}"
                yield f"| {each.name} | {found.name} | | | | | | {state} |"
                continue
            bound = " (all heads: nobody plays a role)" if edge.is_bound else ""
            cells = (
                f"{share(edge)}{bound}",
                share(edge.on_discovery),
                share(edge.direct),
                ", ".join(f"{part.component} {part.share:.2f}" for part in edge.mediators[:6]),
                controls(edge),
                f"{found.state.value}{': ' + found.reason if found.reason else ''}",
            )
            yield f"| {each.name} | {found.name} | {' | '.join(cells)} |"


def controls(edge: SuperEdge) -> str:
    return ", ".join(f"{part.name} {part.share:.2f}" for part in edge.controls)


def circuits(report: UniversalityReport) -> Iterator[str]:
    yield "| model | restored by the wiring | circuits' faithfulness | motif in | edge IoU |"
    yield "| --- | --- | --- | --- | --- |"
    for each in report.models:
        restored = ", ".join(f"{part.wiring} {share(part)}" for part in each.restored)
        good = " ".join("?" if value is None else f"{value:.2f}" for value in each.faithfulness)
        cells = restored, good, number(each.motif_in_circuits), number(each.edge_iou)
        yield f"| {each.name} | {' | '.join(cells)} |"


def verdicts(report: UniversalityReport) -> Iterator[str]:
    for each in report.verdicts:
        path = each.protocol.path if each.protocol else ""
        tally = each.pooled
        bounds = f" {between(tally.low, tally.high)}" if tally.low is not None else ""
        directly = ", directly" if str(path) == "direct" else ""
        said = f"{tally.present} of {tally.n}{bounds}, {tally.untestable} untestable"
        yield f"- {each.rung.value}{directly}: {each.outcome.value}, {said}"
    if (alike := report.alignment) is not None:
        p = f"p {alike.p:.2f}" if alike.testable else "too few permutations for a p"
        yield f"- alignment {alike.similarity:.2f} {between(alike.ci_low, alike.ci_high)}, {p}"
    if (stress := report.stress) is None:
        yield "- no stress test"
        return
    for move in stress.moves:
        what = f"{move.before.value} -> {move.after.value}"
        yield f"- {stress.what}: {move.model} {move.rung.value} {what}: {move.reason}"
    if not stress.moves:
        yield f"- {stress.what}: no state moved"


def other_table(client: CircuitClient, models: list[str]) -> Iterator[str]:
    """The tasks without a motif: is the task done, and who plays a role in it?"""
    yield "| task | model | accuracy, worst | gap | roles |"
    yield "| --- | --- | --- | --- | --- |"
    for task in OTHER_TASKS:
        for model in models:
            found = roles_found(client, model, task)
            known = found.behaviour
            assert known is not None, "the job always says how the model behaves"
            gap = f"{known.gap:.2g} {between(known.gap_low, known.gap_high)}"
            players = "; ".join(
                f"{role.value} {heads(found, role)}"
                for role in RoleName
                if any(play.passes and play.role is role for play in found.plays)
            )
            name = Path(model).name
            told = players or known.reason or "none"
            yield f"| {task} | {name} | {known.worst:.2f} | {gap} | {told} |"


def share(of: Share | None) -> str:
    return "" if of is None else f"{of.share:.2f} {between(of.ci_low, of.ci_high)}"


def between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{low:.2f}, {high:.2f}]"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def cost(client: CircuitClient, models: tuple[ModelEvidence, ...]) -> float:
    """CPU seconds of the jobs behind a report."""
    total = 0.0
    for each in models:
        for kind, job_id in each.jobs.items():
            if kind not in each.failures:
                found = client.job(job_id).outcome()
                run = (found[0] if isinstance(found, list) else found).run
                total += sum(run.cpu_seconds.values()) if run else 0.0
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", action="append", help="a folder; default: the two models")
    parser.add_argument("--only", action="append", help="a motif; default: all")
    parser.add_argument("--stress", default="none", help="another ablation, or none")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    models: list[str] = given.model or [str(FOLDER / name) for name in MODELS]
    with CircuitClient() as client:
        for case in CASES:
            if given.only and case.motif not in given.only:
                continue
            report = judged(client, case, models, given.stress)
            lines = list(section(client, case, report))
            seconds = cost(client, report.models)
            lines += ["", f"{seconds:.0f} CPU s; {versions('torch', 'transformers')}."]
            print("\n".join(lines), flush=True)
            if given.write:
                put(f"real models, {case.motif}", "\n".join(lines), PAGE)
        if not given.only or "none" in given.only:
            lines = list(other_table(client, models))
            print("\n".join(lines), flush=True)
            if given.write:
                put("real models, other tasks", "\n".join(lines), PAGE)


if __name__ == "__main__":
    main()
