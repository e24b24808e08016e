"""Commands on the model zoo: `zoo train`, `zoo list`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph_schema.errors import SpecError
from graph_schema.reports import table
from workers.cli import suggestions
from workers.cli.command_line import command, command_group
from workers.cli.exits import ExitCode
from workers.cli.options import AsJson, whole
from workers.cli.output import emit, emit_json, say
from workers.interrupts import interrupts_heard
from workers.settings import read_settings

if TYPE_CHECKING:
    from discovery.models.zoo import ZooModel

TRAIN = "circuits zoo train gpt2 llama --seeds 3"
zoo = command_group(
    "zoo",
    "Small models of several families, trained here.\n\n"
    "They do induction; negative controls, trained alike, do not.",
    TRAIN,
    "circuits zoo list",
    no_args_is_help=True,
)

HEADINGS = ("model", "accuracy", "by period", "steps", "checkpoints", "CPU s", "path")


@command(TRAIN, "circuits zoo train qwen2/1", "circuits zoo train --all", name="train", group=zoo)
def train(
    families: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FAMILY]…",
            help="Families, or single models such as llama/1.",
            autocompletion=suggestions.zoo_names,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="N", help="Models of each family (1; with --all 3)."),
    ] = None,
    checkpoints: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="N", help="Checkpoints along the training (10)."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every family.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train models of the zoo that are not there yet.

    One after the other, some 20 CPU seconds each, each kept in the cache with checkpoints along
    its training. Ctrl-C, or a kill, loses what came after the newest checkpoint: the same command
    goes on from there, to the same weights. A model that is to do induction and does not is trained
    with another seed, and its record says so.
    """
    settings = read_settings()
    from workers.client.bars import Bars
    from workers.local.able import require_worker

    require_worker(settings)
    from discovery.models.zoo import CHECKPOINTS_KEPT, RECIPES, SEEDS, train_zoo

    if everything == bool(families):
        raise SpecError(f"name families, or give --all and none: the zoo has {', '.join(RECIPES)}")
    n_seeds = seeds if seeds is not None else SEEDS if everything else 1
    names = _names(families or list(RECIPES), n_seeds, tuple(RECIPES))
    found: list[ZooModel] = []
    with Bars("zoo") as bars, interrupts_heard() as check:

        def progress(name: str) -> Any:
            def report(stage: str, done: int, total: int) -> None:
                check()
                bars(name, done, total)

            return report

        trained = train_zoo(
            settings.cache_dir,
            names,
            n_checkpoints=CHECKPOINTS_KEPT if checkpoints is None else checkpoints,
            progress=progress,
        )
        try:
            for model in trained:
                found.append(model)
                check()
        except KeyboardInterrupt:
            say("interrupted: the same command goes on from the newest checkpoint")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    _show(found, as_json)


@command("circuits zoo list --json", name="list", group=zoo)
def listed(as_json: AsJson = False) -> None:
    """List the models of the zoo, trained or not, and where each lies."""
    settings = read_settings()
    from workers.local.able import require_worker

    require_worker(settings)
    from discovery.models.zoo import list_zoo

    _show(list_zoo(settings.cache_dir), as_json)


def _names(words: Sequence[str], n_seeds: int, known: Sequence[str]) -> list[tuple[str, int]]:
    """The models asked for, all families' first ones first."""
    if n_seeds < 1:
        raise SpecError(f"--seeds is {n_seeds}; expected 1 or more")
    asked: list[tuple[str, int]] = []
    for word in words:
        family, slash, number = word.partition("/")
        if family not in known or (slash and not number.isdecimal()):
            raise SpecError(
                f"{word!r} is no model of the zoo; expected a family ({', '.join(known)}), or one "
                "of its models, such as llama/1"
            )
        asked += [(family, int(number))] if slash else [(family, seed) for seed in range(n_seeds)]
    return sorted(dict.fromkeys(asked), key=lambda name: name[1])


def _show(models: Sequence[ZooModel], as_json: bool) -> None:
    if as_json:
        emit_json([asdict(model) for model in models])
        return
    rows = [
        (
            model.name,
            model.accuracy,
            ", ".join(
                f"{period}: {share:.2f}" for period, share in (model.by_period or {}).items()
            ),
            model.steps,
            len(model.checkpoints) if model.trained else None,
            model.cpu_seconds,
            model.path if model.trained else "not trained",
        )
        for model in models
    ]
    emit(table(HEADINGS, rows))
    for model in models:
        for failed in model.attempts:
            say(
                f"{model.name} was trained with seed {model.training_seed}: seed "
                f"{failed['training_seed']} reached accuracy {failed['accuracy']:.2f} only"
            )
