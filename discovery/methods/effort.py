"""How often methods run a model, as a plan must know it."""

from __future__ import annotations

PENALTIES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.85)
"""Factors of an edge's score for each circuit that has it: each makes one more to be tried."""
UNIT_STEPS = 16
"""Points of the path along which units are scored."""
