"""A transformer as block functions over an explicit residual stream.

The engine never hooks into a model's forward pass: it holds the residual stream itself and calls
an adapter's functions for the parts in between. A forward pass reads

    x = embed(batch)                                       resid_pre of layer 0
    q, k, v = (project(batch, l, c, norm(l, "attn", x)) for c in "qkv")
    x += post_norm(l, "attn", attn_sum(l, mix(batch, l, q, k, v)) + attn_const(l))
    x += post_norm(l, "mlp", mlp(l, norm(l, "mlp", x)))   parallel: of the x before attention
    logits(norm(n_layers, "logits", x))

`Shape` holds the sizes, `Batch` what depends on the prompts alone, `ModelAdapter` the functions.
Every function is differentiable by autograd; the weights themselves never need a gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from discovery.models.batch import Batch, Shape
from discovery.models.half import product
from discovery.models.mlp import MlpWeights
from discovery.models.norms import Norm
from discovery.models.projection import Apart, HeadWeights, own_input, shared_input
from graph_schema.models.layout import Layout

Qkv = Literal["q", "k", "v"]
Sublayer = Literal["attn", "mlp"]
Reader = Literal["attn", "mlp", "logits"]


class ModelAdapter(ABC):
    """One family's sublayers as functions (docs/add-a-model-family.md).

    A conventional family says how its weights are cut by head (`qkv_weights`, `out_weights`),
    what happens between projection and attention (`rotate`), and names its modules.

    Attributes:
        shape: The sizes.
        dtype: What is computed in: float32 where the weights are of half precision (half.py).
        parallel: The MLP reads what attention reads (GPT-NeoX), not the stream after it.
        post_norms: A sublayer's output passes a norm before it is added (Gemma 2). Senders write
            *raw* outputs; a receiver applies `post_norm` to the mixture it reads.
        split_embed: `embed` and `pos_embed` are senders of their own, not one `input`.
        bidirectional: Attention looks ahead too.
        smears_keys: A position's key reads the position before it too.
    """

    shape: Shape
    dtype: torch.dtype
    device: torch.device
    parallel: bool = False
    post_norms: bool = False
    split_embed: bool = False
    bidirectional: bool = False
    smears_keys: bool = False

    @property
    def whole_prompts(self) -> bool:
        """Whether no part of a prompt can be computed from that part and earlier keys alone."""
        return self.bidirectional or self.smears_keys

    @property
    def n_outputs(self) -> int:
        """How many logits there are: one a token, unless the model answers in other terms."""
        return self.shape.d_vocab

    @property
    def n_edges(self) -> int:
        """How many edges the model's head-level graph has."""
        sizes = self.shape
        return Layout(sizes.n_layers, sizes.n_heads, self.parallel, self.split_embed).n_edges

    # What depends on the prompts alone.

    def batch(
        self,
        tokens: Int[Tensor, "batch pos"],
        attention_mask: Int[Tensor, "batch pos"] | Bool[Tensor, "batch pos"] | None = None,
        prompt_lengths: Int[Tensor, " batch"] | None = None,
    ) -> Batch:
        """The prompts with position ids counted over real tokens, masks and rotary angles.

        Where `tokens` are beginnings, `prompt_lengths` counts the whole prompts' real tokens.
        """
        tokens = tokens.to(self.device)
        real = torch.ones_like(tokens, dtype=torch.bool)
        if attention_mask is not None:
            real = attention_mask.to(self.device).bool()
        count = real.long().cumsum(-1)
        # The first place where the count is full is the last real token.
        last = count.argmax(-1)
        whole = count[:, -1] if prompt_lengths is None else prompt_lengths
        return self._prepare(Batch(tokens, real, (count - 1).clamp(min=0), last, whole))

    def index(self, numbers: Sequence[int]) -> slice | Tensor:
        """Numbers as an index of a tensor: a slice where they follow each other.

        Else a tensor on the device, made once: from a list torch would make one each time.
        """
        key = tuple(numbers)
        if key not in self._indices:
            found: slice | Tensor = slice(key[0], key[-1] + 1)
            if key != tuple(range(key[0], key[-1] + 1)):
                found = torch.tensor(key, device=self.device)
            self._indices[key] = found
        return self._indices[key]

    @cached_property
    def _indices(self) -> dict[tuple[int, ...], slice | Tensor]:
        return {}

    def cut(self, batch: Batch, start: int, stop: int | None = None) -> Batch:
        """`Batch.cut`, of a model whose positions can be computed from themselves and earlier keys.

        `mix` takes queries of these positions, and keys and values of all up to `stop`.
        """
        assert not self.whole_prompts, "a position of this model needs others beside its keys"
        return batch.cut(start, stop)

    @abstractmethod
    def _prepare(self, batch: Batch) -> Batch:
        """The batch with its attention masks and rotary angles."""

    @abstractmethod
    def embed_parts(self, batch: Batch) -> dict[str, Float[Tensor, "batch pos d_model"]]:
        """What is written before the first block, by sender: `input`, or `embed`, `pos_embed`."""

    def embed(self, batch: Batch) -> Float[Tensor, "batch pos d_model"]:
        """The residual stream before the first block."""
        first, *rest = self.embed_parts(batch).values()
        return sum(rest, first)

    # Reading.

    @abstractmethod
    def norm(
        self, layer: int, reader: Reader, x: Float[Tensor, "*rows d_model"]
    ) -> Float[Tensor, "*rows d_model"]:
        """The norm before a sublayer, or before the unembedding (any `layer`)."""

    @abstractmethod
    def qkv_weights(self, layer: int, channel: Qkv) -> HeadWeights:
        """The query, key or value projection cut by head; key and value by key-value head."""

    def rotate(
        self, batch: Batch, layer: int, channel: Qkv, y: Float[Tensor, "batch head pos d_head"]
    ) -> Float[Tensor, "batch head pos d_head"]:
        """What a family does between projection and attention: head norms, rotary angles."""
        return y

    def project(
        self,
        batch: Batch,
        layer: int,
        channel: Qkv,
        x: Float[Tensor, "batch pos d_model"] | Float[Tensor, "batch head pos d_model"],
        heads: Sequence[int] | None = None,
    ) -> Float[Tensor, "batch head pos d_head"]:
        """Queries, keys or values of `heads` (None: all), from normed inputs.

        With `x` [batch, pos, d_model] all heads read the same input, at the cost of one matrix
        product. With a head axis each of `heads`, in their order, reads its own. Keys and values
        come per *query* head, also where query heads share them.
        """
        group = 1 if channel == "q" else self.shape.kv_group
        every = heads is None or list(heads) == list(range(self.shape.n_heads))
        cut = self.qkv_weights(layer, channel)
        if x.ndim == 3:
            if heads is None or every:
                y = self.rotate(batch, layer, channel, self._project_all(layer, channel, cut, x))
                return y if group == 1 else y.repeat_interleave(group, dim=1)
            used = sorted({head // group for head in heads})
            y = self.rotate(batch, layer, channel, shared_input(cut.take(self.index(used)), x))
            return y[:, self.index([used.index(head // group) for head in heads])]
        if heads is None or every:
            return self.rotate(batch, layer, channel, own_input(cut, x, group))
        taken = cut.take(self.index([head // group for head in heads]))
        return self.rotate(batch, layer, channel, own_input(taken, x, 1))

    def project_apart(
        self, batch: Batch, layer: int, channel: Qkv, x: Float[Tensor, "batch pos d_model"]
    ) -> Apart:
        """`project` of one input, differentiable by every head's own copy of it."""
        cut = self.qkv_weights(layer, channel)
        start = self._project_all(layer, channel, cut, x.detach())
        if channel != "q" and self.shape.kv_group > 1:
            start = start.repeat_interleave(self.shape.kv_group, dim=1)
        start.requires_grad_()
        return Apart(start, self.rotate(batch, layer, channel, start), cut.weight)

    def _project_all(
        self,
        layer: int,
        channel: Qkv,
        cut: HeadWeights,
        x: Float[Tensor, "batch pos d_model"],
    ) -> Float[Tensor, "batch head pos d_head"]:
        """All heads from one input: the family's own module where it has one a channel."""
        return shared_input(cut, x)

    # Mixing positions, writing.

    @abstractmethod
    def mix(
        self,
        batch: Batch,
        layer: int,
        q: Float[Tensor, "batch head pos d_head"],
        k: Float[Tensor, "batch head key d_head"],
        v: Float[Tensor, "batch head key d_head"],
    ) -> Float[Tensor, "batch head pos d_head"]:
        """Attention of any set of heads, each with keys and values of its own.

        Keys may begin before the queries (`cut`).
        """

    @abstractmethod
    def out_weights(self, layer: int) -> Float[Tensor, "head d_head d_model"]:
        """The output projection cut by head, a view."""

    def head_out(
        self,
        layer: int,
        z: Float[Tensor, "batch head pos d_head"],
        heads: Sequence[int] | None = None,
    ) -> Float[Tensor, "batch head pos d_model"]:
        """What each of `heads` (None: all) writes by itself, without the shared bias."""
        weight = self.out_weights(layer).to(z.dtype)
        if heads is not None:
            weight = weight[self.index(heads)]
        return einsum(
            z,
            weight,
            "batch head pos d_head, head d_head d_model -> batch head pos d_model",
        )

    def attn_sum(
        self, layer: int, z: Float[Tensor, "batch head pos d_head"]
    ) -> Float[Tensor, "batch pos d_model"]:
        """What all heads write together: `head_out` summed over heads in one matrix product."""
        flat = rearrange(self.out_weights(layer), "head d_head d_model -> d_model (head d_head)")
        return product(rearrange(z, "batch head pos d_head -> batch pos (head d_head)"), flat)

    @abstractmethod
    def attn_const(self, layer: int) -> Float[Tensor, " d_model"] | None:
        """The output projection's bias: a constant that no sender owns."""

    @abstractmethod
    def mlp(
        self, layer: int, x: Float[Tensor, "batch pos d_model"]
    ) -> Float[Tensor, "batch pos d_model"]:
        """What the MLP writes, its own biases included, from its normed input."""

    @abstractmethod
    def mlp_weights(self, layer: int) -> MlpWeights:
        """The MLP taken apart into its neurons (mlp.py), by views of its weights."""

    def post_norm(
        self, layer: int, sublayer: Sublayer, x: Float[Tensor, "*rows d_model"]
    ) -> Float[Tensor, "*rows d_model"]:
        """The norm between a sublayer's raw output and the residual stream, if there is one."""
        return x

    def closed_form(self, layer: int, place: Reader, *, after: bool = False) -> Norm | None:
        """The norm before a reader, or after a sublayer, in closed form; None where not known."""
        return None

    @abstractmethod
    def logits(
        self,
        rows: Float[Tensor, "*rows d_model"],
        tokens: Int[Tensor, "*rows token"] | slice | None = None,
    ) -> Float[Tensor, "*rows d_vocab"]:
        """The unembedding of normed rows: every token's logit, or of each row its `tokens` alone.

        A slice is a part of the vocabulary.

        With a vocabulary of 50,257 the few rows of a logit difference cost next to nothing.
        """

    @abstractmethod
    def unembedding(
        self,
    ) -> tuple[Float[Tensor, "d_vocab d_model"], Float[Tensor, " d_vocab"] | None]:
        """What the logits read of normed rows, and its bias; soft-capping comes after it."""

    def own_logits(self, prompt: Sequence[int], rows: int) -> Float[Tensor, "row d_vocab"] | None:
        """The last positions' logits by the model's own forward pass, where it has one."""
        return None
