"""Compiled programs of any size that do induction, by one wiring or another, as folders.

`key`: a previous-token head writes the token before each position; the second head's keys read it.
`pointer`: a head finds the earlier copy of the token and writes that position plus one; the second
head's queries read it, its keys positions alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SHARP = 30.0
"""What a match adds to an attention score."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Twin:
    """Sizes of a twin; `first` and `second` are the real heads, the others write nothing.

    With `named_outputs` the columns of the unembedding are the program's tokens in reverse order,
    without `BOS`; else one a token, in order.
    """

    kind: Literal["key", "pointer"] = "key"
    n_tokens: int = 14
    n_ctx: int = 26
    n_heads: int = 2
    first: int = 1
    second: int = 0
    bos: bool = False
    named_outputs: bool = False
    seed: int = 0

    @property
    def names(self) -> list[str]:
        return [f"t{i}" for i in range(self.n_tokens)] + (["BOS"] if self.bos else [])

    def case(self) -> dict[str, Any]:
        """What `case.json` says, without pairs."""
        names = self.names
        values = names[: self.n_tokens][::-1] if self.named_outputs else names
        return {
            "name": self.kind,
            "config": {"n_layers": 2, "causal": True, "act": "relu"},
            "vocab": {name: i for i, name in enumerate(names)},
            "output": {"categorical": True, "values": values},
            "pairs": [],
        } | ({"bos": "BOS"} if self.bos else {})

    def arrays(self) -> Arrays:
        """The weights, in a rotated residual stream."""
        v, p, h = len(self.names), self.n_ctx, self.n_heads
        d_head = v + p
        # Tokens, positions, what the first head says (of either kind), and the answer.
        d_model = 3 * v + 2 * p
        tok, pos, said, at, out = np.cumsum([0, v, p, v, p])
        sharp = np.sqrt(SHARP * np.sqrt(d_head))
        found: Arrays = {
            "W_E": _block(v, d_model, tok, range(v)),
            "W_pos": _block(p, d_model, pos, range(p)),
            "W_U": _block(v, d_model, out, range(v)).T[:, self._columns()],
        }
        for layer in range(2):
            for part in "QKV":
                found[f"L{layer}.W_{part}"] = np.zeros((h, d_model, d_head))
            found[f"L{layer}.W_O"] = np.zeros((h, d_head, d_model))
            found[f"L{layer}.W_in"] = np.zeros((d_model, 3))
            found[f"L{layer}.W_out"] = np.zeros((3, d_model))
        q, k, value, o = (found[f"L0.W_{part}"][self.first] for part in "QKVO")
        if self.kind == "key":
            for i in range(p):
                q[pos + i, i] = sharp
                if i + 1 < p:
                    k[pos + i, i + 1] = sharp
            for t in range(v):
                value[tok + t, t] = o[t, said + t] = 1
        else:
            for t in range(v):
                q[tok + t, t] = k[tok + t, t] = sharp
            for i in range(p):
                # Not itself: it is no earlier copy.
                q[pos + i, v + i], k[pos + i, v + i] = 2 * sharp, -2 * sharp
                if i + 1 < p:
                    value[pos + i, v + i + 1] = o[v + i + 1, at + i + 1] = 1
        q, k, value, o = (found[f"L1.W_{part}"][self.second] for part in "QKVO")
        for t in range(v):
            value[tok + t, t] = o[t, out + t] = 1
            if self.kind == "key":
                q[tok + t, t] = k[said + t, t] = sharp
                k[pos, t] = -2 * sharp  # the first position has no token before it
        if self.kind == "pointer":
            for i in range(p):
                q[at + i, i] = 2 * sharp
                k[pos + i, i] = sharp
        return {name: _rotated(name, each, d_model, self.seed) for name, each in found.items()}

    def _columns(self) -> list[int]:
        return (
            list(range(self.n_tokens))[::-1] if self.named_outputs else list(range(len(self.names)))
        )

    def write(self, folder: Path, **case: Any) -> Path:
        """The folder; `case` replaces keys of `case.json`."""
        folder.mkdir(parents=True)
        (folder / "case.json").write_text(json.dumps(self.case() | case))
        np.savez_compressed(folder / "weights.npz", allow_pickle=False, **self.arrays())
        return folder


def _block(rows: int, d_model: int, start: int, columns: range) -> NDArray[Any]:
    made = np.zeros((rows, d_model))
    made[np.arange(rows), start + np.array(columns)] = 1
    return made


def _rotated(name: str, value: NDArray[Any], d_model: int, seed: int) -> NDArray[Any]:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d_model, d_model)))
    part = name.rpartition(".")[2]
    into = part in ("W_E", "W_pos", "W_O", "W_out")
    turned = value @ turn if into else np.moveaxis(np.moveaxis(value, -2, -1) @ turn, -1, -2)
    return turned.astype(np.float32)
