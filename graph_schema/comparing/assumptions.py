"""What a verdict rests on, in words: the choices behind every figure.

Another study may make others, and arXiv:2605.08012 found them stated in none of forty papers.
"""

from __future__ import annotations

from graph_schema.documents import Ablation
from graph_schema.documents.protocol import Protocol

_ABLATED = {
    Ablation.CORRUPT: "the same prompt's corrupt counterpart",
    Ablation.RESAMPLE: "other discovery prompts, drawn by seed",
    Ablation.MEAN: "the mean over discovery prompts by position, the prompt itself left out",
    Ablation.ZERO: "zero",
}


def assumptions(protocol: Protocol) -> tuple[str, ...]:
    """The assumptions of a protocol, one a line."""
    ceilings = ", ".join(f"{name} {most:g}" for name, most in sorted(protocol.ceilings.items()))
    floors = ", ".join(f"{rule.name} {rule.floor:g}" for rule in protocol.edges)
    methods = ", ".join(f"{name} {version}" for name, version in sorted(protocol.methods.items()))
    on = "from member to member alone" if protocol.path == "direct" else "on whatever path"
    return (
        "Weights are frozen. In a group intervention the receivers' other inputs are as in the "
        "clean run; attention patterns and norms are computed anew.",
        f"Ablated values come from {_ABLATED[protocol.ablation.kind]} "
        f"(ablation {protocol.ablation.kind.value}).",
        f"Effects are of {protocol.metric.value}, as shares of what is lost when everything is "
        "ablated; intervals are over prompts and not over trainings.",
        f"A role is a pattern (at least {protocol.pattern:g} on every probe condition) with a "
        f"causal effect; the output role also moves the answer (at least {protocol.transduction:g} "
        f"of a full swap by the lower bound, at most {protocol.same_answer:g} by the upper where "
        "the answer stays). A head that does the same by another pattern has no role here.",
        f"A super-edge counts {on}, by floors ({floors}) and ceilings of controls ({ceilings}).",
        f"Below accuracy {protocol.accuracy:g} on some condition, or a gap of {protocol.gap:g}, "
        "a model is not tested, so the verdict says nothing of it.",
        "A family is an architecture; models of one family that share data or ancestry are not "
        "independent, and only relatives that the graph knows of are counted once.",
        f"Methods and their versions: {methods}.",
    )
