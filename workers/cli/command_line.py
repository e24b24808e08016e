"""The `circuits` command: what all of its commands share, and how errors reach the user."""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from importlib import import_module
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from workers.cli.commands import COMMANDS
from workers.cli.completion import VARIABLE, answer_shell
from workers.cli.exits import ExitCode, exit_code
from workers.cli.output import emit, prepare_outputs, reader_left, say
from workers.machine import known_error

registered: dict[str, typer.Typer] = {}
"""Commands and groups of the modules that are loaded, by name."""


class _Loading(Mapping[str, Any]):
    """The commands by name; one that is looked up is imported, the others are not."""

    def __getitem__(self, name: str) -> Any:
        import_module(f"workers.cli.{COMMANDS[name].module}")
        return typer.main.get_command(registered[name])

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Circuits(TyperGroup):
    """The group of all commands, of which it loads the one that is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = _Loading()

    def _lines(self) -> TyperGroup:
        """The group as lists show it: commands that have their line of help alone."""
        lines = [TyperCommand(name, help=each.line) for name, each in COMMANDS.items()]
        return TyperGroup(name=self.name, params=self.params, commands=lines)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        self._lines().format_commands(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        listing = copy(ctx)
        listing.command = self._lines()
        return listing.command.shell_complete(listing, incomplete)


_Command = TypeVar("_Command", bound=Callable[..., Any])

app = typer.Typer(
    name="circuits",
    cls=_Circuits,
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
    *examples: str, name: str | None = None, group: typer.Typer | None = None
) -> Callable[[_Command], _Command]:
    """Register a command whose help is its docstring and these examples.

    Outside a group its line stands in `workers.cli.commands` as well.
    """

    def register(function: _Command) -> _Command:
        text = with_examples(inspect.getdoc(function) or "", *examples)
        called = name or function.__name__
        home = _register(called) if group is None else group
        home.command(called, help=text)(function)
        return function

    return register


def command_group(name: str, text: str, *examples: str, **settings: bool) -> typer.Typer:
    """Register a group of commands, to be added to, by this name and with this help."""
    return _register(name, help=with_examples(text, *examples), **settings)


def _register(name: str, **settings: Any) -> typer.Typer:
    made = typer.Typer(name=name, add_completion=False, rich_markup_mode=None, **settings)
    registered[name] = made
    return made


def _print_version(asked: bool) -> None:
    if asked:
        from importlib import metadata

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
    if os.environ.get(VARIABLE):
        sys.exit(answer_shell(app))
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
