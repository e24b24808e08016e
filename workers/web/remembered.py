"""The circuits that pages drew last: a page, its picture and its script ask for the same one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from graph_schema.reports.drawn_circuit import DrawnCircuit

KEPT = 8
"""Drawn circuits that are remembered: what is stored of edges never changes."""


class Remembered:
    """The circuits drawn last, by id; several threads may ask."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, DrawnCircuit] = OrderedDict()
        self._guard = threading.Lock()
        self._making = threading.Lock()

    def get(self, circuit_id: str, make: Callable[[], DrawnCircuit]) -> DrawnCircuit:
        """The drawn circuit with this id; made where it is not remembered."""
        if (found := self._there(circuit_id)) is not None:
            return found
        with self._making:  # a page asks for its drawing while the page itself is still made
            if (found := self._there(circuit_id)) is not None:
                return found
            made = make()
            with self._guard:
                self._found[circuit_id] = made
                while len(self._found) > KEPT:
                    self._found.popitem(last=False)
            return made

    def _there(self, circuit_id: str) -> DrawnCircuit | None:
        with self._guard:
            if circuit_id in self._found:
                self._found.move_to_end(circuit_id)
            return self._found.get(circuit_id)
