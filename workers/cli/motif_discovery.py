"""`motifs discover`: which patterns recur over the circuits of several models."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from graph_schema.documents.motif_discovery import MotifDiscovery, PatternState, RecurringPattern
from graph_schema.errors import SpecError
from graph_schema.reports import table
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.motif_tests import motifs
from workers.cli.options import AsJson, real, whole
from workers.cli.output import emit, emit_json, say
from workers.files import check_free, write_whole


@command(
    "circuits motifs discover --task induction",
    "circuits motifs discover --task ioi --model gpt2 --model llama --draws 5000 --json",
    "circuits motifs discover --task induction --save found --limit 5",
    name="discover",
    group=motifs,
)
def discover(
    task: Annotated[
        str, typer.Option(metavar="NAME", help="Task that the circuits do: its name or id.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Only these: name, family, fingerprint (all)."),
    ] = None,
    per_model: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Newest circuits of each model.")
    ] = 5,
    max_nodes: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Nodes of a pattern, 2 to 4.")
    ] = 4,
    draws: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Deals of roles for each model.")
    ] = 1000,
    seed: Annotated[int, typer.Option(parser=whole, metavar="N", help="Of the deals.")] = 0,
    alpha: Annotated[
        float, typer.Option(parser=real, metavar="X", help="What q must reach.")
    ] = 0.05,
    limit: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Rows of the table; --json has all.")
    ] = 20,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write each called pattern to NAME.yaml, for `motifs add`."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the patterns of roles and channels that recur over the circuits of several models.

    Every pattern of up to four roles in stored circuits is held against roles dealt out anew in
    each model. Called are those that at least two models have more often than chance; q is adjusted
    for all patterns. Nothing is stored.
    """
    if limit < 1:
        raise SpecError(f"--limit is {limit}; expected at least 1")
    if save is not None and not save.is_dir():
        raise SpecError(f"--save {str(save)!r} is no folder; make it, or name one that is there")
    with connected() as client:
        found = client.motifs.discover(
            task,
            models=model or (),
            per_model=per_model,
            draws=draws,
            seed=seed,
            alpha=alpha,
            max_nodes=max_nodes,
        )
    if as_json:
        emit_json(found.model_dump(mode="json"))
    else:
        emit(_shown(found.patterns[:limit]))
    _say(found, limit=None if as_json else limit)
    if save is not None:
        _save(found, save, force=force)


def _shown(patterns: tuple[RecurringPattern, ...]) -> str:
    if not patterns:
        return "(no patterns)"
    states = (PatternState.FOR, PatternState.AGAINST, PatternState.OCCURS, PatternState.UNTESTABLE)
    rows = [
        (
            each.pattern,
            *(_by_family(each.counted(state)) for state in states),
            each.occurrences,
            each.p,
            each.q,
            each.at_least or None,
            each.state.value,
        )
        for each in patterns
    ]
    head = ("pattern", "for", "against", "occurs only", "untestable")
    return table((*head, "occurrences", "p", "q", "in at least", "state"), rows)


def _by_family(counted: dict[str, int]) -> str:
    """`3: gpt2 2, llama 1`."""
    each = ", ".join(f"{family} {count}" for family, count in counted.items())
    return f"{sum(counted.values())}: {each}" if counted else "0"


def _say(found: MotifDiscovery, limit: int | None) -> None:
    states = Counter(each.state.value for each in found.patterns)
    say(", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none found")
    circuits = sum(len(each.circuit_ids) for each in found.models)
    say(
        f"{found.n_patterns:,} patterns in {circuits} circuits of {len(found.models)} models; "
        f"q over {found.family:,} of {found.n_enumerated:,} that occur there or in a deal; "
        f"alpha {found.alpha:g}, {found.draws:,} draws, seed {found.seed}"
    )
    for each in found.models:
        if each.reason:
            say(f"{each.name}: {each.reason}")
    for fingerprint, reason in found.left_out.items():
        say(f"{fingerprint[:12]} {reason}")
    for note in found.notes:
        say(note)
    if limit is not None and len(found.patterns) > limit:
        say(f"shown are {limit} of them: --limit N shows more")


def _save(found: MotifDiscovery, folder: Path, *, force: bool) -> None:
    from graph_schema.motifs.patterns import as_yaml

    files = {folder / f"{each.motif.name}.yaml": as_yaml(each.motif) for each in found.called}
    for file in files:
        check_free(file, force)
    for file, text in files.items():
        write_whole(file, text.encode(), force=force)
    say(f"wrote {len(files)} motifs to {folder}; `circuits motifs add FILE` stores one")
