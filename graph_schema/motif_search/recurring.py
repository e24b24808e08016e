"""Patterns that recur over the stored circuits of a task: which circuits, and which models count.

Models of equal weights are one; of relatives the one counts that the others were trained on from,
else the first. Independence of models is what the search's p rests on.
"""

from __future__ import annotations

from collections.abc import Sequence

from graph_schema.comparing.relatives import counted_once, once_each
from graph_schema.documents import ModelFinding, Rung, RungFinding, RungState
from graph_schema.documents.motif_discovery import MotifDiscovery
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.motif_search.searching import MAX_SEED, circuit_graph
from graph_schema.motifs.discovery import ALPHA, DRAWS, ModelCircuits, discover
from graph_schema.motifs.places import MAX_NODES
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuit_list import CircuitFilter, CircuitSummary, list_circuits
from graph_schema.store.records.models import ancestors, stored_model

PER_MODEL = 5
"""Circuits of one model that are searched: the newest."""
MAX_PER_MODEL = 100
MAX_MODELS = 100
MAX_DRAWS = 20_000


def discover_motifs(
    store: GraphStore,
    task: str,
    *,
    models: Sequence[str] = (),
    per_model: int = PER_MODEL,
    draws: int = DRAWS,
    seed: int = 0,
    alpha: float = ALPHA,
    max_nodes: int = MAX_NODES,
) -> MotifDiscovery:
    """Which patterns of roles and channels recur over the models' circuits (docs/motifs.md).

    Args:
        store: The graph.
        task: Name or id of the task that the circuits do.
        models: Only these: names, families or first digits of fingerprints.
        per_model: The newest circuits of a model that are searched.
        draws: Deals of roles a model.
        seed: Of the deals.
        alpha: What q must reach.
        max_nodes: Of a pattern: 2 to 4.

    Raises:
        NotFoundError: There is no circuit of the task, or none of a model that was named.
        SpecError: A number makes no sense, or the circuits are of fewer than two models that count.
    """
    for what, value, most in (
        ("per_model", per_model, MAX_PER_MODEL),
        ("draws", draws, MAX_DRAWS),
    ):
        if not 1 <= value <= most:
            raise SpecError(f"{what} is {value}; expected 1 to {most:,}")
    if not 2 <= max_nodes <= MAX_NODES:
        raise SpecError(f"max_nodes is {max_nodes}; expected 2 to {MAX_NODES}")
    if not 0 < alpha < 1:
        raise SpecError(f"alpha is {alpha:g}; expected more than 0 and less than 1")
    if not 0 <= seed <= MAX_SEED:
        raise SpecError(f"seed is {seed}; expected 0 to {MAX_SEED}")
    by_model = _by_model(store, task, models)
    counting, left_out = _that_count(store, list(by_model))
    notes: list[str] = []
    if len(counting) > MAX_MODELS:
        notes.append(f"searched are {MAX_MODELS} of {len(counting)} models, the newest circuits")
        counting = counting[:MAX_MODELS]
    if len(counting) < 2:
        raise SpecError(
            f"the circuits of {task!r} are of {len(counting)} model that counts; a pattern recurs "
            "over at least two that are no relatives: discover circuits of another model first"
        )
    chosen: list[ModelCircuits] = []
    for fingerprint in counting:
        # What was found of the same weights under another name is this model's.
        same = [name for name, why in left_out.items() if why == _twin(fingerprint)]
        rows = [row for name in (fingerprint, *same) for row in by_model[name]]
        rows.sort(key=lambda row: (-row.created_at, row.circuit_id))
        if len(rows) > per_model:
            notes.append(
                f"{rows[0].model}: the newest {per_model} of {len(rows)} circuits are searched"
            )
        ids = [row.circuit_id for row in rows[:per_model]]
        graphs = {circuit_id: circuit_graph(store, circuit_id) for circuit_id in ids}
        first = by_model[fingerprint][0]
        chosen.append(ModelCircuits(fingerprint, first.model, first.family, graphs))
    return discover(
        chosen,
        task=task,
        draws=draws,
        seed=seed,
        alpha=alpha,
        max_nodes=max_nodes,
        left_out=left_out,
        notes=notes,
    )


def _by_model(
    store: GraphStore, task: str, models: Sequence[str]
) -> dict[str, list[CircuitSummary]]:
    """The task's circuits by fingerprint, the newest first."""
    found: dict[str, list[CircuitSummary]] = {}
    for model in dict.fromkeys(models) or (None,):
        rows = list_circuits(store, CircuitFilter(task=task, model=model, limit=100_000))
        if not rows:
            of = "" if model is None else f" of a model {model!r}"
            raise NotFoundError(
                f"no circuit{of} does the task {task!r}; `circuits list` shows what is stored, "
                "`circuits submit` finds one"
            )
        for row in rows:
            mine = found.setdefault(row.fingerprint, [])
            if row not in mine:
                mine.append(row)
    return found


def _twin(fingerprint: str) -> str:
    return f"has the weights of {fingerprint}"


def _that_count(store: GraphStore, fingerprints: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The models that count, and the others with the reason."""
    known = [model for each in fingerprints if (model := stored_model(store, each)) is not None]
    # Only who is whose relative is asked; the rung says nothing.
    rung = RungFinding(rung=Rung.BEHAVIOUR, state=RungState.UNTESTABLE)
    different, same = once_each(
        [
            ModelFinding(
                fingerprint=model.fingerprint,
                weights_sha256=model.weights_sha256,
                family=model.family,
                rungs=(rung,),
            )
            for model in known
        ]
    )
    derived = [(later, one) for later, all_ in ancestors(store).items() for one in all_]
    marked = counted_once(different, derived)
    left_out = {twin: _twin(model) for twin, model in same.items()}
    left_out |= {
        each.fingerprint: f"counts with its relative {each.counted_with}"
        for each in marked
        if each.counted_with is not None
    }
    return [each.fingerprint for each in marked if each.counted_with is None], left_out
