"""The options that ask for a circuit: of `submit`, `run` and `plan`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli import suggestions
from workers.cli.options import (
    ABLATION,
    ANSWERS,
    BOS,
    DRAWS,
    DTYPE,
    HELDOUT,
    MISFITS,
    PAIRS,
    SEED,
    TASK,
    Chunk,
    Device,
    Label,
    Memory,
    Model,
    OwnPairs,
    Priority,
    Revision,
    TaskParams,
    assignments,
    real,
    whole,
)
from workers.requests.names import METHODS

if TYPE_CHECKING:
    from workers.requests.discover import DiscoverRequest


def discover_request(
    model: Model,
    revision: Revision = None,
    task: Annotated[str | None, TASK] = None,
    task_param: TaskParams = None,
    pairs: Annotated[int | None, PAIRS] = None,
    dataset: OwnPairs = None,
    heldout: Annotated[str | None, HELDOUT] = None,
    label: Label = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"{', '.join(METHODS)} (eap-ig; of features: two-leg).",
            autocompletion=suggestions.methods,
        ),
    ] = None,
    granularity: Annotated[
        str, typer.Option(metavar="WHAT", help="Nodes are heads and MLPs, or neuron, dictionary.")
    ] = "head",
    dictionary: Annotated[
        list[str] | None,
        typer.Option(
            "--dictionary",
            "--dictionaries",
            metavar="SOURCE",
            help="An SAE's or transcoder's folder or hub path, ?hook=… where its files do not say; "
            "repeatable.",
        ),
    ] = None,
    units: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="N", help="Neurons or features that are nodes (256)."),
    ] = None,
    units_per: Annotated[
        str | None, typer.Option(metavar="WHAT", help="N of all together, or of each layer.")
    ] = None,
    units_by: Annotated[
        str | None,
        typer.Option(metavar="SCORE", help="What chooses them: ig, relp or gradient."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="N", help="Steps of eap-ig (5) or mask-ig (64)."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="END", help="Which end of eap-ig's path is left in: corrupt or clean."
        ),
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="What eap-ig's paths move: inputs, or each layer's activations in turn (slow).",
        ),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="N", help="acdc decides the N most promising edges."),
    ] = None,
    proposed_by: Annotated[
        str | None, typer.Option(metavar="NAME", help="What proposes them: an estimate's name.")
    ] = None,
    edges: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="Keep the best N, less dead ends.")
    ] = None,
    threshold: Annotated[
        list[float] | None,
        typer.Option(
            parser=real,
            metavar="X",
            help="Or keep the edges that score at least this; given twice, a circuit each.",
        ),
    ] = None,
    by: Annotated[
        str, typer.Option(metavar="RANK", help="Rank edges by abs or signed score.")
    ] = "abs",
    receivers: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="Patch every query_head alone, or keys and values of a whole kv_group.",
        ),
    ] = "query_head",
    exact_top: Annotated[
        int | None,
        typer.Option(
            parser=whole, metavar="K", help="Test the best K edges of an estimate exactly."
        ),
    ] = None,
    keep_pair_scores: Annotated[
        bool, typer.Option("--keep-pair-scores", help="Store every edge's score on every pair.")
    ] = False,
    alternatives: Annotated[
        int,
        typer.Option(
            parser=whole,
            metavar="N",
            help="Find N circuits, each as unlike those before as stays as faithful (1).",
        ),
    ] = 1,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="logit_diff (default; greater_than: prob_diff), prob_diff, answer_logit, "
            "answer_prob, kl or linear.",
        ),
    ] = None,
    ablation: Annotated[str, ABLATION] = "corrupt",
    draws: Annotated[int, DRAWS] = 1,
    bos: Annotated[bool | None, BOS] = None,
    answers: Annotated[str, ANSWERS] = "single",
    misfits: Annotated[str, MISFITS] = "refuse",
    evaluation: Annotated[str, typer.Option(metavar="PRESET", help="quick or full.")] = "quick",
    seed: Annotated[int, SEED] = 0,
    dtype: Annotated[str, DTYPE] = "float32",
    device: Device = "cpu",
    memory: Memory = None,
    chunk: Chunk = None,
    priority: Priority = 5,
    shards: Annotated[
        int,
        typer.Option(
            parser=whole,
            metavar="N",
            help="Score the edges in N parts of the pairs, each by any worker; not acdc.",
        ),
    ] = 1,
) -> DiscoverRequest:
    """What the options ask for."""
    from workers.requests.discover import DiscoverRequest

    given = {
        "steps": steps,
        "endpoint": endpoint,
        "over": over,
        "candidates": candidates,
        "proposed_by": proposed_by,
    }
    chosen = {"n": units, "per": units_per, "by": units_by}
    return DiscoverRequest(
        model=model,
        revision=revision,
        task=task,
        task_params=assignments(task_param or [], "--task-param"),
        dataset=dataset,
        heldout=heldout,
        label=label,
        pairs=pairs,
        method=method,
        method_params={key: value for key, value in given.items() if value is not None},
        granularity=granularity,
        dictionaries=tuple(dictionary or ()),
        candidates={key: value for key, value in chosen.items() if value is not None} or None,
        n_edges=edges,
        threshold=threshold[0] if threshold and len(threshold) == 1 else threshold or None,
        by=by,
        metric=metric,
        ablation=ablation,
        draws=draws,
        add_bos=bos,
        answers=answers,
        misfits=misfits,
        receivers=receivers,
        exact_top=exact_top,
        keep_pair_scores=keep_pair_scores,
        alternatives=alternatives,
        evaluation=evaluation,
        dtype=dtype,
        seed=seed,
        device=device,
        memory=memory,
        chunk=chunk,
        priority=priority,
        shards=shards,
    )


def asks_for_a_circuit(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command(request, …)` the options of `discover_request` in place of `request`."""
    # The request itself is not looked at: its module is loaded when there is something to ask.
    unread = {"DiscoverRequest": object}
    asked = inspect.signature(discover_request, eval_str=True, locals=unread).parameters
    _, *own = inspect.signature(command, eval_str=True, locals=unread).parameters.values()
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in (*asked.values(), *own)
    ]

    @functools.wraps(command)
    def with_options(**values: Any) -> None:
        request = discover_request(**{name: values.pop(name) for name in asked})
        command(request, **values)

    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {item.name: item.annotation for item in parameters}
    return with_options
