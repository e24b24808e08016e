"""Components cut into units: which of them are nodes, and what is known of each before edges are.

Neurons are the model's own; dictionaries are given, loaded. All of their units are scored together
(methods/node_scores.py), the best become candidates, and the rest of each component write together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.dictionaries import Dictionary, Loaded, NeuronBasis, check, rows_at
from discovery.engine.experiment import Experiment, pad
from discovery.engine.splice import Splice
from discovery.methods.candidates import choose
from discovery.methods.node_scores import unit_scores
from discovery.models import ModelAdapter
from discovery.progress import Report
from discovery.tasks.base import TokenPair
from graph_schema.documents import (
    CircuitDocument,
    Component,
    DictionaryCheck,
    NodeFigures,
    head_name,
)
from graph_schema.documents.jobs import DiscoverSpec, TraceSpec
from graph_schema.errors import DictionaryError, NumericsError

CHECKED_PROMPTS = 64
ROUNDING = {"float64": 1e-8, "float32": 1e-3, "bfloat16": 0.1, "float16": 0.1}
"""How far a spliced model's mean loss may lie from the model's own, times (1 + its size)."""


@dataclass(frozen=True)
class Cut:
    """What a job's components are cut into.

    Attributes:
        splices: One a dictionary, with its candidates.
        effects: What ablating each unit and head alone does, to first order; by name.
        activations: The mean |coefficient| of each candidate on the clean prompts.
        notes: What a reader would otherwise trip over.
    """

    splices: tuple[Splice, ...] = ()
    effects: Mapping[str, float] = field(default_factory=dict[str, float])
    activations: Mapping[str, float] = field(default_factory=dict[str, float])
    checks: tuple[DictionaryCheck, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """The names of all candidates, whether or not an edge of theirs is looked at."""
        return tuple(name for each in self.splices for name in each.split.parts[: len(each.units)])

    def figures(self, names: Iterable[str]) -> tuple[NodeFigures, ...]:
        """What is known of these nodes; of those nothing is known of, nothing."""
        return tuple(
            NodeFigures(name=name, effect=self.effects[name], activation=self.activations.get(name))
            for name in names
            if name in self.effects
        )


def dictionaries_for(
    asked: DiscoverSpec | CircuitDocument | TraceSpec,
    adapter: ModelAdapter,
    loaded: Sequence[Loaded],
) -> list[Dictionary]:
    """What cuts the model's components.

    Raises:
        DictionaryError: What was loaded is not what was asked for.
    """
    if asked.granularity == "neuron":
        return [NeuronBasis(adapter, layer) for layer in range(adapter.shape.n_layers)]
    found = {each.document.dictionary_id: each for each in loaded}
    for wanted in asked.dictionaries:
        if wanted.dictionary_id not in found:
            raise DictionaryError(
                f"{wanted.words} is not what lies at its source now: it was replaced since the job "
                "was submitted; submit it again"
            )
    return [found[wanted.dictionary_id].dictionary for wanted in asked.dictionaries]


def checked(
    adapter: ModelAdapter, loaded: Sequence[Loaded], prompts: Sequence[Sequence[int]]
) -> tuple[DictionaryCheck, ...]:
    """What the dictionaries make of these prompts."""
    sites = [each.document.site for each in loaded]
    return check(loaded, rows_at(adapter, pad(adapter, prompts), sites)) if loaded else ()


def splices_of(
    circuit: CircuitDocument,
    nodes: Iterable[str],
    adapter: ModelAdapter,
    loaded: Sequence[Loaded],
) -> tuple[Splice, ...]:
    """A stored circuit's components cut as its job cut them; none where its nodes are whole.

    Args:
        nodes: Names of all units that were candidates, whatever else is named beside them. Where
            there are none, candidates are what the circuit itself names.

    Raises:
        DictionaryError: A dictionary is not the circuit's.
    """
    if circuit.granularity == "head":
        return ()
    names = set(nodes) or set(circuit.node_names)
    units: dict[str, set[int]] = {}
    for part in map(Component.parse, names):
        if part.fine and part.index is not None:
            units.setdefault(part.host, set()).add(part.index)
    return tuple(
        Splice(each, tuple(sorted(units.get(each.document.site.words, ()))))
        for each in dictionaries_for(circuit, adapter, loaded)
    )


def cut(
    spec: DiscoverSpec,
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    loaded: Sequence[Loaded],
    *,
    chunk: int | None,
    report: Callable[[str], Report],
) -> Cut:
    """Choose the units that become nodes, on the discovery pairs.

    Args:
        experiment: Of whole components.
        loaded: The spec's dictionaries; none for neurons.
        report: Gives the callback of a stage; here "dictionaries" and "units".

    Raises:
        DictionaryError: A dictionary is not the spec's.
        NonFiniteError: A score is NaN or infinite.
    """
    assert spec.candidates is not None, "a spec that cuts has candidates"
    asked, adapter = spec.candidates, experiment.adapter
    dictionaries = dictionaries_for(spec, adapter, loaded)
    if loaded:
        report("dictionaries")(0, 1)
    checks = checked(adapter, loaded, [pair.clean for pair in pairs[:CHECKED_PROMPTS]])
    scores = unit_scores(
        experiment, dictionaries, pairs, by=asked.by, chunk=chunk, progress=report("units")
    )
    chosen = choose(scores.units, asked.n, asked.per)
    splices = tuple(
        Splice(dictionary, units) for dictionary, units in zip(dictionaries, chosen, strict=True)
    )
    width = sum(each.document.width for each in dictionaries)
    n_chosen = sum(map(len, chosen))
    notes = [
        f"{n_chosen:,} of {width:,} units are nodes of their own, chosen by {asked.by}; what the "
        "others write together is rest"
        + (", what dictionaries miss is error" if spec.granularity == "dictionary" else "")
    ]
    notes += [each.warning for each in checks if each.warning is not None]
    heads = {
        head_name(layer, head): float(value)
        for (layer, head), value in np.ndenumerate(scores.heads)
    }
    effects = heads | _by_name(splices, scores.units)
    return Cut(splices, effects, _by_name(splices, scores.activity), checks, tuple(notes))


def _by_name(splices: Sequence[Splice], values: Sequence[NDArray[Any]]) -> dict[str, float]:
    """Of the values of each dictionary's units, those of its candidates."""
    return {
        name: float(own[unit])
        for splice, own in zip(splices, values, strict=True)
        for name, unit in zip(splice.split.parts, splice.units, strict=False)
    }


def require_unchanged(whole: float, spliced: float, dtype: str) -> None:
    """Refuse to go on where the spliced model is another one.

    Args:
        whole: The model's mean loss.
        spliced: The same with every part kept.

    Raises:
        NumericsError: They differ by more than rounding.
    """
    if abs(whole - spliced) > ROUNDING[dtype] * (1 + abs(whole)):
        raise NumericsError(
            f"with its components cut the model's loss is {spliced:.6g}, and {whole:.6g} without; "
            "parts must sum to what they are parts of. Please report this with the model's name"
        )
