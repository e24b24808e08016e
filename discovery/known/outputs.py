"""What a case says that its program puts out, and whether the model computes it.

A truth is about a program; of a model that computes another thing it says nothing, and a method
judged by it would rank at chance. So the model runs on every prompt of a case, clean and corrupt,
and its outputs are held to the case's. A trained model may miss some, a compiled one misses none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch

from discovery.engine.forward import graph_of, run
from discovery.known.names import OUTPUT, no_slips, required
from discovery.models.compiled import CompiledAdapter
from graph_schema.errors import DatasetError, ModelError
from graph_schema.printable import quoted

COMPUTED = 0.95
"""The share of a case's outputs that the model must compute."""
CLOSE = 0.05
"""How far from a numerical output the model's may be, as a share of the range of all outputs."""
CHUNK = 64


@dataclass(frozen=True)
class Outputs:
    """The kind of output: `values`, one a column of `W_U`, or numbers (None)."""

    values: tuple[Any, ...] | None

    @classmethod
    def of(cls, said: Any) -> Outputs:
        """What `output` of a case says.

        Raises:
            ModelError: A key is missing or of another type, or a value comes twice.
        """
        required(said, ("categorical",), "output")
        fields = cast("Mapping[str, Any]", said)
        no_slips(fields, OUTPUT, "output")
        categorical, values = fields["categorical"], fields.get("values")
        if not isinstance(categorical, bool):
            raise ModelError(f"output.categorical is {quoted(categorical)}; expected true or false")
        if not categorical:
            return cls(None)
        if not isinstance(values, list) or not values:
            raise ModelError(
                f"output.values is {quoted(values)}; expected what each column of W_U stands for"
            )
        found = tuple(cast("list[Any]", values))
        for place, value in enumerate(found):
            if any(_alike(value, other) for other in found[:place]):
                raise ModelError(f"output.values has {quoted(value)} twice")
        return cls(found)

    def check_columns(self, d_out: int) -> None:
        """Refuse outputs that `W_U` has no column for.

        Raises:
            ModelError: Names both numbers.
        """
        if self.values is None and d_out != 1:
            raise ModelError(
                f"W_U has {d_out} columns, and the output is numerical: expected one column, or "
                "output.categorical true with its values"
            )
        if self.values is not None and len(self.values) > d_out:
            raise ModelError(
                f"output.values has {len(self.values)} values, and W_U {d_out} columns: one of "
                f"them is not computed, from {quoted(self.values[d_out])} on"
            )

    def read(self, value: Any, where: str) -> float | None:
        """An output's column, or the number itself; None where the program leaves it open.

        Raises:
            DatasetError: It is neither; names the place.
        """
        if self.values is None:
            if value is None:
                return None
            number = float(value) if isinstance(value, int | float) else math.nan
            if not math.isfinite(number):
                raise DatasetError(f"{where} is {quoted(value)}; expected a number, or null")
            return number
        alike = [i for i, each in enumerate(self.values) if _alike(each, value)]
        equal = [i for i, each in enumerate(self.values) if each == value]
        if alike or equal:
            return float((alike or equal)[0])
        if value is None:
            return None
        raise DatasetError(
            f"{where} is {quoted(value)}; expected one of output.values, {quoted(self.values)}, or "
            "null where the program leaves it open"
        )


def _alike(one: Any, other: Any) -> bool:
    """JSON's false is not its 0."""
    return type(one) is type(other) and one == other


@dataclass(frozen=True)
class Expected:
    """What the program puts out for a prompt: (position, column or number) where it is defined."""

    tokens: tuple[int, ...]
    outputs: tuple[tuple[int, float], ...]


def check_computed(
    adapter: CompiledAdapter, expected: Iterable[Expected], categorical: bool
) -> None:
    """Hold the model's outputs to those that a case says.

    A value is computed where its column has the largest logit, a number where the output is within
    `CLOSE` of the range of all.

    Raises:
        ModelError: Fewer than `COMPUTED` of them are; says how many, and one that is not.
    """
    by_length: dict[int, list[Expected]] = defaultdict(list)
    for each in expected:
        if each.outputs:
            by_length[len(each.tokens)].append(each)
    given = [value for group in by_length.values() for each in group for _, value in each.outputs]
    within = CLOSE * (np.ptp(given) or 1.0)
    n_right, wrong = 0, ""
    for group in by_length.values():
        for start in range(0, len(group), CHUNK):
            part = group[start : start + CHUNK]
            for each, logits in zip(part, _logits(adapter, part), strict=True):
                for position, value in each.outputs:
                    row = logits[position]
                    found = int(row.argmax()) if categorical else float(row[0])
                    right = found == int(value) if categorical else abs(found - value) <= within
                    n_right += right
                    if not right and not wrong:
                        wrong = (
                            f"after {quoted(list(each.tokens[: position + 1]))} it is "
                            f"{'column ' if categorical else ''}{found:g}, not {value:g}"
                        )
    if n_right < COMPUTED * len(given):
        raise ModelError(
            f"the model computes {n_right:,} of the {len(given):,} outputs that the case says "
            f"({wrong}); expected at least {COMPUTED:.0%}: check clean_out, corrupt_out, the order "
            "of output.values, and act and causal in config"
        )


@torch.no_grad()
def _logits(adapter: CompiledAdapter, prompts: Sequence[Expected]) -> torch.Tensor:
    """[prompt, position, output], for prompts of one length."""
    batch = adapter.batch(torch.tensor([each.tokens for each in prompts]), None)
    return adapter.logits(run(adapter, graph_of(adapter), batch, adapter.dtype).resid).cpu()
