"""The adapter held against the model it takes apart, once a job, before anything is measured.

An adapter writes a family's forward pass down again. Where the library changes it, or a checkpoint
switches on something the adapter does not know, every score would be of another model. So the
logits of the job's longest and shortest prompt are compared with those of the model's own forward
pass: each prompt alone, both as one padded batch, and with the longest one's beginning run apart,
which are the three ways in which the engine runs prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.experiment import pad
from discovery.engine.forward import graph_of, logits_at, run
from discovery.models import Batch, ModelAdapter
from discovery.models.half import wide
from discovery.tasks.base import TokenIds
from graph_schema.errors import NumericsError

ROWS = 16
"""Last positions of a prompt that are compared; causal ones look back at all the others."""

TOLERANCE = {
    torch.float64: 1e-4,
    torch.float32: 1e-3,
    torch.float16: 0.05,
    torch.bfloat16: 0.25,
}
"""How far logits may be apart by dtype, in units of their spread over the vocabulary.

Rounding alone gave, over all positions, at most 2e-7, 2e-6, .006 and .04 on every family at 8
layers and on two real models of 18 and 30; a norm, angle, mask or scale that is wrong moves logits
by a good part of their spread.
Norms compute in float32 whatever the dtype, so float64 is not held to more.
"""

FLAT = 1e-2
"""The spread that is asked for at least, as a share of the largest logit of all rows: a program of
one output has none, and where it leaves its answer open all outputs may be alike."""

Logits = Float[Tensor, "row d_vocab"]


@dataclass(frozen=True)
class Difference:
    """Two sets of logits apart.

    `spread` is the worst position's root mean square difference over the vocabulary, in units of
    the standard deviation of its logits, or of `FLAT` of the largest logit where that is more;
    `largest` the largest difference of any logit.
    """

    spread: float
    largest: float

    @classmethod
    def of(cls, found: Logits, wanted: Logits) -> Difference:
        found, wanted = found.double(), wanted.double()
        apart = found - wanted
        tiny = torch.finfo(torch.float32).tiny
        least = max(tiny, FLAT * float(wanted.abs().max()))
        unit = wanted.std(-1, correction=0).clamp(min=least)
        return cls(float((apart.square().mean(-1).sqrt() / unit).max()), float(apart.abs().max()))


@torch.no_grad()
def check_adapter(
    adapter: ModelAdapter, prompts: Sequence[TokenIds], *, together: bool = True
) -> None:
    """Hold the adapter's logits to the model's own, on the longest and the shortest of `prompts`.

    Logits that are not finite are left to the measurements, which say where they arise.

    Args:
        adapter: The model; one without a forward pass of its own has nothing to be held against.
        prompts: The job's.
        together: Also as one padded batch; False where two prompts at a time may not fit.

    Raises:
        NumericsError: They differ by more than rounding; gives the figures.
    """
    named = {
        "the longest prompt": max(prompts, key=len),
        "the shortest prompt": min(prompts, key=len),
    }
    own = {name: adapter.own_logits(prompt, ROWS) for name, prompt in named.items()}
    for name, prompt in named.items():
        wanted = own[name]
        if wanted is None:
            return
        found = _logits(adapter, pad(adapter, [prompt]), [len(prompt)])[0]
        _require(adapter, found, wanted, f"{name} ({len(prompt)} tokens)")
    if together:
        lengths = [len(prompt) for prompt in named.values()]
        both = _logits(adapter, pad(adapter, list(named.values())), lengths)
        for (name, wanted), found, length in zip(own.items(), both, lengths, strict=True):
            assert wanted is not None
            where = f"{name} ({length} tokens) in a batch with another of {sum(lengths) - length}"
            _require(adapter, found, wanted, where)
    _check_beginning(adapter, named["the longest prompt"])


def _check_beginning(adapter: ModelAdapter, prompt: TokenIds) -> None:
    """The first half of a prompt, run apart, must be as it is in the whole."""
    if (start := len(prompt) // 2) == 0 or adapter.whole_prompts:
        return
    whole = pad(adapter, [prompt])
    beginning = adapter.batch(whole.tokens[:, :start], prompt_lengths=whole.prompt_lengths)
    found, wanted = (_logits(adapter, batch, [start])[0] for batch in (beginning, whole))
    where = f"the first {start} of {len(prompt)} tokens run apart"
    _require(adapter, found, wanted, where, "the whole prompt's run")


def _logits(adapter: ModelAdapter, batch: Batch, ends: Sequence[int]) -> list[Logits]:
    """Of each row, logits at the last positions before its end."""
    resid = run(adapter, graph_of(adapter), batch, wide(adapter.dtype)).resid
    return [
        logits_at(adapter, row[max(0, end - ROWS) : end])
        for row, end in zip(resid, ends, strict=True)
    ]


def _require(
    adapter: ModelAdapter,
    found: Logits,
    wanted: Logits,
    where: str,
    reference: str = "the model's own forward pass",
) -> None:
    if not (found.isfinite().all() and wanted.isfinite().all()):
        return
    apart, tolerance = Difference.of(found, wanted), TOLERANCE[adapter.dtype]
    if apart.spread > tolerance:
        dtype = str(adapter.dtype).removeprefix("torch.")
        raise NumericsError(
            f"{type(adapter).__name__} does not compute what its model computes: on {where} its "
            f"logits differ from {reference} by {apart.spread:.2g} of their spread (tolerance "
            f"{tolerance:g} in {dtype}), one by {apart.largest:.3g}. No circuit of this model "
            "would be right; report this with the model's name and the version of transformers"
        )
