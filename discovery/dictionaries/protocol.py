"""What the engine asks of a dictionary, whatever it is made of.

    coefficients = encode(x)                                 x at `document.site.reads`
    write = coefficients @ directions() + constant(x) + error

`activations` are what the dictionary itself calls its features' values, `encode` what stands before
their directions: with directions of other norms than 1 these may differ. A receiver that is a unit
needs one row of a dictionary whose units do not compete, and all rows of one whose do.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from graph_schema.documents.dictionary import DictionaryDocument

Units = slice | Tensor | None
"""Which units, as an index; None is all of them."""


@runtime_checkable
class Dictionary(Protocol):
    """Units of a component's write: neurons, features, coordinates."""

    @property
    def document(self) -> DictionaryDocument:
        """What it is, and where it sits."""
        ...

    @property
    def competes(self) -> bool:
        """Whether a unit's coefficient depends on other units' pre-activations (TopK)."""
        ...

    def pre_activations(
        self, x: Float[Tensor, "*rows d_in"], units: Units = None
    ) -> Float[Tensor, "*rows unit"]:
        """What thresholds and competition decide on; each of `units` costs its own row."""
        ...

    def activations(
        self, x: Float[Tensor, "*rows d_in"], units: Units = None
    ) -> Float[Tensor, "*rows unit"]:
        """The units' values as the dictionary's authors show them."""
        ...

    def encode(
        self, x: Float[Tensor, "*rows d_in"], units: Units = None
    ) -> Float[Tensor, "*rows unit"]:
        """The coefficient of each unit's direction."""
        ...

    def directions(
        self, units: Units = None, layer: int | None = None
    ) -> Float[Tensor, "unit d_out"]:
        """What each unit writes along, at `document.site.writes` of `layer` (None: its own)."""
        ...

    def constant(
        self, x: Float[Tensor, "*rows d_in"], layer: int | None = None
    ) -> Float[Tensor, "*#rows d_out"]:
        """What is written that no unit writes: biases, a skip connection, an input's mean."""
        ...

    def decode(
        self,
        coefficients: Float[Tensor, "*rows unit"],
        x: Float[Tensor, "*rows d_in"],
        layer: int | None = None,
    ) -> Float[Tensor, "*rows d_out"]:
        """The write that coefficients of all units make, of the input `x`."""
        ...


def error(
    dictionary: Dictionary, x: Float[Tensor, "*rows d_in"], write: Float[Tensor, "*rows d_out"]
) -> Float[Tensor, "*rows d_out"]:
    """What the dictionary misses of its component's write."""
    return write - dictionary.decode(dictionary.encode(x), x)
