"""Whether the heads of an output role carry the answer: their outputs on another prompt, put here.

That a head is needed and looks where its role looks does not say what it hands on
(arXiv:2606.08292). So all of a role's heads get, where the answer is due, what they mix on a prompt
with another answer: the logits should go to that one. And on a prompt that differs everywhere but
in the answer: the logits should stay.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import pad
from discovery.engine.forward import logits_at
from discovery.models import Batch, ModelAdapter
from discovery.progress import Report
from discovery.roles.causal import Head
from discovery.roles.names import Named
from discovery.roles.patterns import fitting
from discovery.roles.probes import Condition
from discovery.roles.watching import AtLayer, watched
from discovery.tasks.base import TokenIds
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import RoleName, Share, Transduction, head_name
from graph_schema.intervals import group_interval

MOVED, SAME_ANSWER = 0.6, 0.25
"""What carries the answer moves at least so much, by the lower end of its interval, and with the
answer the same at most so much, by the upper one."""
DRAWS = 10
"""Sets of other heads that are tried, at most."""


@dataclass(frozen=True)
class Swap:
    """A prompt with its partners: of another answer, and of the same with all else changed.

    The answer is due at the end of each. Swaps of one `group` are alike.
    """

    base: TokenIds
    other: TokenIds
    same: TokenIds
    answer: int
    other_answer: int
    group: str


def of_repeats(
    conditions: Sequence[Condition], vocabulary: Vocabulary, n: int, seed: int
) -> list[Swap]:
    """Repeated segments like those of the conditions, `n` in all.

    In the prompt of the same answer every second token of the segment is exchanged, counted back
    from the last one: the token before the answer is another, the answer stays.
    """
    return [
        _of_repeat(conditions[number % len(conditions)], vocabulary, str(number), seed)
        for number in range(n)
    ]


def _of_repeat(condition: Condition, vocabulary: Vocabulary, number: str, seed: int) -> Swap:
    probe, pool = condition.probes[0], vocabulary.ordinary_ids()
    rng = random.Random(f"swap:{seed}:{number}")
    prefix, own = probe.tokens[: probe.start], probe.tokens[probe.start :]
    length, period = len(own), own.index(own[0], 1)
    segment, other = rng.sample(pool, period), rng.sample(pool, period)
    last = (length - 1) % period
    due = (last + 1) % period
    while other[due] == segment[due]:
        other = rng.sample(pool, period)
    places = [(last - back) % period for back in range(0, period - 1, 2)]
    spare = [token for token in pool if token not in segment]
    # A small vocabulary has none to spare: the tokens trade places then.
    new = [segment[place] for place in (*places[1:], places[0])]
    if len(spare) >= len(places):
        new = rng.sample(spare, len(places))
    same = [*segment]
    for place, token in zip(places, new, strict=True):
        same[place] = token

    answer, other_answer = (vocabulary.output_of(tokens[due]) for tokens in (segment, other))

    def prompt(tokens: Sequence[int]) -> TokenIds:
        return prefix + tuple(tokens[i % period] for i in range(length))

    return Swap(prompt(segment), prompt(other), prompt(same), answer, other_answer, number)


def of_names(prompts: dict[str, tuple[Named, ...]], n: int) -> list[Swap]:
    """Prompts about names, from all conditions in turn, `n` in all."""
    turns = [each for several in zip(*prompts.values(), strict=True) for each in several]
    return [
        Swap(
            each.clean.tokens,
            each.other.tokens,
            each.same_answer.tokens,
            each.io,
            each.other_io,
            each.template,
        )
        for each in turns[:n]
    ]


def transduction(
    adapter: ModelAdapter,
    role: RoleName,
    members: Sequence[Head],
    swaps: Sequence[Swap],
    *,
    seed: int,
    chunk: int | None = None,
    progress: Report | None = None,
) -> Transduction:
    """What the role's heads move together, and what as many other heads of their layers do."""
    length = max(len(each.base) for each in swaps)
    size = chunk or fitting(adapter, length)
    others = _others(adapter, members, seed)
    sums: list[_Moved] = []
    for start in range(0, len(swaps), size):
        if progress:
            progress(start, len(swaps))
        sums.append(_moved(adapter, members, others, swaps[start : start + size]))
    own, same, full, right = (
        np.concatenate([getattr(each, name) for each in sums])
        for name in ("own", "same", "full", "right")
    )
    rest = np.concatenate([each.others for each in sums], axis=1)
    groups = [each.group for each in swaps]
    return Transduction(
        role=role,
        members=tuple(head_name(*head) for head in members),
        moved=_share(own, full, groups, seed),
        same_answer=_share(same, full, groups, seed),
        accuracy=float(right.mean()),
        others=float(rest.sum() / (len(rest) * full.sum())) if len(rest) else None,
        n_prompts=len(swaps),
    )


