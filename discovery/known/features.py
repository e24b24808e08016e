"""Truths between features: which named residual directions of a compiled program matter to which.

A file names *nodes*, a component and a direction (`labels[index]`) that it writes, and the *edges*
between them that the weights make, with what each is found to do. The dictionary is the identity
basis: a unit of a component is a coordinate of its write, so its direction is the direction's own,
and nothing is missed. Every node is a sender; heads' nodes read on q, k and v, MLPs' and the logits
on one channel. The candidates are all edges between nodes, forwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from discovery.dictionaries import CoordinateBasis
from discovery.engine.forward import graph_of
from discovery.engine.splice import Splice
from discovery.known.ground_truth import Case, load_case
from discovery.models.compiled import CompiledAdapter
from graph_schema.documents import Ablation, Channel, Component, ComponentKind, receiver_name
from graph_schema.errors import ModelError, SpecError
from graph_schema.exchange.base import json_of
from graph_schema.models.compiled.names import MALFORMED, required
from graph_schema.printable import quoted

FILE = ("labels", "nodes", "edges")
NODE = ("id", "component", "index")
EDGE = ("sender", "receiver", "channel")
TRUTHS = {Ablation.CORRUPT: "resample", Ablation.ZERO: "zero"}
"""What a file calls the ablation that an effect is under."""
TOLERANCE = 1e-4
"""The change of an output from which a file counts an edge as active, unless it says another."""


@dataclass(frozen=True)
class FeatureCase:
    """A compiled program whose edges between features are known.

    Attributes:
        name: The file's, without `.json`.
        case: The program and its pairs.
        splices: Each component's coordinates that are nodes.
        candidates: Names of all edges between nodes.
        rule: Those that the file has: all that the weights make.
        minimal: By ablation, those of the file's greedy circuit, where it has one.
        effects: By ablation, the largest change of an output that each edge makes, by its name.
    """

    name: str
    case: Case
    splices: tuple[Splice, ...]
    candidates: frozenset[str]
    rule: frozenset[str]
    minimal: Mapping[Ablation, frozenset[str]]
    effects: Mapping[Ablation, Mapping[str, float]]
    tolerance: float = TOLERANCE


def feature_files(folder: Path) -> list[Path]:
    """The feature truths of a folder that holds `compiled/` and `features/`, by name.

    Raises:
        SpecError: It has no such folders, or no file.
    """
    if not folder.is_dir():
        raise SpecError(f"{str(folder)!r} is not a folder; expected one with compiled/, features/")
    for part in ("compiled", "features"):
        if not (folder / part).is_dir():
            raise SpecError(
                f"{str(folder)!r} has no folder {part!r}; at level 'feature' expected compiled/ "
                "with the programs and features/ with a file of edges for each"
            )
    found = sorted((folder / "features").glob("*.json"))
    if not found:
        raise SpecError(f"no .json file in {str(folder / 'features')!r}; expected one a program")
    return found


def read_feature_case(file: Path, *, dtype: torch.dtype = torch.float64) -> FeatureCase:
    """A file of feature truths with its program, which lies in `../compiled/CASE`.

    CASE is what the file calls `case`, or its own name.

    Raises:
        ModelError: A file is missing, or not what it should be.
        SpecError: A node or an edge is none of the program's.
    """
    try:
        read: Any = json_of(file.read_bytes())
        if not isinstance(read, dict):
            raise ModelError(f"it holds {quoted(read)}; expected an object")
        found = cast("dict[str, Any]", read)
        required(found, FILE, "the file")
        named = str(found.get("case", file.stem))
        folder = file.parent.parent / "compiled" / named
        if Path(named).name != named or not folder.is_dir():
            raise ModelError(f"its program {quoted(named)} is not in {str(folder.parent)!r}")
        case = load_case(folder, dtype=dtype)
        return _read(file.stem, found, case)
    except SpecError as error:
        raise type(error)(f"feature file {str(file)!r}: {error}") from error
    except MALFORMED as error:
        raise ModelError(
            f"feature file {str(file)!r} cannot be read ({type(error).__name__}: {error}); "
            "expected labels, nodes with component and index, and edges between nodes"
        ) from error


def _read(name: str, found: Mapping[str, Any], case: Case) -> FeatureCase:
    adapter, nodes = case.adapter, _nodes(found, case.adapter)
    units = defaultdict[str, set[int]](set)
    for component, index in nodes.values():
        if component != "logits":
            units[component].add(index)
    d_model, dtype, device = adapter.shape.d_model, adapter.dtype, adapter.device
    splices = tuple(
        Splice(CoordinateBasis(component, d_model, dtype, device), tuple(sorted(mine)))
        for component, mine in units.items()
    )
    candidates = _candidates(units, adapter)
    truths: dict[Ablation, set[str]] = {kind: set() for kind in TRUTHS}
    effects: dict[Ablation, dict[str, float]] = {kind: {} for kind in TRUTHS}
    rule = set[str]()
    for edge in found["edges"]:
        required(edge, EDGE, "an edge")
        edge_name = _edge_name(edge, nodes)
        if edge_name not in candidates:
            raise SpecError(
                f"edge {edge_name} runs backwards, or its channel is not the receiver's"
            )
        rule.add(edge_name)
        for kind, key in TRUTHS.items():
            if (said := edge.get(key)) is None:
                continue
            effects[kind][edge_name] = float(said["max_d_logit"])
            if said["minimal"]:
                truths[kind].add(edge_name)
    return FeatureCase(
        name,
        case,
        splices,
        candidates,
        frozenset(rule),
        {kind: frozenset(truth) for kind, truth in truths.items() if effects[kind]},
        effects,
        float(found.get("tolerance", TOLERANCE)),
    )


def _nodes(found: Mapping[str, Any], adapter: CompiledAdapter) -> dict[str, tuple[str, int]]:
    """Each node's component and coordinate, by its id."""
    nodes: dict[str, tuple[str, int]] = {}
    senders, labels = graph_of(adapter).sender_names, found["labels"]
    if len(labels) > adapter.shape.d_model:
        raise ModelError(f"it has {len(labels)} labels, and the stream {adapter.shape.d_model}")
    for node in found["nodes"]:
        if node.get("component") == "logits":
            nodes[str(node["id"])] = ("logits", -1)
            continue
        required(node, NODE, "a node")
        component, index = str(node["component"]), node["index"]
        if component not in senders:
            raise SpecError(f"node {quoted(node['id'])}: {quoted(component)} is no sender here")
        if not isinstance(index, int) or not 0 <= index < adapter.shape.d_model:
            raise SpecError(
                f"node {quoted(node['id'])} has index {quoted(index)}; expected 0 to "
                f"{adapter.shape.d_model - 1}, a coordinate of the stream"
            )
        if str(node["id"]) in nodes:
            raise SpecError(f"node {quoted(node['id'])} is there twice")
        nodes[str(node["id"])] = (component, index)
    return nodes


