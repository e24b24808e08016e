"""Compiled cases: a model, its pairs, and the circuits that are true of it by construction.

A case is a folder with `weights.npz`, `case.json` and, where known, `edges.json` and
`eap_reference.json`. The metric of a case is `linear` and a *sum* over the positions where the
program defines an output: the logit of the clean answer minus that of the corrupt one, or for a
numerical program output times (clean - corrupt). A pair without such a position has metric 0.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, cast

import torch

from discovery.known.outputs import Expected, check_computed
from discovery.known.truths import read_truths
from discovery.models.compiled import CompiledAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import Edge
from graph_schema.errors import DatasetError, ModelError, SpecError
from graph_schema.exchange.base import json_of
from graph_schema.models.compiled.config import read_config, read_vocabulary
from graph_schema.models.compiled.files import ARRAYS_FILE, read_arrays, stored_arrays
from graph_schema.models.compiled.names import CASE, MALFORMED, PAIR, required
from graph_schema.models.compiled.outputs import Outputs
from graph_schema.models.compiled.weights import check_finite, check_shapes
from graph_schema.printable import quoted


@dataclass(frozen=True)
class Case:
    """A compiled program: `truths` are sets of edge names in the project's spelling.

    `reference` are published scores of every edge by method, in their own sign,
    metric(patched) - metric(clean), minus ours; empty where the case has none.
    """

    name: str
    adapter: CompiledAdapter
    pairs: tuple[TokenPair, ...]
    truths: Mapping[str, frozenset[str]]
    reference: Mapping[str, Mapping[str, float]]


def load_case(
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Case:
    """Read a case; sizes, vocabulary, causality and activation come from its files.

    Raises:
        ModelError: A file is missing, torn, or not what a case has there.
        DatasetError: A pair's outputs do not fit its tokens.
        SpecError: An edge's name is none.
    """
    file = folder / "case.json"
    with _reading(file, "config, vocab, output and pairs"):
        case = _json(file)
        required(case, CASE, "the case")
        config = read_config(case["config"])
        outputs = Outputs.of(case["output"])
        vocabulary = read_vocabulary(case["vocab"])
        read = [
            _pair(f"pair-{number}", pair, outputs, vocabulary)
            for number, pair in enumerate(case["pairs"])
        ]
    arrays = stored_arrays(folder / ARRAYS_FILE)
    with _reading(folder / ARRAYS_FILE, "an array a weight"):
        check_shapes({name: array.shape for name, array in arrays.items()}, config)
    weights = read_arrays(folder / ARRAYS_FILE, arrays)
    with _reading(folder / ARRAYS_FILE, "an array a weight"):
        check_finite(weights)
    adapter = CompiledAdapter(weights, config, dtype=dtype, device=device)
    pairs = tuple(pair for pair, _ in read)
    with _reading(file, "tokens and outputs of the model"):
        outputs.check_columns(adapter.d_out)
        _check(adapter, pairs, vocabulary)
        expected = (each for _, sides in read for each in sides)
        check_computed(adapter, expected, outputs.values is not None)
    with _reading(folder / "edges.json", "lists of edges by truth"):
        truths = read_truths(_json(folder / "edges.json", {}), case, adapter)
    with _reading(folder / "eap_reference.json", "columns, and scores: a row an edge"):
        reference = _reference(_json(folder / "eap_reference.json", {}))
    return Case(folder.name, adapter, pairs, truths, reference)


@contextmanager
def _reading(
    file: Path, expected: str, malformed: type[Exception] | tuple[type[Exception], ...] = MALFORMED
) -> Generator[None]:
    """Say which file it was."""
    try:
        yield
    except SpecError as error:
        raise type(error)(f"compiled case file {str(file)!r}: {error}") from error
    except malformed as error:
        raise ModelError(
            f"compiled case file {str(file)!r} cannot be read ({type(error).__name__}: {error}); "
            f"expected {expected}"
        ) from error


def _check(
    adapter: CompiledAdapter, pairs: Sequence[TokenPair], vocabulary: Mapping[str, int]
) -> None:
    if not pairs:
        raise DatasetError("the case has no pairs; expected some in case.json")
    longest, d_vocab = adapter.n_ctx, adapter.shape.d_vocab
    for token, number in vocabulary.items():
        if number >= d_vocab:
            raise DatasetError(f"token {quoted(token)} has id {number}, and W_E {d_vocab} rows")
    for pair in pairs:
        if not 1 <= len(pair.clean) <= longest:
            raise DatasetError(
                f"{pair.id} has {len(pair.clean)} tokens; expected 1 to {longest}, the rows of "
                "W_pos"
            )
        if not all(0 <= token < d_vocab for token in (*pair.clean, *pair.corrupt)):
            raise DatasetError(f"{pair.id} has a token outside the vocabulary of {d_vocab}")
    if not any(pair.weights and any(pair.weights) for pair in pairs):
        raise DatasetError(
            "no pair has a position, after the first, where the program's outputs for both prompts "
            "are defined: there is nothing to explain"
        )
    if not any(_differs(pair) for pair in pairs):
        raise DatasetError(
            "no pair's outputs differ between clean_out and corrupt_out: the metric is 0 whatever "
            "is ablated, and there is nothing to explain"
        )


def _differs(pair: TokenPair) -> bool:
    """Whether the metric weighs any output: where both are the same the weights cancel."""
    for place in pair.weights or ():
        total: dict[int, float] = defaultdict(float)
        for token, weight in place:
            total[token] += weight
        if any(total.values()):
            return True
    return False


def _json(file: Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    if default is not None and not os.path.lexists(file):  # a link to nothing is an error
        return default
    found = json_of(file.read_bytes())
    if not isinstance(found, dict):
        raise ModelError(f"it holds {quoted(found)}; expected an object")
    return cast("dict[str, Any]", found)


def _reference(file: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {
        method: {Edge.parse(edge).name: float(row[column]) for edge, row in file["scores"].items()}
        for column, method in enumerate(file.get("columns", ()))
    }


def _pair(
    name: str, pair: Mapping[str, Any], outputs: Outputs, vocabulary: Mapping[str, int]
) -> tuple[TokenPair, tuple[Expected, Expected]]:
    """The pair, and what the program puts out for each of its prompts."""
    required(pair, PAIR, name)
    # Tokens may be written as ids or as the vocabulary's words.
    clean, corrupt = (
        tuple(index(vocabulary[token] if isinstance(token, str) else token) for token in pair[side])
        for side in ("clean", "corrupt")
    )
    # Outputs stand for the last positions: BOS has none.
    offset = len(clean) - len(pair["clean_out"])
    if len(clean) != len(corrupt) or len(pair["corrupt_out"]) != len(pair["clean_out"]):
        raise DatasetError(
            f"{name}: clean has {len(clean)} tokens and {len(pair['clean_out'])} outputs, corrupt "
            f"{len(corrupt)} and {len(pair['corrupt_out'])}; expected equal counts"
        )
    if offset < 0:
        raise DatasetError(
            f"{name} has {len(clean)} tokens and {len(pair['clean_out'])} outputs; expected at "
            "most an output a token"
        )
    good, bad = (
        {
            offset + i: value
            for i, out in enumerate(pair[side])
            if offset + i > 0 and (value := outputs.read(out, f"{name}: {side}[{i}]")) is not None
        }
        for side in ("clean_out", "corrupt_out")
    )
    sides = Expected(clean, tuple(good.items())), Expected(corrupt, tuple(bad.items()))
    return _token_pair(name, clean, corrupt, good, bad, outputs.values is not None), sides


def _token_pair(
    name: str,
    clean: tuple[int, ...],
    corrupt: tuple[int, ...],
    good: Mapping[int, float],
    bad: Mapping[int, float],
    categorical: bool,
) -> TokenPair:
    """A pair whose `linear` metric is the sum over positions with an output for both prompts."""
    defined = [position for position in good if position in bad]
    if not defined:
        # A sum over no position is 0, and the pair still counts in the mean over pairs.
        nothing = ((),)
        return TokenPair(clean, corrupt, nothing, nothing, (len(clean) - 1,), name, name, nothing)
    # The mean over positions that metrics take becomes the sum.
    n = float(len(defined))
    return TokenPair(
        clean=clean,
        corrupt=corrupt,
        answers=tuple((int(good[place]) if categorical else 0,) for place in defined),
        wrong_answers=tuple(
            (int(bad[place]),) if categorical and good[place] != bad[place] else ()
            for place in defined
        ),
        positions=tuple(defined),
        id=name,
        group=name,
        weights=tuple(
            ((int(good[place]), n), (int(bad[place]), -n))
            if categorical
            else ((0, n * (good[place] - bad[place])),)
            for place in defined
        ),
    )
