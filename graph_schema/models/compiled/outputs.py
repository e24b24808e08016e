"""What the columns of a compiled program's unembedding stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from graph_schema.errors import DatasetError, ModelError
from graph_schema.models.compiled.names import OUTPUT, no_slips, required
from graph_schema.printable import quoted


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
