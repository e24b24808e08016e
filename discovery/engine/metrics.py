"""Metrics: one value a pair, from the logits at the positions that the pair names.

`Target` says, as index tensors, which logits a metric reads; `Objective` binds a metric to a
target. Over several positions a metric is the mean. Loss is minus the metric where higher is
better (docs/definitions.md). Everything is computed in float32 at least, whatever the model's
dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from einops import einsum, reduce
from jaxtyping import Bool, Float, Int
from torch import Tensor

from discovery.models.half import wide
from discovery.tasks.base import TokenPair
from graph_schema.documents import Metric
from graph_schema.errors import DatasetError


@dataclass(frozen=True)
class Tokens:
    """A few tokens a position: their ids, what each weighs, and which entries are real."""

    ids: Int[Tensor, "batch target token"]
    weights: Float[Tensor, "batch target token"]
    real: Bool[Tensor, "batch target token"]

    def of(self, values: Float[Tensor, "batch target d_vocab"]) -> Tensor:
        """`values` at these tokens."""
        return values.gather(-1, self.ids)

    def minus(self, other: Tokens) -> Tokens:
        """These and `other`, which weighs against them."""
        return Tokens(
            torch.cat([self.ids, other.ids], -1),
            torch.cat([self.weights, -other.weights], -1),
            torch.cat([self.real, other.real], -1),
        )

    def total(self, values: Float[Tensor, "batch target d_vocab"]) -> Float[Tensor, "batch target"]:
        """The weighted sum of `values` over these tokens."""
        return einsum(
            self.of(values), self.weights, "batch target token, batch target token -> batch target"
        )


@dataclass(frozen=True)
class Target:
    """What metrics read of a batch: positions, their shares of the mean, and tokens there."""

    positions: Int[Tensor, "batch target"]
    shares: Float[Tensor, "batch target"]
    answers: Tokens
    wrong_answers: Tokens
    weighted: Tokens | None

    def mean(self, values: Float[Tensor, "*try batch target"]) -> Float[Tensor, "*try batch"]:
        """The mean over each pair's own positions."""
        return (values * self.shares).sum(-1)


def target_of(pairs: Sequence[TokenPair], device: torch.device, dtype: torch.dtype) -> Target:
    """The target of a batch whose prompts begin at position 0."""
    width = max(len(pair.positions) for pair in pairs)
    # A pair with fewer positions repeats its first one with share 0.
    positions = [(*pair.positions, *pair.positions[:1] * width)[:width] for pair in pairs]
    shares = [
        [1 / len(pair.positions) if i < len(pair.positions) else 0.0 for i in range(width)]
        for pair in pairs
    ]

    def tokens(rows: Sequence[Sequence[Sequence[tuple[int, float]]]]) -> Tokens:
        return _tokens(rows, width, device, dtype)

    weighted = None
    if all(pair.weights is not None for pair in pairs):
        weighted = tokens([pair.weights or () for pair in pairs])
    return Target(
        torch.tensor(positions, device=device),
        torch.tensor(shares, device=device, dtype=dtype),
        tokens([_equal(pair.answers) for pair in pairs]),
        tokens([_equal(pair.wrong_answers) for pair in pairs]),
        weighted,
    )


def _equal(tokens: Sequence[Sequence[int]]) -> list[list[tuple[int, float]]]:
    """Tokens that share the weight 1 equally, position by position."""
    return [[(token, 1 / len(place)) for token in place] for place in tokens]


def _tokens(
    rows: Sequence[Sequence[Sequence[tuple[int, float]]]],
    width: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Tokens:
    most = max((len(place) for row in rows for place in row), default=0)
    shape = (len(rows), width, max(most, 1))
    ids = torch.zeros(shape, dtype=torch.long)
    weights, real = torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=torch.bool)
    for i, row in enumerate(rows):
        for j, place in enumerate(row):
            for k, (token, weight) in enumerate(place):
                ids[i, j, k], weights[i, j, k], real[i, j, k] = token, weight, True
    return Tokens(ids.to(device), weights.to(device), real.to(device))


def require_tokens(metric: Metric, pairs: Sequence[TokenPair]) -> None:
    """Refuse a metric that these pairs do not carry the tokens for.

    Raises:
        DatasetError: No answers, no wrong answers or no weights where the metric needs them.
    """
    for pair in pairs:
        n = len(pair.positions)
        has_answers = len(pair.answers) == n and all(pair.answers)
        has_wrong = len(pair.wrong_answers) == n and all(pair.wrong_answers)
        if metric in (Metric.LOGIT_DIFF, Metric.PROB_DIFF) and not (has_answers and has_wrong):
            raise DatasetError(
                f"pair {pair.id}: metric {metric.value!r} needs answers and wrong answers at "
                "every position; use 'answer_logit' or 'kl' for data without wrong answers"
            )
        if metric in (Metric.ANSWER_LOGIT, Metric.ANSWER_PROB) and not has_answers:
            raise DatasetError(f"pair {pair.id}: metric {metric.value!r} needs answers")
        if metric is Metric.LINEAR and (pair.weights is None or len(pair.weights) != n):
            raise DatasetError(
                f"pair {pair.id}: metric 'linear' needs the key 'weights', one list of "
                "[token, weight] a position"
            )


