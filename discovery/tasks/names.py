"""The names of a compiled program's tokens and outputs: what stands for a tokenizer there.

A prompt is the names of its tokens with blanks between. An answer is an output, which need not be a
token: the name of one of the program's values, or the index of a column of the unembedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from graph_schema.errors import DatasetError
from graph_schema.models.compiled.program import CompiledProgram
from graph_schema.printable import clipped, quoted


@dataclass(frozen=True)
class TokenNames:
    """Tokens by name; outputs by name, where the program gives them names.

    `bos` and `pad` are no ordinary tokens. A program that has a `bos` is defined on prompts that
    begin with it.
    """

    tokens: Mapping[str, int]
    n_outputs: int
    outputs: tuple[str, ...] | None = None
    bos: int | None = None
    pad: int | None = None

    @classmethod
    def of(cls, program: CompiledProgram) -> TokenNames:
        """A program's own."""
        values = program.outputs.values
        named = None if values is None else tuple(map(_spelled, values))
        return cls(program.vocabulary, program.d_out, named, program.bos, program.pad)

    def prompt(self, text: str, add_bos: bool | None) -> tuple[int, ...]:
        """The ids of a prompt's names, after `bos` unless it begins with it.

        Raises:
            DatasetError: A name is no token's.
        """
        found: list[int] = []
        for name in text.split():
            if name not in self.tokens:
                raise DatasetError(
                    f"{quoted(name)} is no token of the model; a prompt is names of tokens with "
                    f"blanks between, of {self._known(self.tokens)}; or token ids"
                )
            found.append(self.tokens[name])
        prefix = self.prefix(add_bos)
        return tuple(found) if found[:1] == [*prefix] else (*prefix, *found)

    def prefix(self, add_bos: bool | None) -> tuple[int, ...]:
        """What stands before a prompt.

        Raises:
            DatasetError: `add_bos` is set and there is no such token.
        """
        if self.bos is None and add_bos:
            raise DatasetError(
                "add_bos is set, but the model's case.json names no 'bos' token; leave add_bos "
                "unset"
            )
        return () if self.bos is None or add_bos is False else (self.bos,)

    def answer(self, text: str) -> int:
        """The output that a name stands for.

        Raises:
            DatasetError: It is none's.
        """
        found = self._columns.get(text, self._columns.get(text.strip()))
        if found is None:
            known = (
                f"of {self._known(self._columns)}; or an index of an output"
                if self._columns
                else "which have no names here; give an index"
            )
            raise DatasetError(
                f"{quoted(text)} is no output of the model; an answer is one of its "
                f"{self.n_outputs} outputs, {known}"
            )
        return found

    def output_of(self, token: int) -> int:
        """The output that says a token, for tasks whose answers are tokens.

        Raises:
            DatasetError: No output does; the program answers with something else.
        """
        found = self._says.get(token)
        if found is None:
            name = next((name for name, each in self.tokens.items() if each == token), str(token))
            shown = "one number" if self.outputs is None else self._known(self.outputs)
            raise DatasetError(
                f"the task's answers are tokens, and token {quoted(name)} is none of the model's "
                f"{self.n_outputs} outputs ({shown}): submit pairs whose answers are outputs, as a "
                "dataset"
            )
        return found

    @property
    def ordinary(self) -> list[int]:
        """Every token with a name but `bos` and `pad`."""
        return sorted(set(self.tokens.values()) - {self.bos, self.pad})

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.outputs or ())}

    @cached_property
    def _says(self) -> dict[int, int]:
        return {
            self.tokens[name]: column
            for name, column in self._columns.items()
            if name in self.tokens
        }

    @staticmethod
    def _known(names: Mapping[str, int] | tuple[str, ...]) -> str:
        return clipped(", ".join(map(quoted, names)))


def _spelled(value: object) -> str:
    """An output's value as a dataset writes it: JSON's spelling of what is no text."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)
