"""The weights of a compiled case: which there are, and their shapes.

Every array must be one that the model reads, and have the shape that its axes say. A size is the
configuration's where it gives one, else that of the first weight which has it. A bias that is not
there is zero, unless the configuration says that not all are.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph_schema.errors import ModelError
from graph_schema.printable import quoted

Weights = Mapping[str, NDArray[Any]]
Shapes = Mapping[str, tuple[int, ...]]

_GLOBAL = {
    "W_E": ("d_vocab", "d_model"),
    "W_pos": ("n_ctx", "d_model"),
    "W_U": ("d_model", "d_out"),
    "b_U": ("d_out",),
}
_LAYER = {
    **{f"W_{name}": ("n_heads", "d_model", "d_head") for name in "QKV"},
    **{f"b_{name}": ("n_heads", "d_head") for name in "QKV"},
    "W_O": ("n_heads", "d_head", "d_model"),
    "b_O": ("d_model",),
    "W_in": ("d_model", "d_mlp"),
    "b_in": ("d_mlp",),
    "W_out": ("d_mlp", "d_model"),
    "b_out": ("d_model",),
}


def axes_of(n_layers: int) -> dict[str, tuple[str, ...]]:
    """The axes of every weight that a model of so many layers may have, by its name."""
    layers = {
        f"L{layer}.{name}": axes for layer in range(n_layers) for name, axes in _LAYER.items()
    }
    return _GLOBAL | layers


def check_finite(weights: Weights) -> None:
    """Refuse values that nobody can compute with.

    Raises:
        ModelError: Names the weight.
    """
    for name, value in weights.items():
        if not np.isfinite(value).all():
            raise ModelError(f"weight {name!r} holds other than finite numbers")


def check_shapes(weights: Shapes, config: Mapping[str, Any]) -> None:
    """Refuse weights that the model does not read, lacks, or cannot multiply, by their shapes.

    Args:
        weights: By name.
        config: `n_layers`, and other sizes as far as they are given.

    Raises:
        ModelError: Names the weight, its shape or values, and what was expected.
    """
    n_layers: int = config["n_layers"]
    axes = axes_of(n_layers)
    for name in weights:
        if name not in axes:
            raise ModelError(f"weight {quoted(name)} is none that is read{_hint(name, n_layers)}")
    zero = config.get("all_biases_zero") is not False
    for name in axes:
        bias = name.rpartition(".")[2].startswith("b_")
        # Few models have one of the unembedding.
        if name not in weights and name != "b_U" and not (bias and zero):
            why = ", and config says that not all biases are zero" if bias else ""
            raise ModelError(
                f"weight {name!r} is missing{why}; expected [{', '.join(axes[name])}] (found "
                f"{', '.join(sorted(weights)[:8])}, …)"
            )
    sizes = {key: (value, "config") for key, value in config.items() if _is_size(value)}
    for name, expected in axes.items():
        if name in weights:
            _check(name, weights[name], expected, sizes)


def _check(
    name: str, shape: tuple[int, ...], axes: tuple[str, ...], sizes: dict[str, tuple[int, str]]
) -> None:
    if len(shape) == len(axes):
        for axis, size in zip(axes, shape, strict=True):
            sizes.setdefault(axis, (size, name))
    wanted = [sizes.get(axis, (None, ""))[0] for axis in axes]
    if list(shape) == wanted and (0 not in wanted or "d_mlp" in axes):
        return
    words = ", ".join(
        axis if axis not in sizes else f"{axis} {sizes[axis][0]} by {sizes[axis][1]}"
        for axis in axes
    )
    raise ModelError(f"weight {name!r} has shape {shape}; expected [{words}]")


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _hint(name: str, n_layers: int) -> str:
    layer, dot, kind = name.partition(".")
    if dot and kind in _LAYER and layer[:1] == "L" and layer[1:].isdecimal():
        return f": config has n_layers {n_layers}, which are L0 to L{n_layers - 1}"
    known = {each.lower(): each for each in axes_of(n_layers)}
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {known[near[0]]!r}?"
    return f"; expected such as {', '.join(_GLOBAL)}, L0.W_Q"