def _candidates(units: Mapping[str, set[int]], adapter: CompiledAdapter) -> frozenset[str]:
    """Every edge from a node to a later component's node, and to the logits."""
    n_layers, found = adapter.shape.n_layers, list[str]()
    order = {name: Component.parse(name).order(n_layers) for name in units}
    for sender, mine in units.items():
        senders = [f"{sender}.f{index}" for index in mine]
        found += [f"{each}->logits" for each in senders]
        for receiver, theirs in units.items():
            part = Component.parse(receiver)
            if part.layer is None or order[sender] >= order[receiver]:
                continue
            head = part.kind is ComponentKind.HEAD
            for channel in (Channel.Q, Channel.K, Channel.V) if head else (Channel.R,):
                found += [
                    f"{each}->{receiver_name(f'{receiver}.f{index}', channel)}"
                    for each in senders
                    for index in theirs
                ]
    return frozenset(found)


def _edge_name(edge: Mapping[str, Any], nodes: Mapping[str, tuple[str, int]]) -> str:
    for end in ("sender", "receiver"):
        if edge[end] not in nodes:
            raise SpecError(f"edge from {quoted(edge['sender'])}: {quoted(edge[end])} is no node")
    (sender, unit), (receiver, into) = nodes[edge["sender"]], nodes[edge["receiver"]]
    target = receiver if receiver == "logits" else f"{receiver}.f{into}"
    channel = Channel(edge["channel"] or "r")
    return f"{sender}.f{unit}->{receiver_name(target, channel)}"
