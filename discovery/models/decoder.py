"""What the transformers library's causal decoders share: masks, attention function, rotary angles.

An adapter calls the library's own modules (norms, projections, rotary function, attention
function, MLP, unembedding), so a family's arithmetic is written down once, by its authors.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.pytorch_utils import Conv1D

from discovery.models.base import Batch, ModelAdapter, Reader, Shape, Sublayer
from discovery.models.half import product, wide, widen
from discovery.models.norms import Norm
from discovery.models.projection import unembed
from discovery.models.rotary import Angles, by_own_length, length_dependent
from graph_schema.errors import ModelError

FULL = "full_attention"
SLIDING = "sliding_attention"
MASKS = {FULL: create_causal_mask, SLIDING: create_sliding_window_causal_mask}


class DecoderAdapter(ModelAdapter):
    """Base of the families that live in transformers.

    A subclass names its blocks and modules; `attention_implementation` is what it must be loaded
    with (Gemma 2's soft-capping exists only in `eager`).
    """

    attention_implementation = "sdpa"

    def __init__(self, model: PreTrainedModel) -> None:
        model.requires_grad_(False)
        model.eval()
        self.model: Any = model
        self.config: Any = model.config
        self.dtype = wide(model.dtype)
        widen(model)
        self.device = model.device
        self._family = sys.modules[type(model).__module__]
        self._attention = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, self._family.eager_attention_forward
        )
        self._head = _SingleGroup()
        self._norms: dict[nn.Module, Norm | None] = {}
        # Before any prompt has left its length in it.
        self._fresh_rotary = copy.deepcopy(self.rotary_module())
        self.shape = self._shape()
        self._check()

    def _shape(self) -> Shape:
        config = self.config
        n_heads = config.num_attention_heads
        return Shape(
            n_layers=config.num_hidden_layers,
            n_heads=n_heads,
            n_kv_heads=getattr(config, "num_key_value_heads", None) or n_heads,
            d_model=config.hidden_size,
            d_head=getattr(config, "head_dim", None) or config.hidden_size // n_heads,
            d_mlp=config.intermediate_size,
            d_vocab=config.vocab_size,
        )

    def attention_module(self, layer: int) -> Any:
        """The module that holds a layer's projections and its `scaling`."""
        raise NotImplementedError

    def projections(self, layer: int) -> list[nn.Module]:
        """The layer's projection modules, which must be plain: their weights are cut by head."""
        raise NotImplementedError

    def _check(self) -> None:
        for layer in range(self.shape.n_layers):
            if (kind := self.mask_kind(layer)) not in MASKS:
                raise ModelError(
                    f"layer {layer} of {type(self.model).__name__} is of kind {kind!r}; expected "
                    f"{FULL} or {SLIDING}: no adapter covers it (docs/add-a-model-family.md)"
                )
            window = getattr(self.config, "sliding_window", None)
            if kind == SLIDING and (window is None or window < 1):
                raise ModelError(
                    f"layer {layer} of {type(self.model).__name__} looks through a window, and "
                    f"sliding_window is {window!r} in its configuration; expected a whole number "
                    "above 0"
                )
            for module in self.projections(layer):
                if type(module) not in (nn.Linear, Conv1D):
                    raise ModelError(
                        f"layer {layer} of {type(self.model).__name__} projects with a "
                        f"{type(module).__name__}; expected a plain Linear or Conv1D: merge "
                        "adapters (merge_and_unload) and de-quantise the weights, then save"
                    )

    # Masks and attention.

    def mask_kind(self, layer: int) -> str:
        """Which mask a layer uses: full or sliding-window attention."""
        kinds = getattr(self.config, "layer_types", None)
        return kinds[layer] if kinds else FULL

    def _prepare(self, batch: Batch) -> Batch:
        batch_size, length = batch.tokens.shape
        stand_in = torch.empty(batch_size, length, 1, dtype=self.dtype, device=self.device)
        kinds = {self.mask_kind(layer) for layer in range(self.shape.n_layers)}
        masks = {
            kind: MASKS[kind](
                config=self.config,
                inputs_embeds=stand_in,
                attention_mask=batch.attention_mask,
                position_ids=batch.position_ids,
                **_no_cache(MASKS[kind]),
            )
            for kind in kinds
        }
        masks = {kind: _seeing_itself(mask) for kind, mask in masks.items()}
        rotary = {
            kind: self._angles(kind, stand_in, batch)
            for kind in kinds
            if self._fresh_rotary is not None
        }
        return replace(batch, masks=masks, rotary=rotary)

    def _angles(self, kind: str, like: Tensor, batch: Batch) -> Angles:
        fresh = self._fresh_rotary
        assert fresh is not None, "asked for where there is one"
        if not length_dependent(fresh, kind):
            return self.angles(fresh, kind, like, batch.position_ids)
        return by_own_length(
            fresh,
            lambda module, ids: self.angles(module, kind, like, ids),
            batch.position_ids,
            batch.prompt_lengths,
        )

    def rotary_module(self) -> nn.Module | None:
        """The module that computes rotary angles; None without rotary positions."""
        return None

    def angles(
        self, module: nn.Module, kind: str, like: Tensor, position_ids: Int[Tensor, "row pos"]
    ) -> Angles:
        """Rotary cosines and sines [row, pos, d_rotary] for layers of this kind, by `module`.

        Of `like` the dtype and the device are read.
        """
        return module(like, position_ids=position_ids)

    def rotary(
        self, batch: Batch, layer: int, y: Float[Tensor, "batch head pos d_head"]
    ) -> Float[Tensor, "batch head pos d_head"]:
        """Queries or keys, rotated by the family's own function."""
        cos, sin = batch.rotary[self.mask_kind(layer)]
        # It rotates a query and a key together; here one of them is empty.
        return self._family.apply_rotary_pos_emb(y, y[:, :0], cos, sin)[0]

    def attention_options(self, layer: int) -> dict[str, Any]:
        """More arguments of the attention function, such as Gemma 2's `softcap`."""
        return {}

    def mix(
        self,
        batch: Batch,
        layer: int,
        q: Float[Tensor, "batch head pos d_head"],
        k: Float[Tensor, "batch head key d_head"],
        v: Float[Tensor, "batch head key d_head"],
    ) -> Float[Tensor, "batch head pos d_head"]:
        z, _ = self._attention(
            self._head,
            q,
            k,
            v,
            batch.masks[self.mask_kind(layer)],
            dropout=0.0,
            scaling=self.attention_module(layer).scaling,
            **self.attention_options(layer),
        )
        return rearrange(z, "batch pos head d_head -> batch head pos d_head")

    # Norms.

    def norm_module(self, layer: int, reader: Reader) -> nn.Module | None:
        """The norm before a sublayer, or before the unembedding; None where there is none."""
        raise NotImplementedError

    def post_norm_module(self, layer: int, sublayer: Sublayer) -> nn.Module | None:
        """The norm after a sublayer; None where there is none."""
        return None

    def norm(
        self, layer: int, reader: Reader, x: Float[Tensor, "*rows d_model"]
    ) -> Float[Tensor, "*rows d_model"]:
        module = self.norm_module(layer, reader)
        return x if module is None else module(x)

    def post_norm(
        self, layer: int, sublayer: Sublayer, x: Float[Tensor, "*rows d_model"]
    ) -> Float[Tensor, "*rows d_model"]:
        module = self.post_norm_module(layer, sublayer)
        return x if module is None else module(x)

    def closed_form(self, layer: int, place: Reader, *, after: bool = False) -> Norm | None:
        if after:
            assert place != "logits", "nothing comes after the unembedding"
            module = self.post_norm_module(layer, place)
        else:
            module = self.norm_module(layer, place)
        if module is None:
            return None
        if module not in self._norms:
            self._norms[module] = Norm.of(module)
        return self._norms[module]

    def logits(
        self,
        rows: Float[Tensor, "*rows d_model"],
        tokens: Int[Tensor, "*rows token"] | slice | None = None,
    ) -> Float[Tensor, "*rows d_vocab"]:
        head = self.model.get_output_embeddings()
        if tokens is None:
            return head(rows)
        if isinstance(tokens, slice):
            bias = None if head.bias is None else head.bias[tokens]
            return product(rows, head.weight[tokens], bias)
        return unembed(rows, head.weight, head.bias, tokens)

    def unembedding(
        self,
    ) -> tuple[Float[Tensor, "d_vocab d_model"], Float[Tensor, " d_vocab"] | None]:
        head = self.model.get_output_embeddings()
        return head.weight, getattr(head, "bias", None)

    def own_logits(self, prompt: Sequence[int], rows: int) -> Float[Tensor, "row d_vocab"]:
        tokens = torch.tensor([list(prompt)], device=self.device)
        with self._rotary_unspent():
            return self.model(tokens, use_cache=False, logits_to_keep=rows).logits[0]

    @contextmanager
    def _rotary_unspent(self) -> Generator[None]:
        """The model with a rotary module that has seen no prompt, whose length it might keep."""
        used = self.rotary_module()
        if used is None:
            yield
            return
        name = next(name for name, module in self.model.named_modules() if module is used)
        self.model.set_submodule(name, copy.deepcopy(self._fresh_rotary))
        try:
            yield
        finally:
            self.model.set_submodule(name, used)


def _no_cache(make_mask: Callable[..., Any]) -> dict[str, Any]:
    """The argument that says that nothing is cached, as this release of transformers spells it.

    `past_key_values`, which 5.24 deprecates for `cache`; neither has a default.
    """
    known = inspect.signature(make_mask).parameters
    return {"cache" if "cache" in known else "past_key_values": None}


def _seeing_itself(mask: Tensor | None) -> Tensor | None:
    """The mask, additive or boolean, where a query that sees nothing sees its own position.

    That is padding behind a window's reach: nobody reads it, but a softmax over nothing is NaN in
    a dtype that the mask's lowest value overflows, and NaN spreads (0 · NaN).
    """
    if mask is None:
        return None
    seen = mask if mask.dtype == torch.bool else mask == 0
    n_queries, n_keys = mask.shape[-2:]
    itself = torch.eye(n_queries, n_keys, dtype=torch.bool, device=mask.device)
    own = ~seen.any(-1, keepdim=True) & itself
    return mask | own if mask.dtype == torch.bool else mask.masked_fill(own, 0)


class _SingleGroup(nn.Module):
    """Stands in for the attention module: keys and values already come per query head."""

    num_key_value_groups = 1
    is_causal = True

    def __init__(self) -> None:
        super().__init__()
        self.eval()
