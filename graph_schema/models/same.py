"""Whether a circuit can be judged in a model: its own, or another fingerprint of the same weights.

A fingerprint is of files. The hub's commit, a folder of it, and a copy whose configuration was
written anew have one each, and compute the same where their weights and their shapes are equal.
"""

from __future__ import annotations

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


def require_known(own: ModelDocument, there: str) -> None:
    """Refuse another fingerprint where nobody knows the weights of a circuit's own model.

    Args:
        own: The circuit's model.
        there: What the other one is called, for the message.

    Raises:
        ModelError: They are not known.
    """
    if own.weights_sha256 is None:
        raise ModelError(
            f"model {there!r} is not the circuit's own by its fingerprint, and nobody has loaded "
            f"{own.name!r} ({own.fingerprint}), so nobody knows whether its weights are the same: "
            "a circuit is judged in its own model; judge it there once (--model says where it lies)"
        )


def require_same(own: ModelDocument, there: ModelDocument) -> None:
    """Refuse a model that a circuit cannot be judged in.

    Args:
        own: The circuit's model.
        there: The model that lies where the circuit is to be judged, its weights known.

    Raises:
        ModelError: It has other weights, or reads the same ones in another shape; or nobody knows.
    """
    if own.fingerprint == there.fingerprint:
        return
    require_known(own, there.name)
    if not own.is_same(there):
        raise ModelError(
            f"model {there.name!r} ({there.fingerprint}) has other weights than the circuit's own, "
            f"{own.name!r} ({own.fingerprint}): a circuit is judged in its own model; say where "
            "that one lies (--model)"
        )
    for name in SHAPE:
        expected, found = getattr(own, name), getattr(there, name)
        if expected != found:
            raise ModelError(
                f"model {there.name!r} ({there.fingerprint}) has the same weights as the circuit's "
                f"own, {own.name!r}, but reads them otherwise: {name} is {found!r}, expected "
                f"{expected!r}; a circuit is judged in its own model: put its configuration right"
            )
