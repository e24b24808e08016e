"""Compiled cases: a model, its pairs, and the circuits that are true of it by construction.

A case is a folder with `weights.npz`, `case.json` and, where known, `edges.json` and
`eap_reference.json`. The metric of a case is `linear` and a *sum* over the positions where the
program defines an output: the logit of the clean answer minus that of the corrupt one, or for a
numerical program output times (clean - corrupt). A pair without such a position has metric 0.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from discovery.engine.forward import graph_of, run
from discovery.models.compiled import CompiledAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import Edge
from graph_schema.errors import DatasetError, ModelError, SpecError

MALFORMED = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    RecursionError,  # lists in lists in lists
)
"""What taking values out of JSON raises where others are there than a case has."""

TRUTHS = ("static_interpbench", "weights_nonzero", "resample_", "zero_")


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
    with _reading(folder / "case.json", "config, vocab, output and pairs"):
        case = _json(folder / "case.json")
        config = Config.model_validate(case["config"]).model_dump()
        pairs = tuple(
            _pair(f"pair-{number}", pair, case["output"], case["vocab"])
            for number, pair in enumerate(case["pairs"])
        )
    adapter = CompiledAdapter(_weights(folder / "weights.npz"), config, dtype=dtype, device=device)
    _check(adapter, pairs)
    with _reading(folder / "edges.json", "lists of edges by truth"):
        edges = _json(folder / "edges.json", {})
        truths = {
            name: frozenset(Edge.parse(edge).name for edge in found)
            for name, found in edges.items()
            if name.startswith(TRUTHS) and isinstance(found, list)
        }
    with _reading(folder / "eap_reference.json", "columns, and scores: a row an edge"):
        reference = _reference(_json(folder / "eap_reference.json", {}))
    return Case(folder.name, adapter, pairs, truths, reference)


class Config(BaseModel):
    """Of a case's configuration what the weights do not say."""

    model_config = ConfigDict(strict=True)

    n_layers: Annotated[int, Field(ge=1)]
    act: str = "relu"
    causal: bool = False


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


def _weights(file: Path) -> dict[str, NDArray[Any]]:
    # A damaged file ends in nearly any of Python's errors.
    with (
        _reading(file, "an array a weight", Exception),
        file.open("rb") as data,
        np.load(data, allow_pickle=False) as arrays,
    ):
        return {name: arrays[name] for name in arrays.files}


def _check(adapter: CompiledAdapter, pairs: Sequence[TokenPair]) -> None:
    if not pairs:
        raise DatasetError("the case has no pairs; expected some in case.json")
    try:
        batch = adapter.batch(torch.tensor([[0]]), None)
        adapter.logits(run(adapter, graph_of(adapter), batch, adapter.dtype).resid)
    except (RuntimeError, IndexError) as error:
        raise ModelError(f"the weights do not fit together: {error}") from error
    longest, d_vocab = adapter.n_ctx, adapter.shape.d_vocab
    for pair in pairs:
        if not 1 <= len(pair.clean) <= longest:
            raise DatasetError(
                f"{pair.id} has {len(pair.clean)} tokens; expected 1 to {longest}, the rows of "
                "W_pos"
            )
        if not all(0 <= token < d_vocab for token in (*pair.clean, *pair.corrupt)):
            raise DatasetError(f"{pair.id} has a token outside the vocabulary of {d_vocab}")
        outputs = [token for place in pair.weights or () for token, _ in place]
        if not all(token < adapter.d_out for token in outputs):
            raise DatasetError(f"{pair.id} has an output without a column in W_U ({adapter.d_out})")


def _json(file: Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    if default is not None and not os.path.lexists(file):  # a link to nothing is an error
        return default
    return json.loads(file.read_text())


def _reference(file: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {
        method: {Edge.parse(edge).name: float(row[column]) for edge, row in file["scores"].items()}
        for column, method in enumerate(file.get("columns", ()))
    }


def _pair(
    name: str, pair: Mapping[str, Any], output: Mapping[str, Any], vocabulary: Mapping[str, int]
) -> TokenPair:
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
    values = output.get("values") if output["categorical"] else None
    places = [
        (offset + i, _read(good, values), _read(bad, values))
        for i, (good, bad) in enumerate(zip(pair["clean_out"], pair["corrupt_out"], strict=True))
    ]
    defined = [
        (position, good, bad)
        for position, good, bad in places
        if position > 0 and good is not None and bad is not None
    ]
    if not defined:
        # A sum over no position is 0, and the pair still counts in the mean over pairs.
        nothing = ((),)
        return TokenPair(clean, corrupt, nothing, nothing, (len(clean) - 1,), name, name, nothing)
    # The mean over positions that metrics take becomes the sum.
    n = float(len(defined))
    weights = tuple(
        ((int(good), n), (int(bad), -n)) if values is not None else ((0, n * (good - bad)),)
        for _, good, bad in defined
    )
    return TokenPair(
        clean=clean,
        corrupt=corrupt,
        answers=tuple((int(good) if values is not None else 0,) for _, good, _ in defined),
        wrong_answers=tuple(
            (int(bad),) if values is not None and good != bad else () for _, good, bad in defined
        ),
        positions=tuple(position for position, _, _ in defined),
        id=name,
        group=name,
        weights=weights,
    )


def _read(out: Any, values: Sequence[Any] | None) -> float | None:
    """An output's column, or the number itself; None where the program leaves it open."""
    if values is None:
        return None if out is None else float(out)
    # JSON's false is not its 0.
    alike = [i for i, value in enumerate(values) if type(value) is type(out) and value == out]
    equal = [i for i, value in enumerate(values) if value == out]
    return float((alike or equal)[0]) if equal else None
