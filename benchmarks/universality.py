"""Induction over the zoo's models, controls and twins: docs/universality.md.

    python -m benchmarks.universality [--twins FOLDER] [--seeds N] [--write]

Trains what is not trained of the zoo, then asks three questions by the ordinary jobs of the local
service of `CIRCUITS_HOME`: over the three families of the demo (whose time is taken; half-way the
whole service is killed, and what had ended must not be done again), over all that should have the
motif, and over these with the controls. Asked again in the same home, finished jobs are not redone.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.page import put, versions
from discovery.models.zoo import train_zoo
from graph_schema.documents import Rung
from graph_schema.documents.jobs import JobState
from graph_schema.documents.role import Share
from graph_schema.documents.universality import ModelEvidence
from graph_schema.documents.verdict import Verdict
from workers.client import CircuitClient, Job
from workers.local.files import ServiceFiles
from workers.results.universality import Universality
from workers.settings import Settings, read_settings

PAGE = Path(__file__).parents[1] / "docs" / "universality.md"
FIRST = ("gpt2", "neox", "llama")
MORE = ("qwen2", "gemma2", "gemma3")
NEGATIVE = ("one-layer", "fixed-period", "markov")
OTHERWISE = ("smeared",)
PAIRS = 64


def trained(families: Sequence[str], seeds: int, cache_dir: Path) -> dict[str, str]:
    """Folder of each model by its name."""
    names = [(family, seed) for family in families for seed in range(seeds)]
    return {model.name: model.path for model in train_zoo(cache_dir, names)}


def asked(client: CircuitClient, models: Mapping[str, str]) -> Job:
    return client.universality("induction", list(models.values()), task="induction", pairs=PAIRS)


def ended(client: CircuitClient) -> dict[str, int | None]:
    """When each job ended that did."""
    return {
        job.job_id: job.record.finished_at for job in client.jobs(JobState.SUCCEEDED, limit=1000)
    }


def killed_half_way(settings: Settings, models: Mapping[str, str]) -> dict[str, int | None]:
    """Ask, and end the whole service with SIGKILL once half of the jobs are done."""
    with CircuitClient(settings=settings) as client:
        before = len(ended(client))
        job = asked(client, models)
        half = before + 5 * len(models) // 2
        while len(done := ended(client)) < half and not job.refresh().state.ended:
            time.sleep(0.2)
        state = ServiceFiles(settings).read()
        assert state is not None, "a service runs while jobs are done"
        for mark in (state.supervisor, state.worker, state.database):
            if mark is not None:
                os.kill(int(mark["pid"]), signal.SIGKILL)
    return done


def timed(settings: Settings, models: Mapping[str, str]) -> tuple[Universality, str]:
    """The report over some models, with what it took and what a kill half-way cost."""
    start = time.monotonic()
    done = killed_half_way(settings, models)
    killed = time.monotonic() - start
    with CircuitClient(settings=settings) as client:
        found = asked(client, models).outcome(progress=False)
        again = [job for job, when in ended(client).items() if job in done and when != done[job]]
    told = (
        f"{len(models)} trained models: {time.monotonic() - start:.0f} s in all; everything was "
        f"killed after {killed:.0f} s with {len(done)} jobs done, of which {len(again)} were done "
        "again."
    )
    return found, told


def told(found: Universality, models: Mapping[str, str]) -> Iterator[str]:
    by_folder = {each.model: each for each in found.models}
    edges = next(
        [edge.name for edge in each.super_edges] for each in found.models if each.super_edges
    )
    heads = ["behaviour", "role", "wiring", *edges, "runs", "transduction", "same answer"]
    yield f"| model | {' | '.join(heads)} |"
    yield f"| --- |{' --- |' * len(heads)}"
    for name, folder in models.items():
        yield f"| {name} | {' | '.join(_cells(by_folder[folder], len(edges)))} |"


def _cells(found: ModelEvidence, n_edges: int) -> Iterator[str]:
    for rung in (Rung.BEHAVIOUR, Rung.ROLE, Rung.WIRING):
        yield found.at(rung).state.value
    for each in found.super_edges or [None] * n_edges:
        if each is None or each.edge is None:
            yield "-"
        else:
            bound = "at most " if each.edge.is_bound else ""
            yield f"{bound}{each.edge.text}"
    yield ", ".join(dict.fromkeys(each.wired for each in found.super_edges if each.wired)) or "-"
    moved = found.transduction
    yield _share(moved.moved if moved else None)
    yield _share(moved.same_answer if moved else None)


def _share(share: Share | None) -> str:
    return "-" if share is None else share.text


def verdict(found: Verdict) -> str:
    path = f", {found.protocol.path}" if found.protocol and found.rung is Rung.WIRING else ""
    pooled = found.pooled
    named = ", ".join(sorted({each.family for each in found.counterexamples})) or "none"
    bounds = "-" if pooled.low is None else f"{pooled.low:.3f} to {pooled.high:.3f}"
    return (
        f"| {found.rung.value}{path} | {found.outcome.value} | {pooled.present} of {pooled.n} | "
        f"{pooled.untestable} | {bounds} | {named} |"
    )


def verdicts(found: Universality) -> Iterator[str]:
    yield "| verdict | outcome | present | untestable | bounds | families of counterexamples |"
    yield "| --- | --- | --- | --- | --- | --- |"
    yield from map(verdict, found.verdicts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--twins", type=Path, help="folder of compiled models: key, pointer, …")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    settings = read_settings()
    first = trained(FIRST, given.seeds, settings.cache_dir)
    more = trained(MORE, min(2, given.seeds), settings.cache_dir)
    controls = trained((*NEGATIVE, *OTHERWISE), given.seeds, settings.cache_dir)
    twins = sorted(each.parent for each in given.twins.glob("*/case.json")) if given.twins else []
    controls |= {f"twin {folder.name}": str(folder) for folder in twins}

    nine, cost = timed(settings, first)
    print(cost, flush=True)
    with CircuitClient(settings=settings) as client:
        positive = asked(client, first | more).outcome(progress=False)
        every = asked(client, first | more | controls).outcome(progress=False)
    models = first | more | controls
    lines = [
        f"`python -m benchmarks.universality --seeds {given.seeds}`, seed 0, {PAIRS} pairs; "
        f"{versions()}. {cost}",
        "",
        *told(every, models),
        "",
        f"Over {', '.join(first)}:",
        "",
        *verdicts(nine),
        "",
        f"With {', '.join(more)}:",
        "",
        *verdicts(positive),
        "",
        f"And with {', '.join(controls)}:",
        "",
        *verdicts(every),
    ]
    print("\n".join(lines))
    if given.write:
        put("zoo verdicts", "\n".join(lines), PAGE)


if __name__ == "__main__":
    main()
