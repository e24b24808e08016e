"""Documents as the graph has them: read as this code's, or refused in words that name them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from graph_schema.documents import Document
from graph_schema.errors import StoreError, StoreVersionError

D = TypeVar("D", bound=Document)


def stored_document(kind: type[D], found: str | Mapping[str, Any], what: str) -> D:
    """The document in a stored text or in fields; `what` names it, such as `circuit 3f2a…`.

    Raises:
        StoreVersionError: Another version of this code wrote it, and spells it otherwise.
        StoreError: It says it is of this version and is not.
    """
    fields: Mapping[str, Any] = json.loads(found) if isinstance(found, str) else found
    field = kind.model_fields.get("schema_version")
    known = None if field is None else field.default
    version = fields.get("schema_version", known)
    if version != known:
        raise StoreVersionError(
            f"{what} is stored as a {kind.__name__} of version {version}, this code reads version "
            f"{known}: open the graph with the code that wrote it, or upgrade this one "
            '(pip install --upgrade "circuit-atlas")'
        )
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        raise StoreError(
            f"{what} is not stored as a {kind.__name__} should be: {where}: {first['msg']}; it was "
            "changed by hand or by another version of this code: write it again"
        ) from error
