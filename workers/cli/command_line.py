"""The `circuits` command: what all of its commands share, and how errors reach the user."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperGroup

from workers.cli.exits import ExitCode, exit_code
from workers.cli.output import emit, prepare_outputs, reader_left, say
from workers.machine import known_error

ORDER = (
    *("demo", "plan", "submit", "run", "sweep", "job", "jobs", "logs", "cancel"),
    *("trace", "evaluate", "import", "export", "validate"),
    *("roles", "effects", "specificity", "universality", "training", "report"),
    *("list", "show", "label", "note", "tag", "compare", "delete"),
    *("query", "cypher", "schema", "motifs"),
    *("web", "up", "down", "status", "doctor", "worker", "gc"),
    *("settings", "backup", "restore"),
    *("zoo", "benchmark"),
)


class _Ordered(TyperGroup):
    """Lists commands as a user meets them."""

    def list_commands(self, ctx: Any) -> list[str]:
        rank = {name: place for place, name in enumerate(ORDER)}
        return sorted(self.commands, key=lambda name: (rank.get(name, len(ORDER)), name))


_Command = TypeVar("_Command", bound=Callable[..., Any])

app = typer.Typer(
    name="circuits",
    cls=_Ordered,
    help=(
        "Find circuits in transformer language models and question them in a graph.\n\n"
        "Exit codes: 0 done, 1 the job failed, 2 the request is wrong, 3 something is not "
        "available now (try again), 4 the installation does not fit, 5 the job was cancelled, "
        "70 a bug, 130 Ctrl-C, 141 nobody reads on."
    ),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Plain help and errors: boxes would wrap a message in the middle of a value.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def with_examples(text: str, *examples: str) -> str:
    """A help text with examples at its end."""
    # \b keeps the lines below it as they are.
    shown = "\n".join(f"  {example}" for example in examples)
    return f"{text}\n\n\b\nExample:\n{shown}"


def command(
    *examples: str, name: str | None = None, group: typer.Typer = app
) -> Callable[[_Command], _Command]:
    """Register a command whose help is its docstring and these examples."""

    def register(function: _Command) -> _Command:
        text = with_examples(inspect.getdoc(function) or "", *examples)
        group.command(name, help=text)(function)
        return function

    return register


def _print_version(asked: bool) -> None:
    if asked:
        emit(f"circuits {metadata.version('circuit-atlas')}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[  # read by `main`, which sees errors after the command is gone
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Options that stand before the command."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `circuits` with these arguments (default: the process's) and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = words[:1] == ["--debug"]
    prepare_outputs()
    # It warns of every retry; what comes of them is in our message.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    # It prints a lost connection as it sees it; ours says what to do.
    logging.getLogger("neo4j").setLevel(logging.CRITICAL)
    try:
        app(words, prog_name="circuits")
    except Exception as error:
        if debug:
            raise
        if (known := known_error(error)) is not None:
            say(f"error: {known}")
            sys.exit(exit_code(known))
        say(
            f"error: {type(error).__name__}: {error}\n"
            "This is a bug. `circuits --debug …` shows where; please report it."
        )
        sys.exit(ExitCode.BUG)
    except SystemExit as end:
        if end.code or not reader_left():
            raise
    sys.exit(ExitCode.CLOSED_PIPE if reader_left() else ExitCode.DONE)
