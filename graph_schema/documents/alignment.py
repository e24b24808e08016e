"""How alike two circuits are in what their roles carry to each other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document


class Alignment(Document):
    """Weighted Jaccard index of the role super-edges of two circuits.

    95 % interval over prompts; `p` against the null, with this many draws. The order of the two
    circuits means nothing.
    """

    schema_version: Literal[1] = 1
    circuit_ids: tuple[str, str]
    similarity: Annotated[float, Field(ge=0, le=1)]
    ci_low: Annotated[float, Field(ge=0, le=1)]
    ci_high: Annotated[float, Field(ge=0, le=1)]
    p: Annotated[float, Field(ge=0, le=1)]
    draws: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _of_two(self) -> Alignment:
        if self.circuit_ids[0] == self.circuit_ids[1]:
            raise ValueError("a circuit is not aligned with itself")
        if self.ci_low > self.ci_high:
            raise ValueError(f"interval [{self.ci_low}, {self.ci_high}] ends before it begins")
        return self


class RoleAlignment(Document):
    """Weighted Jaccard index of the super-edges of two role graphs, or its mean over several.

    95 % interval over prompts; `p` against roles permuted within each graph: `draws` permutations,
    all there are where `exact`; `least_p` is what the largest value among them has. Not `testable`:
    they are too few for any p to reach the level asked for.
    """

    schema_version: Literal[1] = 1
    role_graph_ids: Annotated[tuple[str, ...], Field(min_length=2)]
    similarity: Annotated[float, Field(ge=0, le=1)]
    ci_low: Annotated[float, Field(ge=0, le=1)]
    ci_high: Annotated[float, Field(ge=0, le=1)]
    p: Annotated[float, Field(ge=0, le=1)]
    draws: Annotated[int, Field(ge=1)]
    least_p: Annotated[float, Field(gt=0, le=1)]
    exact: bool
    testable: bool

    @model_validator(mode="after")
    def _of_several(self) -> RoleAlignment:
        if len(set(self.role_graph_ids)) < len(self.role_graph_ids):
            raise ValueError("a role graph is not aligned with itself")
        if self.ci_low > self.ci_high:
            raise ValueError(f"interval [{self.ci_low}, {self.ci_high}] ends before it begins")
        return self
