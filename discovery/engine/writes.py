"""What senders write, in two kinds of block.

The inputs, heads, MLPs, and of a component in parts its `rest` and `error`, write what they like
at every position: a dense block, [sender, batch, pos, d_model]. A unit of a dictionary writes a
coefficient times a direction that never changes, so its coefficients are enough,
[unit, batch, pos]: less by a factor d_model. `Sites.rows` says which row of its kind's block a
sender has.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Writes(NamedTuple):
    """Writes of senders, or differences of writes; what is summed over a batch lacks its axis."""

    dense: Float[Tensor, "sender *batch pos d_model"]
    units: Float[Tensor, "unit *batch pos"]
