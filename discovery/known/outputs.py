"""Whether a compiled model computes what its case says that the program puts out.

A truth is about a program; of a model that computes another thing it says nothing, and a method
judged by it would rank at chance. So the model runs on every prompt of a case, clean and corrupt,
and its outputs are held to the case's. A trained model may miss some, a compiled one misses none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from discovery.engine.forward import graph_of, run
from discovery.models.compiled import CompiledAdapter
from graph_schema.errors import ModelError
from graph_schema.printable import quoted

COMPUTED = 0.95
"""The share of a case's outputs that the model must compute."""
CLOSE = 0.05
"""How far from a numerical output the model's may be, as a share of the range of all outputs."""
CHUNK = 64


@dataclass(frozen=True)
class Expected:
    """What the program puts out for a prompt: (position, column or number) where it is defined."""

    tokens: tuple[int, ...]
    outputs: tuple[tuple[int, float], ...]


def check_computed(
    adapter: CompiledAdapter, expected: Iterable[Expected], categorical: bool
) -> None:
    """Hold the model's outputs to those that a case says.

    A value is computed where its column has the largest logit, a number where the output is within
    `CLOSE` of the range of all.

    Raises:
        ModelError: Fewer than `COMPUTED` of them are; says how many, and one that is not.
    """
    by_length: dict[int, list[Expected]] = defaultdict(list)
    for each in expected:
        if each.outputs:
            by_length[len(each.tokens)].append(each)
    given = [value for group in by_length.values() for each in group for _, value in each.outputs]
    within = CLOSE * (np.ptp(given) or 1.0)
    n_right, wrong = 0, ""
    for group in by_length.values():
        for start in range(0, len(group), CHUNK):
            part = group[start : start + CHUNK]
            for each, logits in zip(part, _logits(adapter, part), strict=True):
                for position, value in each.outputs:
                    row = logits[position]
                    found = int(row.argmax()) if categorical else float(row[0])
                    right = found == int(value) if categorical else abs(found - value) <= within
                    n_right += right
                    if not right and not wrong:
                        wrong = (
                            f"after {quoted(list(each.tokens[: position + 1]))} it is "
                            f"{'column ' if categorical else ''}{found:g}, not {value:g}"
                        )
    if n_right < COMPUTED * len(given):
        raise ModelError(
            f"the model computes {n_right:,} of the {len(given):,} outputs that the case says "
            f"({wrong}); expected at least {COMPUTED:.0%}: check clean_out, corrupt_out, the order "
            "of output.values, and act and causal in config"
        )


@torch.no_grad()
def _logits(adapter: CompiledAdapter, prompts: Sequence[Expected]) -> torch.Tensor:
    """[prompt, position, output], for prompts of one length."""
    batch = adapter.batch(torch.tensor([each.tokens for each in prompts]), None)
    return adapter.logits(run(adapter, graph_of(adapter), batch, adapter.dtype).resid).cpu()
