"""Whether a circuit or roles are of a model: their own, or another fingerprint of its weights.

A fingerprint is of files. The hub's commit, a folder of it, and a copy whose configuration was
written anew have one each, and compute the same where their weights and their shapes are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from graph_schema.documents import ModelDocument
from graph_schema.errors import ModelError

SHAPE = (
    "architecture",
    "n_layers",
    "n_heads",
    "n_kv_heads",
    "d_model",
    "d_head",
    "d_mlp",
    "d_vocab",
    "n_edges",
)
"""What a configuration makes of the weights, as far as a circuit's edges depend on it."""


@dataclass(frozen=True)
class Purpose:
    """What a model is held to another's for, in the words of the messages."""

    of: str
    """Whose own model the other is."""
    rule: str
    """Why it has to be."""


JUDGING = Purpose("the circuit's", "a circuit is judged in its own model")
EFFECTS = Purpose("the roles'", "effects are measured between a model's own roles")


def require_known(own: ModelDocument, there: str, purpose: Purpose = JUDGING) -> None:
    """Refuse another fingerprint where nobody knows the weights of the own model.

    Args:
        own: The model that the circuit was found, or roles assigned, in.
        there: What the other one is called, for the message.
        purpose: What it is held to it for.

    Raises:
        ModelError: They are not known.
    """
    if own.weights_sha256 is None:
        raise ModelError(
            f"model {there!r} is not {purpose.of} own by its fingerprint, and nobody has loaded "
            f"{own.name!r} ({own.fingerprint}), so nobody knows whether its weights are the same: "
            f"{purpose.rule}; use that one once (--model says where it lies)"
        )


def require_same(own: ModelDocument, there: ModelDocument, purpose: Purpose = JUDGING) -> None:
    """Refuse a model that computes something else than the own one.

    Args:
        own: The model that the circuit was found, or roles assigned, in.
        there: The model that lies where it is to be run, its weights known.
        purpose: What it is held to it for.

    Raises:
        ModelError: It has other weights, or reads the same ones in another shape; or nobody knows.
    """
    if own.fingerprint == there.fingerprint:
        return
    require_known(own, there.name, purpose)
    if not own.is_same(there):
        raise ModelError(
            f"model {there.name!r} ({there.fingerprint}) has other weights than {purpose.of} own, "
            f"{own.name!r} ({own.fingerprint}): {purpose.rule}; say where that one lies (--model)"
        )
    for name in SHAPE:
        expected, found = getattr(own, name), getattr(there, name)
        if expected != found:
            raise ModelError(
                f"model {there.name!r} ({there.fingerprint}) has the same weights as {purpose.of} "
                f"own, {own.name!r}, but reads them otherwise: {name} is {found!r}, expected "
                f"{expected!r}; {purpose.rule}: put its configuration right"
            )
