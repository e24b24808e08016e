"""Options of several commands, and what of an option's text becomes a value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from graph_schema.errors import SpecError
from workers.cli import suggestions
from workers.requests.names import TASKS


def whole(text: str) -> int:
    """A whole number; typer's own message would not name what was typed."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a whole number") from None


def real(text: str) -> float:
    """A number, likewise."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number") from None


MODEL = "Hub id org/name, a folder (./…, ~/…, absolute), a .gguf file, or zoo:llama/1."


JobId = Annotated[
    str,
    typer.Argument(help="Job id, its first digits, or last.", autocompletion=suggestions.job_ids),
]
CircuitId = Annotated[
    str,
    typer.Argument(
        help="Circuit id, its first digits, or last.", autocompletion=suggestions.circuit_ids
    ),
]
Target = Annotated[
    str,
    typer.Argument(
        metavar="CIRCUIT|JOB",
        help="Circuit or job id, or its first digits.",
        autocompletion=suggestions.ids,
    ),
]
Tag = Annotated[
    str | None,
    typer.Option(metavar="TAG", help="With this tag.", autocompletion=suggestions.tags),
]
Force = Annotated[bool, typer.Option("--force", help="Run again what has already ended.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the job to its end.")]
Model = Annotated[str, typer.Option(metavar="MODEL", help=MODEL, autocompletion=suggestions.models)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script on standard output.")]
Revision = Annotated[
    str | None, typer.Option(metavar="NAME", help="Branch, tag or commit of a hub model.")
]
TaskParams = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Parameter of the task; repeatable."),
]
OwnPairs = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Your own pairs, FILE.jsonl, in place of --task."),
]
Label = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Task name that a dataset is filed under (its file name)."),
]
NO_CIRCUIT = "no circuit yet: circuits demo, circuits submit, or circuits import FILE"
TASK = typer.Option(
    metavar="NAME",
    help=f"Built-in task: {', '.join(TASKS)}.",
    autocompletion=suggestions.tasks,
)
PAIRS = typer.Option(
    parser=whole,
    metavar="N",
    help="Pairs for each split that the task makes (32, 64 about many models, or as many as "
    "before).",
)
HELDOUT = typer.Option(metavar="FILE", help="The held-out pairs, FILE.jsonl.")
ABLATION = typer.Option(
    metavar="NAME", help="What replaces what is ablated: corrupt, resample, mean or zero."
)
DRAWS = typer.Option(parser=whole, metavar="N", help="Draws of the resample ablation.")
BOS = typer.Option(help="Force a BOS token on or off (the tokenizer's default).")
ANSWERS = typer.Option(metavar="HOW", help="single tokens, or the first_difference of several.")
SEED = typer.Option(parser=whole, metavar="N", help="Seed of everything random.")
DTYPE = typer.Option(metavar="NAME", help="float32, float64, bfloat16 or float16.")
MISFITS = typer.Option(
    metavar="HOW",
    help="Pairs of a dataset that do not fit the tokenizer: refuse the dataset, or leave_out the "
    "pairs.",
)
Here = Annotated[
    bool, typer.Option("--here", help="In this process, without a queue, as run does.")
]
DEVICES = "cpu, cuda, mps, or auto: whatever its worker has"
Device = Annotated[str, typer.Option(metavar="NAME", help=f"{DEVICES}.")]
Memory = Annotated[
    int | None,
    typer.Option(
        parser=whole, metavar="GIB", help="GiB that its worker must have there; see circuits plan."
    ),
]
Chunk = Annotated[
    int | None,
    typer.Option(parser=whole, metavar="N", help="Pairs computed at once (what fits the memory)."),
]
Priority = Annotated[int, typer.Option(parser=whole, metavar="N", help="0 to 9; 9 goes first.")]


def name_and_value(text: str, flag: str) -> tuple[str, str]:
    """`"name=a3.h1"` in its two parts.

    Raises:
        SpecError: The text has no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise SpecError(f"{flag} {text!r} is not of the form NAME=VALUE")
    return key, value


def assignments(texts: Sequence[str], flag: str) -> dict[str, Any]:
    """`["k=5", "name=a3.h1"]` as a dictionary; values are JSON where they read as JSON.

    Raises:
        SpecError: A text has no `=`, or a name is given twice.
    """
    given = once((name_and_value(text, flag) for text in texts), flag)
    return {name: _json_or_text(value) for name, value in given.items()}


def once(pairs: Iterable[tuple[str, str]], flag: str) -> dict[str, str]:
    """The pairs as a dictionary.

    Raises:
        SpecError: A name is given twice.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise SpecError(
                f"{flag} {name} is given twice, {found[name]!r} and {value!r}: leave one out"
            )
        found[name] = value
    return found


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
