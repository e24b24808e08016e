from __future__ import annotations

import pytest

from graph_schema import errors
from graph_schema.errors import CircuitServiceError, JobFailed, error_from_document


def _all(root: type[CircuitServiceError]) -> list[type[CircuitServiceError]]:
    return [root, *(found for child in root.__subclasses__() for found in _all(child))]


@pytest.mark.parametrize("cls", _all(CircuitServiceError))
def test_every_error_survives_its_document(cls: type[CircuitServiceError]) -> None:
    made = error_from_document(cls.__name__, "what, expected, next step")
    assert type(made) is cls
    assert str(made) == "what, expected, next step"


def test_an_unknown_type_keeps_its_name() -> None:
    made = error_from_document("FutureError", "text")
    assert type(made) is JobFailed
    assert str(made) == "FutureError: text"


def test_what_may_pass_later_is_retryable() -> None:
    assert errors.StoreUnavailable.retryable
    assert not errors.SpecError.retryable
