"""Descriptions of units: examples, tokens at the logits, density, detection scores.

The model runs once on the different clean prompts: those of the discovery split show what a unit
is, those of the held-out split say how well that tells where it is active.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from discovery.dictionaries.protocol import Dictionary
from discovery.engine.splice import Splice
from discovery.features.detecting import by_activation, by_tokens
from discovery.features.examples import (
    AT_TOKEN,
    IN_PROMPT,
    Peaks,
    active_over,
    density,
    example,
    only_first,
    shown,
)
from discovery.features.promoting import directions_read, promoted
from discovery.features.token_texts import TokenTexts
from discovery.features.watching import Activations, Asked, watch
from discovery.models import ModelAdapter
from discovery.progress import Report
from discovery.tasks.base import TokenPair
from graph_schema.documents.component import Component, feature_name, neuron_name
from graph_schema.documents.dictionary import Activation, DictionaryKind
from graph_schema.documents.feature import (
    DetectionRule,
    DetectionScore,
    FeatureDescription,
    Features,
)
from graph_schema.errors import NonFiniteError, SpecError

EXAMPLES = 8
TOKENS = 10
MOST_NUMBERS = 2**26
"""Activations that are held at once, of all units at all tokens: 256 MiB."""
SELDOM_ZERO = (Activation.LINEAR, Activation.MLP)
Prompts = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class _Split:
    prompts: Prompts
    watched: list[Activations]


@dataclass(frozen=True)
class _Seen:
    """What was seen of all units, numbered as they are asked."""

    discovery: _Split
    heldout: _Split
    first: Bool[ndarray, " unit"]
    over: Float[ndarray, " unit"]
    over_in_prompt: Float[ndarray, " unit"]
    peaks: Peaks
    heldout_peaks: Peaks
    density: Float[ndarray, " unit"]
    n_tokens: Int[ndarray, " unit"]


def kept_units(splices: Iterable[Splice], names: Collection[str]) -> list[Asked]:
    """The candidates whose names are given, by dictionary, at whatever positions."""
    wanted = {Component.parse(name).unit for name in names}
    found: list[Asked] = []
    for splice in splices:
        parts = zip(splice.units, splice.split.parts, strict=False)
        units = [unit for unit, name in parts if name in wanted]
        if units:
            found.append((splice.dictionary, units))
    return found


def describe(
    adapter: ModelAdapter,
    asked: Sequence[Asked],
    discovery: Sequence[TokenPair],
    heldout: Sequence[TokenPair],
    texts: TokenTexts | None = None,
    *,
    dataset_sha256: str | None = None,
    n_examples: int = EXAMPLES,
    n_tokens: int = TOKENS,
    report: Report | None = None,
) -> Features:
    """What is known of each unit asked for, in that order, from one run of the clean prompts.

    Where all activations would be more than `MOST_NUMBERS`, evenly spaced prompts of each split are
    taken; a description says on how many it stands.

    Args:
        adapter: The model.
        asked: Dictionaries, each with units of its own; `kept_units` of a circuit.
        discovery: Pairs whose clean prompts may be shown.
        heldout: Pairs that scores are taken on; none, and there are no scores.
        texts: How tokens are written (default: as numbers).
        dataset_sha256: Of the pairs, kept with what they showed.
        n_examples: Different prompts shown of a unit, at most.
        n_tokens: Promoted tokens of a unit, and suppressed ones.
        report: Told how many prompts and units of all are done.

    Raises:
        NonFiniteError: A unit's activation is NaN or infinite.
        SpecError: A dictionary lies on the residual stream.
    """
    texts = TokenTexts() if texts is None else texts
    asked = [(dictionary, tuple(units)) for dictionary, units in asked if units]
    if not asked:
        return Features(units=())
    told = _Told(report, sum(len(units) for _, units in asked))
    seen = _look(adapter, asked, discovery, heldout, told)
    prompts = [texts.prompt(prompt) for prompt in seen.discovery.prompts]
    found: list[FeatureDescription] = []
    for dictionary, units in asked:
        document = dictionary.document
        neurons = document.kind is DictionaryKind.NEURONS
        of = {
            "dictionary_id": None if neurons else document.dictionary_id,
            "dataset_sha256": dataset_sha256,
        }
        rows = directions_read(adapter, dictionary, units)
        written = promoted(adapter, rows, texts, n_tokens, told.units)
        for name, (up, down) in zip(_names(dictionary, units), written, strict=True):
            seen_of_it = _described(seen, len(found), prompts, n_examples)
            found.append(
                FeatureDescription(name=name, promotes=up, suppresses=down, **of, **seen_of_it)
            )
    return Features(units=tuple(found), heldout=tuple(map(texts.prompt, seen.heldout.prompts)))


def _described(
    seen: _Seen, unit: int, prompts: Sequence[Sequence[str]], n_examples: int
) -> dict[str, Any]:
    """The fields of a description that say where a unit is active."""
    split, at = seen.discovery, seen.peaks.at[:, unit]
    best = shown(unit, seen.peaks, float(seen.over[unit]), n_examples)
    largest = split.watched[best[0]][at[best[0]], unit] if best else 0.0
    return {
        "n_prompts": len(split.prompts),
        "n_tokens": int(seen.n_tokens[unit]),
        "density": float(seen.density[unit]),
        "max_activation": float(f"{largest:.4g}"),
        "examples": tuple(
            example(prompts[prompt], split.watched[prompt][:, unit], int(at[prompt]))
            for prompt in best
        ),
        "detection": _detection(seen, unit, best),
        "counts_first": bool(seen.first[unit]),
        "heldout_active": _active_on(seen, unit),
    }


class _Told:
    """Progress over prompts, then units."""

    def __init__(self, report: Report | None, n_units: int) -> None:
        self._report, self._n_units = report, n_units
        self._done = self._n_prompts = 0

    def prompts(self, done: int, total: int) -> None:
        self._done, self._n_prompts = done, total
        self._tell()

    def units(self, done: int) -> None:
        self._done += done
        self._tell()

    def _tell(self) -> None:
        if self._report is not None:
            self._report(self._done, self._n_prompts + self._n_units)


def _look(
    adapter: ModelAdapter,
    asked: Sequence[Asked],
    discovery: Sequence[TokenPair],
    heldout: Sequence[TokenPair],
    told: _Told,
) -> _Seen:
    n_units = sum(len(units) for _, units in asked)
    splits = [_different(pairs, MOST_NUMBERS // 2 // n_units) for pairs in (discovery, heldout)]
    watched = watch(adapter, asked, [*splits[0], *splits[1]], told.prompts)
    _check_finite(asked, watched)
    shown_, held = watched[: len(splits[0])], watched[len(splits[0]) :]
    sparse = np.array(
        [
            dictionary.document.reading.activation not in SELDOM_ZERO
            for dictionary, units in asked
            for _ in units
        ]
    )
    first = only_first(shown_, n_units)
    peaks = Peaks.of(shown_, first)
    over = active_over(peaks, sparse, AT_TOKEN)
    share, n_tokens = density(shown_, over, first)
    return _Seen(
        _Split(splits[0], shown_),
        _Split(splits[1], held),
        first,
        over,
        active_over(peaks, sparse, IN_PROMPT),
        peaks,
        Peaks.of(held, first),
        share,
        n_tokens,
    )


def _different(pairs: Sequence[TokenPair], n_tokens: int) -> Prompts:
    """The different clean prompts, evenly spaced ones where they have more tokens than that."""
    found = tuple(dict.fromkeys(pair.clean for pair in pairs))
    total = sum(map(len, found))
    if total <= n_tokens:
        return found
    n = max(1, len(found) * n_tokens // total)
    return tuple(found[i * len(found) // n] for i in range(n))


def _check_finite(asked: Sequence[Asked], watched: Sequence[Activations]) -> None:
    for values in watched:
        if np.isfinite(values).all():
            continue
        names = [name for each, units in asked for name in _names(each, units)]
        bad = int((~np.isfinite(values)).any(0).argmax())
        raise NonFiniteError(
            f"the activation of {names[bad]} is no number at a token of the data; compute in "
            "float32, or look at the dictionary's weights"
        )


def _names(dictionary: Dictionary, units: Sequence[int]) -> list[str]:
    document = dictionary.document
    host = document.site.component
    if host is None:
        raise SpecError(
            f"{document.words} lies on the residual stream: its units are no nodes to describe"
        )
    name = neuron_name if document.kind is DictionaryKind.NEURONS else feature_name
    return [name(host, unit) for unit in units]


def _active_on(seen: _Seen, unit: int) -> tuple[int, ...]:
    return tuple(
        np.flatnonzero(seen.heldout_peaks.size[:, unit] > seen.over_in_prompt[unit]).tolist()
    )


def _detection(seen: _Seen, unit: int, best: Sequence[int]) -> tuple[DetectionScore, ...]:
    """Scores by what the shown prompts say."""
    split, sizes = seen.discovery, seen.heldout_peaks.size[:, unit]
    active = sizes > seen.over_in_prompt[unit]
    if not best:
        return (_unscored("tokens", active), _unscored("activation", active))
    peaked = frozenset(split.prompts[prompt][seen.peaks.at[prompt, unit]] for prompt in best)
    return (
        by_tokens(peaked, seen.heldout.prompts, active, bool(seen.first[unit])),
        by_activation(float(seen.peaks.size[best[-1], unit]), sizes, active),
    )


def _unscored(rule: DetectionRule, active: Bool[ndarray, " prompt"]) -> DetectionScore:
    n_active = int(active.sum())
    return DetectionScore(
        rule=rule,
        value=None,
        n_active=n_active,
        n_inactive=len(active) - n_active,
        reason="it is active on no discovery prompt, so nothing is shown",
    )
