"""The parameters that several named questions share."""

from __future__ import annotations

from graph_schema.store.questions.kinds import Parameter, ParameterKind

CIRCUIT = Parameter("circuit", ParameterKind.CIRCUIT, "id of a circuit, or its first digits")
MODEL = Parameter("model", ParameterKind.MODEL, "name of a model, or its fingerprint")
MOTIF = Parameter("motif", ParameterKind.MOTIF, "only this motif", optional=True)
TASK = Parameter("task", ParameterKind.TASK, "only this task, by name or id", optional=True)
RUNG = Parameter("rung", ParameterKind.RUNG, "only behaviour, role or wiring", optional=True)
LIMIT = Parameter("limit", ParameterKind.WHOLE, "rows at most", default=20, least=1)