@dataclass(frozen=True)
class Objective:
    """A metric on a target. `clean` (log-probabilities of the clean run) serves `kl` alone.

    `clean_logits` are those that they were made of.
    """

    metric: Metric
    target: Target
    clean: Float[Tensor, "batch target d_vocab"] | None = None
    clean_logits: Float[Tensor, "batch target d_vocab"] | None = None

    @classmethod
    def at(
        cls,
        metric: Metric,
        target: Target,
        clean_logits: Float[Tensor, "batch target d_vocab"] | None,
    ) -> Objective:
        if metric is not Metric.KL or clean_logits is None:
            return cls(metric, target)
        clean_logits = _wide(clean_logits)
        return cls(metric, target, clean_logits.log_softmax(-1), clean_logits)

    def value(self, logits: Float[Tensor, "batch target d_vocab"]) -> Float[Tensor, " batch"]:
        """The metric of each pair."""
        logits, target = _wide(logits), self.target
        match self.metric:
            case Metric.LOGIT_DIFF | Metric.ANSWER_LOGIT | Metric.LINEAR:
                assert self.tokens is not None, "require_tokens comes first"
                each = self.tokens.total(logits)
            case Metric.PROB_DIFF:
                p = logits.softmax(-1)
                each = _sum(target.answers, p) - _sum(target.wrong_answers, p)
            case Metric.ANSWER_PROB:
                each = _sum(target.answers, logits.softmax(-1))
            case Metric.KL:
                assert self.clean is not None, "kl needs the clean run's logits"
                each = _kl(self.clean, self.p_clean, logits.log_softmax(-1))
        return target.mean(each)

    @cached_property
    def tokens(self) -> Tokens | None:
        """The metric as a weighted sum of a few tokens' logits, where it is one."""
        target = self.target
        if self.metric.reads_whole_vocabulary:
            return None
        if self.metric is Metric.LOGIT_DIFF:
            return target.answers.minus(target.wrong_answers)
        return target.answers if self.metric is Metric.ANSWER_LOGIT else target.weighted

    @cached_property
    def p_clean(self) -> Float[Tensor, "batch target d_vocab"]:
        """The clean run's probabilities; for `kl`."""
        assert self.clean is not None, "kl needs the clean run's logits"
        return self.clean.exp()

    def loss(self, logits: Float[Tensor, "batch target d_vocab"]) -> Float[Tensor, " batch"]:
        """What patching is to raise: minus the metric where higher is better."""
        return self._loss(self.value(logits))

    def loss_of_tokens(
        self, logits: Float[Tensor, "*try batch target token"]
    ) -> Float[Tensor, "*try batch"]:
        """The loss from the logits of `tokens` alone."""
        assert self.tokens is not None, "this metric reads every token's logit"
        return self._loss(self.target.mean((_wide(logits) * self.tokens.weights).sum(-1)))

    def _loss(self, value: Float[Tensor, "*try batch"]) -> Float[Tensor, "*try batch"]:
        return -value if self.metric.higher_is_better else value


def _wide(x: Tensor) -> Tensor:
    """At least float32."""
    return x.to(wide(x.dtype))


def _sum(tokens: Tokens, p: Float[Tensor, "batch target d_vocab"]) -> Float[Tensor, "batch target"]:
    """The unweighted sum over the real tokens."""
    return reduce(tokens.of(p) * tokens.real, "batch target token -> batch target", "sum")


def _kl(
    clean: Float[Tensor, "batch target d_vocab"],
    p_clean: Float[Tensor, "batch target d_vocab"],
    patched: Float[Tensor, "batch target d_vocab"],
) -> Float[Tensor, "batch target"]:
    """KL(clean || patched) from log-probabilities, summed over the vocabulary."""
    return einsum(
        p_clean, clean - patched, "batch target d_vocab, batch target d_vocab -> batch target"
    )


def accuracy(
    logits: Float[Tensor, "batch target d_vocab"], target: Target
) -> Float[Tensor, " batch"]:
    """The share of positions where the best answer outranks the best wrong answer.

    Without wrong answers: where an answer is the top token. 0 for a pair without answers.
    """
    logits = _wide(logits)
    best = _best(target.answers, logits)
    wrong = _best(target.wrong_answers, logits)
    has_wrong = target.wrong_answers.real.any(-1)
    right = torch.where(has_wrong, best > wrong, best >= logits.amax(-1)).to(target.shares.dtype)
    return target.mean(right)


def rank(logits: Float[Tensor, "batch target d_vocab"], target: Target) -> Float[Tensor, " batch"]:
    """The best answer's rank in the vocabulary, 1 for the top token, mean over positions."""
    logits = _wide(logits)
    best = _best(target.answers, logits)[..., None]
    above = reduce(
        (logits > best).to(target.shares.dtype), "batch target d_vocab -> batch target", "sum"
    )
    return target.mean(1 + above)


def _best(
    tokens: Tokens, logits: Float[Tensor, "batch target d_vocab"]
) -> Float[Tensor, "batch target"]:
    """The largest logit among the real tokens; minus infinity where there are none."""
    return tokens.of(logits).masked_fill(~tokens.real, -torch.inf).amax(-1)
