"""Which circuits an address names, to be compared: each once, with a letter; and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from graph_schema.documents import CircuitDocument
from graph_schema.errors import NotFoundError
from graph_schema.reports.comparison import letters
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_header
from workers.web.pages import address

LEAST, MOST = 2, 9
_SEPARATORS = re.compile(r"[\s,]+")


@dataclass(frozen=True)
class Chosen:
    """A circuit of the address: its letter, and what describes it."""

    letter: str
    circuit: CircuitDocument


@dataclass(frozen=True)
class Choice:
    """What the address names: the circuits there are, and what is wrong with the rest."""

    circuits: tuple[Chosen, ...]
    told: tuple[str, ...]
    status: int

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(each.circuit.circuit_id for each in self.circuits)

    @property
    def enough(self) -> bool:
        return LEAST <= len(self.circuits) <= MOST

    @property
    def where(self) -> str:
        """The page's address."""
        return address("/compare", ids=",".join(self.ids))

    def without(self, id: str) -> str:
        """The address of the page without one of them."""
        return address("/compare", ids=",".join(each for each in self.ids if each != id))


def choose(store: GraphStore, given: Sequence[str]) -> Choice:
    """The circuits that an address names, each once; what is wrong with it, in words."""
    wanted = list(filter(None, _SEPARATORS.split(",".join(given))))[: 3 * MOST]
    told: list[str] = []
    found: dict[str, CircuitDocument] = {}
    status = 200
    for text in dict.fromkeys(wanted):
        try:
            header = read_header(store, text)
        except NotFoundError as error:
            told.append(str(error))
            status = 404
            continue
        found.setdefault(header.circuit_id, header)
    twice = len(wanted) - len(found) - len(told)
    if twice > 0:
        told.append("A circuit that is named twice is compared once: with itself it shares all.")
    if len(found) > MOST:
        told.append(
            f"{len(found)} circuits; expected {LEAST} to {MOST}: take {len(found) - MOST} away."
        )
        status = 400
    elif len(found) == 1:
        told.append("One circuit alone is compared with nothing: add another.")
    chosen = (
        Chosen(letter, circuit)
        for letter, circuit in zip(letters(len(found)), found.values(), strict=True)
    )
    return Choice(tuple(chosen), tuple(told), status)
