"""How much the engine computes at once: what decides its memory, and so what a plan must know."""

from __future__ import annotations

LOGITS = 5
"""Tensors as large as an example's logits that measuring it takes at once."""
ROWS = 256
"""Rows of the final residual stream that a processor unembeds together.

One thread multiplies 32 rows with GPT-2's 50,257 columns in 39 ms, 64 in 45, 128 in 72, 256 in 124:
a product of few rows takes as long as fetching the weights does.
"""
