"""`trace`: the attribution graph of one prompt."""

from __future__ import annotations

from typing import Annotated

import typer

from graph_schema.errors import SpecError
from workers.cli.command_line import command
from workers.cli.following import here_or_submitted
from workers.cli.options import (
    BOS,
    DTYPE,
    AsJson,
    Device,
    Force,
    Here,
    Memory,
    Model,
    Priority,
    Revision,
    Wait,
    real,
    whole,
)


@command(
    'circuits trace --model ./my-model --prompt "The capital of France is" --wait',
    'circuits trace --model openai-community/gpt2 --prompt "1 + 1 =" --target " 2" --heads --wait',
    "circuits trace --model ./my-model --tokens 5,17,3 --exact-top 50 --here",
)
def trace(
    model: Model,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="What is traced.")] = None,
    tokens: Annotated[
        str | None, typer.Option(metavar="IDS", help="Or token ids, with commas between.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "--targets",
            metavar="TEXT",
            help="A token whose logit is a node, its blank before it; repeatable (the likeliest).",
        ),
    ] = None,
    target_token: Annotated[
        list[int] | None,
        typer.Option(parser=whole, metavar="ID", help="Or its id; repeatable."),
    ] = None,
    dictionary: Annotated[
        list[str] | None,
        typer.Option(
            "--dictionary",
            "--dictionaries",
            metavar="SOURCE",
            help="A transcoder's or MLP-output SAE's folder or hub path, in place of every MLP's "
            "neurons (the default, neurons); repeatable.",
        ),
    ] = None,
    heads: Annotated[
        bool, typer.Option("--heads", help="Attention heads are nodes, with q, k and v inputs.")
    ] = False,
    exact_top: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="K", help="Test the K strongest edges by intervention."),
    ] = None,
    nodes: Annotated[
        int,
        typer.Option(parser=whole, metavar="N", help="Units that become nodes, by influence."),
    ] = 3000,
    edges: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Edges that are kept at most.")
    ] = 20_000,
    logits: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Logits that are nodes at most.")
    ] = 10,
    logit_prob: Annotated[
        float, typer.Option(parser=real, metavar="P", help="The probability that they hold.")
    ] = 0.95,
    node_threshold: Annotated[
        float,
        typer.Option(parser=real, metavar="SHARE", help="Influence that kept nodes hold."),
    ] = 0.8,
    edge_threshold: Annotated[
        float, typer.Option(parser=real, metavar="SHARE", help="Of it, what kept edges carry.")
    ] = 0.98,
    skip_positions: Annotated[
        int,
        typer.Option(
            parser=whole, metavar="N", help="Positions at the start where no unit is a node."
        ),
    ] = 1,
    bos: Annotated[bool | None, BOS] = None,
    revision: Revision = None,
    dtype: Annotated[str, DTYPE] = "float32",
    device: Device = "cpu",
    memory: Memory = None,
    priority: Priority = 5,
    here: Here = False,
    force: Force = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Trace one prompt: which units made the model say what it says.

    An attribution graph of neurons or features at positions, tokens and logits, linear with norms
    and attention held, pruned by influence. It is stored as a circuit.
    """
    from workers.requests.trace import NEURONS, TraceRequest

    request = TraceRequest(
        model=model,
        prompt=_prompt(prompt, tokens),
        revision=revision,
        targets=(*(target or ()), *(target_token or ())),
        dictionaries=tuple(dictionary) if dictionary else NEURONS,
        add_bos=bos,
        heads=heads,
        max_feature_nodes=nodes,
        max_edges=edges,
        max_n_logits=logits,
        desired_logit_prob=logit_prob,
        node_threshold=node_threshold,
        edge_threshold=edge_threshold,
        skip_positions=skip_positions,
        exact_top=exact_top,
        dtype=dtype,
        device=device,
        memory=memory,
        priority=priority,
    )
    here_or_submitted(
        lambda client: client.trace_asked(request),
        lambda client: client.trace_request(request, force=force),
        here=here,
        force=force,
        wait=wait,
        as_json=as_json,
    )


def _prompt(text: str | None, tokens: str | None) -> str | tuple[int, ...]:
    if (text is None) == (tokens is None):
        raise SpecError(
            "give exactly one of --prompt TEXT and --tokens IDS; "
            f"{'neither was' if text is None else 'both were'} given"
        )
    if tokens is None:
        assert text is not None, "one of the two is given"
        return text
    parts = [part.strip() for part in tokens.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit()):
            raise SpecError(f"--tokens holds {part!r}; expected token ids with commas between")
    return tuple(map(int, parts))
