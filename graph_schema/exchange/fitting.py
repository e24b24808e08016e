"""Whether a model has the sizes that a file says."""

from __future__ import annotations

from collections.abc import Mapping

from graph_schema.documents.model import ModelDocument
from graph_schema.errors import SpecError
from graph_schema.models.layout import Layout
from graph_schema.printable import whole_number


def exact_layout(model: ModelDocument) -> Layout | None:
    """The model's layout, where it is one of heads and MLPs that read one input."""
    try:
        return Layout.of(model)
    except SpecError:
        return None


def check_sizes(said: Mapping[str, int | bool], model: ModelDocument) -> None:
    """Refuse a file that says other sizes than the model has, by names of EAP-IG's `cfg`.

    Raises:
        SpecError: Names the size and both values.
    """
    layout = exact_layout(model)
    known: dict[str, int | bool | None] = {
        "n_layers": model.n_layers,
        "n_heads": model.n_heads,
        "n_key_value_heads": model.n_kv_heads,
        "parallel_attn_mlp": None if layout is None else layout.parallel,
        "d_model": model.d_model,
        "d_head": model.d_head,
        "d_mlp": model.d_mlp,
    }
    for name, value in said.items():
        own = known.get(name)
        if own is not None and own != value:
            raise SpecError(
                f"the file is of a model with {name} {_said(value)}, and {model.name!r} has "
                f"{_said(own)}: import it for its own model (--model)"
            )


def _said(value: int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else whole_number(value)
