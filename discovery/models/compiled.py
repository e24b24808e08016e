"""Compiled programs (Tracr): transformers whose circuits are known because they were written down.

No norms, ReLU or GELU, causal or not, `d_model` free of `n_heads * d_head`, the two embeddings as
senders apart, and an unembedding onto the program's outputs rather than its input tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from discovery.models.base import Batch, ModelAdapter, Qkv, Reader, Shape
from discovery.models.compiled_plain import plain_logits
from discovery.models.half import wide
from discovery.models.mlp import MlpWeights
from discovery.models.projection import HeadWeights, unembed
from graph_schema.errors import ModelError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": nn.functional.relu,
    "gelu": nn.functional.gelu,
    "gelu_new": lambda x: nn.functional.gelu(x, approximate="tanh"),
}

OUTPUT = {
    **dict.fromkeys(("W_Q", "W_K", "W_V"), (0, 2)),
    "W_O": (2,),
    **dict.fromkeys(("W_E", "W_pos", "W_U", "W_in", "W_out"), (1,)),
}
"""By the last part of a weight's name: the axes of what it writes, those of its bias."""


class CompiledAdapter(ModelAdapter):
    """A compiled program from its weights by name (`W_E`, `L0.W_Q`, …) and its configuration.

    Weights that are not there are biases of zero.

    Raises:
        ModelError: The activation is not known, or a weight is missing or has no shape of its kind.
    """

    split_embed = True

    def __init__(
        self,
        weights: Mapping[str, NDArray[Any]],
        config: Mapping[str, Any],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.dtype, self.device = wide(dtype), torch.device(device)
        for name, value in weights.items():
            _check_weight(name, value, weights)
        self._weights = {
            name: torch.as_tensor(_native(value)).to(self.device, dtype).to(self.dtype)
            for name, value in weights.items()
        }
        act = config.get("act", "relu")
        if act not in ACTIVATIONS:
            raise ModelError(
                f"compiled program has activation {act!r}; expected one of {', '.join(ACTIVATIONS)}"
            )
        self._act = ACTIVATIONS[act]
        self.bidirectional = not config.get("causal", False)
        n_heads, d_model, d_head = self._weight("L0.W_Q").shape
        self.shape = Shape(
            n_layers=config["n_layers"],
            n_heads=n_heads,
            n_kv_heads=n_heads,
            d_model=d_model,
            d_head=d_head,
            d_mlp=self._weight("L0.W_in").shape[1],
            d_vocab=self._weight("W_E").shape[0],
        )

    @property
    def n_ctx(self) -> int:
        """How many positions there are."""
        return self._weight("W_pos").shape[0]

    @property
    def d_out(self) -> int:
        """How many outputs the unembedding has: values, or one number."""
        return self._weight("W_U").shape[1]

    @property
    def n_outputs(self) -> int:
        return self.d_out

    def _weight(self, name: str) -> Tensor:
        if name not in self._weights:
            known = ", ".join(sorted(self._weights)[:8])
            raise ModelError(f"compiled program has no weight {name!r}; found {known}, …")
        return self._weights[name]

    def _prepare(self, batch: Batch) -> Batch:
        real = batch.attention_mask
        if self.bidirectional:
            mask = rearrange(real, "batch key -> batch 1 1 key")
        else:
            length = real.shape[1]
            before = torch.ones(length, length, dtype=torch.bool, device=self.device).tril()
            mask = before & rearrange(real, "batch key -> batch 1 1 key")
        return replace(batch, masks={"all": None if bool(mask.all()) else mask})

    def embed_parts(self, batch: Batch) -> dict[str, Float[Tensor, "batch pos d_model"]]:
        return {
            "embed": self._weight("W_E")[batch.tokens],
            "pos_embed": self._weight("W_pos")[batch.position_ids],
        }

    def norm(
        self, layer: int, reader: Reader, x: Float[Tensor, "*rows d_model"]
    ) -> Float[Tensor, "*rows d_model"]:
        return x

    def qkv_weights(self, layer: int, channel: Qkv) -> HeadWeights:
        name = channel.upper()
        weight = self._weight(f"L{layer}.W_{name}")
        return HeadWeights(
            rearrange(weight, "head d_model d_head -> head d_head d_model"),
            self._weights.get(f"L{layer}.b_{name}"),
        )

    def mix(
        self,
        batch: Batch,
        layer: int,
        q: Float[Tensor, "batch head pos d_head"],
        k: Float[Tensor, "batch head key d_head"],
        v: Float[Tensor, "batch head key d_head"],
    ) -> Float[Tensor, "batch head pos d_head"]:
        return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=batch.masks["all"])

    def out_weights(self, layer: int) -> Float[Tensor, "head d_head d_model"]:
        return self._weight(f"L{layer}.W_O")

    def attn_const(self, layer: int) -> Float[Tensor, " d_model"] | None:
        return self._weights.get(f"L{layer}.b_O")

    def mlp(
        self, layer: int, x: Float[Tensor, "batch pos d_model"]
    ) -> Float[Tensor, "batch pos d_model"]:
        hidden = self._add(x @ self._weight(f"L{layer}.W_in"), f"L{layer}.b_in")
        return self._add(self._act(hidden) @ self._weight(f"L{layer}.W_out"), f"L{layer}.b_out")

    def logits(
        self,
        rows: Float[Tensor, "*rows d_model"],
        tokens: Int[Tensor, "*rows token"] | slice | None = None,
    ) -> Float[Tensor, "*rows d_vocab"]:
        weight = self._weight("W_U")
        if tokens is None or isinstance(tokens, slice):
            found = self._add(rows @ weight, "b_U")
            return found if tokens is None else found[..., tokens]
        return unembed(rows, weight.T, self._weights.get("b_U"), tokens)

    def unembedding(
        self,
    ) -> tuple[Float[Tensor, "d_vocab d_model"], Float[Tensor, " d_vocab"] | None]:
        return self._weight("W_U").T, self._weights.get("b_U")

    def mlp_weights(self, layer: int) -> MlpWeights:
        found = self._weights.get
        return MlpWeights(
            self._act,
            self._weight(f"L{layer}.W_in").T,
            self._weight(f"L{layer}.W_out"),
            found(f"L{layer}.b_in"),
            found(f"L{layer}.b_out"),
        )

    def own_logits(self, prompt: Sequence[int], rows: int) -> Float[Tensor, "row d_vocab"]:
        """The last positions' outputs by the format's definition."""
        causal = not self.bidirectional
        found = plain_logits(self._weights.get, self.shape.n_layers, self._act, causal, prompt)
        return found[-rows:].to(self.dtype)

    def _add(self, x: Tensor, bias: str) -> Tensor:
        return x + self._weights[bias] if bias in self._weights else x


