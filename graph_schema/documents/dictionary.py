"""Dictionaries: what splits a component's write into features, and what identifies one.

A dictionary reads the model at one place and gives a coefficient for each unit; what a component
writes is then sum of coefficient times direction, plus a constant, plus what the dictionary misses.
Which dictionary it is, its tensors and the way of reading them say: where it lies and under which
release it was published say where to find it, and are not in its id.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document
from graph_schema.documents.component import head_name, mlp_name
from graph_schema.documents.model import Sha256


class DictionaryKind(StrEnum):
    """What a dictionary does: neurons and bases are exact, the others are trained."""

    NEURONS = "neurons"
    BASIS = "basis"
    SAE = "sae"
    TRANSCODER = "transcoder"
    CROSS_LAYER = "cross_layer_transcoder"


class Place(StrEnum):
    """Where in a block something is read or written.

    `*_out` is a sublayer's own output, biases included; `*_added` what is added to the stream,
    which differs where a norm stands between (Gemma). `mlp_unit` is the MLP's normed input before
    the norm's scale and bias. `resid_mid` is the stream that the MLP reads.
    """

    EMBED = "embed"
    RESID_PRE = "resid_pre"
    RESID_MID = "resid_mid"
    RESID_POST = "resid_post"
    MLP_IN = "mlp_in"
    MLP_UNIT = "mlp_unit"
    MLP_OUT = "mlp_out"
    MLP_ADDED = "mlp_added"
    NEURONS = "neurons"
    ATTN_Z = "attn_z"
    ATTN_OUT = "attn_out"
    ATTN_ADDED = "attn_added"
    HEAD_OUT = "head_out"


STREAM = (Place.RESID_PRE, Place.RESID_MID, Place.RESID_POST)
_MLP = (Place.MLP_OUT, Place.MLP_ADDED, Place.NEURONS)
_BEFORE_MLP = (Place.RESID_MID, Place.MLP_IN, Place.MLP_UNIT)
_ATTENTION = (Place.ATTN_Z, Place.ATTN_OUT, Place.ATTN_ADDED)


class Activation(StrEnum):
    """What makes coefficients of pre-activations; units compete under `topk` and `groupmax`."""

    LINEAR = "linear"
    MLP = "mlp"
    RELU = "relu"
    JUMPRELU = "jumprelu"
    TOPK = "topk"
    GROUPMAX = "groupmax"
    GATED = "gated"


class Normalisation(StrEnum):
    """What is done to an input before it is encoded, and undone after an SAE's decoder."""

    NONE = "none"
    LAYER_NORM = "layer_norm"
    CONSTANT_NORM = "constant_norm_rescale"


class Site(Document):
    """Where a dictionary sits.

    Attributes:
        reads: What it encodes.
        writes: What it reconstructs; an SAE's is what it reads.
        layer: Of both; None for the embeddings.
        head: Of a dictionary on one head alone; heads side by side (`attn_z`) are the layer's.
        embedding: Which sender of the embeddings, for `Place.EMBED`.
        last_written: A cross-layer transcoder writes to the MLPs from `layer` to this one.
    """

    reads: Place
    writes: Place
    layer: Annotated[int, Field(ge=0)] | None = None
    head: Annotated[int, Field(ge=0)] | None = None
    embedding: Literal["input", "embed", "pos_embed"] | None = None
    last_written: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Site:
        embeds = self.writes is Place.EMBED
        if embeds != (self.embedding is not None) or embeds != (self.layer is None):
            raise ValueError("a site has a layer, or is one of the embeddings")
        if self.writes is Place.HEAD_OUT and self.head is None:
            raise ValueError("head_out is what one head writes; say which head")
        if self.head is not None and self.writes not in (Place.HEAD_OUT, Place.ATTN_Z):
            raise ValueError(f"{self.writes.value} is no head's own")
        if self.last_written is not None and self.last_written < (self.layer or 0):
            raise ValueError("a transcoder writes to its own layer and later ones")
        return self

    @property
    def component(self) -> str | None:
        """Whose write it splits: `m3`, `a3`, `a1.h0`, `embed`; None on the residual stream.

        A dictionary of the stream labels, but is not spliced: it would cut edges that pass by.
        """
        if self.embedding is not None:
            return self.embedding
        assert self.layer is not None, "checked above"
        if self.writes in _MLP:
            return mlp_name(self.layer)
        if self.head is not None:
            return head_name(self.layer, self.head)
        return f"a{self.layer}" if self.writes in _ATTENTION else None

    @property
    def of_mlp(self) -> bool:
        """Whether it reads at an MLP, or before one, and writes as one."""
        return self.writes in _MLP and self.reads in (*_MLP, *_BEFORE_MLP)

    @property
    def written(self) -> tuple[int, ...]:
        """The layers that it writes to."""
        if self.layer is None:
            return ()
        last = self.layer if self.last_written is None else self.last_written
        return tuple(range(self.layer, last + 1))

    @property
    def words(self) -> str:
        """The site as a message names it: `m3`, or `resid_post of layer 3`."""
        return self.component or f"{self.writes.value} of layer {self.layer}"


