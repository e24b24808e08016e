"""Every class of error: it survives its document, and says who can act and whether it lasts."""

from __future__ import annotations

import pytest

from graph_schema import exchange
from graph_schema.errors import CircuitServiceError, JobFailed, error_from_document

LASTING = {
    "SpecError",
    "DatasetError",
    "CypherError",
    "ExchangeError",
    "NumericsError",
    "NonFiniteError",
}
"""Their cause is in the spec, the pairs, the text or the numbers: the same again fails again."""
ELSEWHERE = {
    "CircuitServiceError",
    # a setting
    "LimitError",
    "DatasetLimitError",
    "TaskNotPerformedError",
    # where the model lies, what the hub gives, what this installation reads
    "ModelError",
    "ModelUnavailable",
    "DictionaryError",
    "NonFiniteWeightsError",
    "MissingExtraError",
    "StoreVersionError",
    "MissingError",
    # what is stored
    "NotFoundError",
    "StoreError",
    "DamagedError",
    # the worker's end, or somebody's wish
    "JobFailed",
    "JobCancelled",
    "LeaseLost",
}
"""Another place, cache, environment, installation or limit: tried again when it is asked for."""
PASSING = {"ResourceError", "StoreUnavailable"}
"""Tried again by the workers themselves."""


def _all(root: type[CircuitServiceError]) -> list[type[CircuitServiceError]]:
    return [root, *(found for child in root.__subclasses__() for found in _all(child))]


CLASSES = {cls.__name__: cls for cls in _all(CircuitServiceError) if "test" not in cls.__module__}


@pytest.mark.parametrize("cls", CLASSES.values())
def test_every_error_survives_its_document(cls: type[CircuitServiceError]) -> None:
    made = error_from_document(cls.__name__, "what, expected, next step")
    assert type(made) is cls
    assert str(made) == "what, expected, next step"


def test_an_unknown_type_keeps_its_name() -> None:
    made = error_from_document("FutureError", "text")
    assert type(made) is JobFailed
    assert str(made) == "FutureError: text"


def test_every_error_says_whether_it_lasts() -> None:
    """A class that is new here is decided here: is the request at fault, or the place?"""
    assert exchange.ExchangeError.__name__ in CLASSES
    assert {name for name, cls in CLASSES.items() if cls.lasting} == LASTING
    assert {name for name, cls in CLASSES.items() if cls.retryable} == PASSING
    assert set(CLASSES) == LASTING | ELSEWHERE | PASSING


def test_an_error_lasts_or_passes_but_not_both() -> None:
    assert not [name for name, cls in CLASSES.items() if cls.lasting and cls.retryable]