def _native(value: NDArray[Any]) -> NDArray[Any]:
    """The array as torch can take it: of this machine's byte order, in at most 64 bits."""
    if value.dtype.kind != "f" or value.dtype.itemsize > 8:
        return value.astype(np.float64)
    return value.astype(value.dtype.newbyteorder("="))


def _check_weight(name: str, value: NDArray[Any], weights: Mapping[str, NDArray[Any]]) -> None:
    """Refuse what multiplication and broadcasting would take, or fail on without a name."""
    prefix, dot, kind = name.rpartition(".")
    if value.dtype.kind not in "fiub" or not np.isfinite(value).all():
        raise ModelError(f"compiled program's weight {name!r} holds other than finite numbers")
    n_dims = 3 if kind in ("W_Q", "W_K", "W_V", "W_O") else 2
    if kind in OUTPUT and value.ndim != n_dims:
        raise ModelError(
            f"compiled program's weight {name!r} has shape {value.shape}; expected {n_dims} axes"
        )
    if kind in ("W_Q", "W_K", "W_V", "W_O") and 0 in value.shape:
        raise ModelError(
            f"compiled program's weight {name!r} has shape {value.shape}; expected at least one "
            "head and one dimension"
        )
    matrix = weights.get(f"{prefix}{dot}W_{kind[2:]}") if kind.startswith("b_") else None
    if matrix is None or matrix.ndim < 2:
        return
    expected = tuple(matrix.shape[axis] for axis in OUTPUT.get(f"W_{kind[2:]}", (-1,)))
    if value.shape != expected:
        raise ModelError(
            f"compiled program's bias {name!r} has shape {value.shape}; expected {expected}"
        )