class Reading(Document):
    """How tensors are read: files of one shape are read in several ways.

    Attributes:
        k: How many units a position has, of `topk`; how many groups, of `groupmax`.
        rectified: Coefficients are never negative; circuit-tracer keeps what passes a threshold.
        subtracts_bias: The decoder's bias is taken off the input first.
        by_decoder_norm: Units compete, and are shown, by activation times their direction's norm.
        unit_decoder: Activations are those of the same dictionary with directions of norm 1.
        transposed: Square tensors that are read the other way than their format says.
    """

    activation: Activation
    k: Annotated[int, Field(ge=1)] | None = None
    rectified: bool = True
    subtracts_bias: bool = False
    normalisation: Normalisation = Normalisation.NONE
    by_decoder_norm: bool = False
    unit_decoder: bool = False
    transposed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_how_many(self) -> Reading:
        if (self.activation in (Activation.TOPK, Activation.GROUPMAX)) != (self.k is not None):
            raise ValueError(f"{self.activation.value} with k {self.k}; expected k for topk alone")
        return self

    @property
    def competes(self) -> bool:
        """Whether a unit's coefficient depends on the other units' pre-activations."""
        return self.activation in (Activation.TOPK, Activation.GROUPMAX)


class DictionaryDocument(Document):
    """A dictionary's identity, and what a reader of a circuit wants to know of it.

    Attributes:
        sha256: Of its tensors; None where they are the model's own (neurons) or none (a basis).
        skip: It also passes its input on linearly, past all units.
    """

    schema_version: Literal[1] = 1
    kind: DictionaryKind
    site: Site
    width: Annotated[int, Field(ge=1)]
    reading: Reading
    sha256: Sha256 | None = None
    skip: bool = False
    release: str | None = None

    @property
    def dictionary_id(self) -> str:
        """What tells dictionaries of one model apart; the release is a name, not a part of it."""
        return self.model_copy(update={"release": None}).content_id()

    @property
    def words(self) -> str:
        """The dictionary as a message names it."""
        named = f" of {self.release}" if self.release else ""
        return f"{self.kind.value} of {self.width:,} units on {self.site.words}{named}"


class DictionarySource(Document):
    """Where to load a dictionary from: outside every id.

    `name` is a hub id `org/name` or a path; `path` a file or folder inside it. `hook` says where it
    sits, and `hook_out` what it writes to, of files that do not: a name of TransformerLens, or of a
    module in transformers.
    """

    name: str
    path: str = ""
    revision: str | None = None
    format: str | None = None
    """One of `graph_schema.dictionaries.FORMATS`; None: told from the files."""
    hook: str | None = None
    hook_out: str | None = None


class DictionaryCheck(Document):
    """What a dictionary did on some tokens of the model that it is for.

    Attributes:
        explained_variance: 1 - |x - x̂|² / |x - mean x|², summed over tokens; 1 is perfect.
        l0: Units with a coefficient other than 0, mean over tokens.
        dead_share: Units that were 0 at every one of these tokens; most are not dead for good.
        warning: None where more than half of the variance is explained.
        better: Another way of reading that explains more, where the warning looked for one.
    """

    schema_version: Literal[1] = 1
    dictionary_id: Sha256
    n_tokens: int
    explained_variance: float
    l0: float
    dead_share: float
    warning: str | None = None
    better: Reading | None = None
    better_explained_variance: float | None = None