def why_not(found: Transduction) -> str:
    """Why the role's heads do not count as carrying the answer; empty where they do."""
    moved, same = found.moved, found.same_answer
    if moved.ci_low < MOVED:
        return (
            f"the role's heads together move {moved.text} of a full swap to another answer; "
            f"expected at least {MOVED:.2f}"
        )
    if same is not None and same.ci_high > SAME_ANSWER:
        return (
            f"with the answer the same they still move {same.text}; expected at most "
            f"{SAME_ANSWER:.2f}"
        )
    return ""


def _share(
    values: NDArray[np.float64], over: NDArray[np.float64], groups: Sequence[str], seed: int
) -> Share:
    share = float(values.sum() / over.sum())
    low, high, _ = group_interval(values, groups, over=over, seed=seed)
    return Share(
        share=share, ci_low=share if low is None else low, ci_high=share if high is None else high
    )


def _others(adapter: ModelAdapter, members: Sequence[Head], seed: int) -> list[list[Head]]:
    """Sets of other heads: as many of each layer as are members, or all that there are."""
    rng = np.random.default_rng(seed)
    by_layer = {layer: [head for at, head in members if at == layer] for layer, _ in members}
    found: set[tuple[Head, ...]] = set()
    for _ in range(DRAWS):
        drawn: list[Head] = []
        for layer, own in by_layer.items():
            left = [head for head in range(adapter.shape.n_heads) if head not in own]
            picked = rng.permutation(len(left))[: len(own)]
            drawn += [(layer, left[i]) for i in sorted(picked.tolist())]
        if drawn:
            found.add(tuple(drawn))
    return [list(each) for each in sorted(found)]


@dataclass(frozen=True)
class _Moved:
    """A value a prompt of how far logits go to the other answer; `others` [set, prompt]."""

    own: NDArray[np.float64]
    same: NDArray[np.float64]
    full: NDArray[np.float64]
    right: NDArray[np.float64]
    others: NDArray[np.float64]


def _moved(
    adapter: ModelAdapter,
    members: Sequence[Head],
    others: Sequence[Sequence[Head]],
    swaps: Sequence[Swap],
) -> _Moved:
    base, other, same = (
        pad(adapter, [getattr(each, name) for each in swaps]) for name in ("base", "other", "same")
    )
    answers = torch.tensor(
        [[each.answer, each.other_answer] for each in swaps], device=adapter.device
    )
    clean, _ = _end(adapter, base, answers)
    swapped, sources = _end(adapter, other, answers)
    _, alike = _end(adapter, same, answers)

    def put(heads: Sequence[Head], z: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return _put(adapter, base, answers, heads, z)

    own, right = put(members, sources)
    return _Moved(
        own=_numpy(own - clean),
        same=_numpy(put(members, alike)[0] - clean),
        full=_numpy(swapped - clean),
        right=_numpy(right),
        others=np.stack([_numpy(put(heads, sources)[0] - clean) for heads in others])
        if others
        else np.zeros((0, len(swaps))),
    )


def _end(
    adapter: ModelAdapter, batch: Batch, answers: Tensor
) -> tuple[Float[Tensor, " batch"], list[Tensor]]:
    """How far the logits at the end favour the other answer; every layer's `z` there."""
    rows = torch.arange(len(batch.last), device=adapter.device)
    z: list[Tensor] = []

    def look(at: AtLayer) -> None:
        z.append(at.z[rows, :, batch.last])

    last = watched(adapter, batch, look)[rows, batch.last]
    found = logits_at(adapter, last).float()
    return _favoured(found, answers), z


def _put(
    adapter: ModelAdapter,
    batch: Batch,
    answers: Tensor,
    heads: Sequence[Head],
    sources: Sequence[Tensor],
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """The same with some heads' `z` at the end put in place, and whether the other answer wins."""
    rows = torch.arange(len(batch.last), device=adapter.device)
    by_layer = {layer: [head for at, head in heads if at == layer] for layer, _ in heads}

    def swap(at: AtLayer) -> Tensor | None:
        if at.layer not in by_layer:
            return None
        z = at.z.clone()
        for head in by_layer[at.layer]:
            z[rows, head, batch.last] = sources[at.layer][:, head]
        return z

    found = logits_at(adapter, watched(adapter, batch, swap)[rows, batch.last]).float()
    return _favoured(found, answers), (found.argmax(-1) == answers[:, 1]).float()


def _favoured(logits: Tensor, answers: Tensor) -> Float[Tensor, " batch"]:
    picked = logits.gather(-1, answers)
    return picked[:, 1] - picked[:, 0]


def _numpy(values: Tensor) -> NDArray[np.float64]:
    return values.cpu().double().numpy()
