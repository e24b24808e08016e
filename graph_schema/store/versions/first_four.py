"""The schema of versions 1 to 4: constraints and indexes."""

from __future__ import annotations

from typing import LiteralString

VERSION_1: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT family_name IF NOT EXISTS FOR (n:ModelFamily) REQUIRE n.name IS UNIQUE",
    "CREATE CONSTRAINT model_fingerprint IF NOT EXISTS FOR (n:Model) "
    "REQUIRE n.fingerprint IS UNIQUE",
    "CREATE CONSTRAINT task_id IF NOT EXISTS FOR (n:Task) REQUIRE n.task_id IS UNIQUE",
    "CREATE CONSTRAINT dataset_sha256 IF NOT EXISTS FOR (n:Dataset) REQUIRE n.sha256 IS UNIQUE",
    "CREATE CONSTRAINT job_id IF NOT EXISTS FOR (n:Job) REQUIRE n.job_id IS UNIQUE",
    "CREATE CONSTRAINT run_id IF NOT EXISTS FOR (n:Run) REQUIRE n.run_id IS UNIQUE",
    "CREATE CONSTRAINT circuit_id IF NOT EXISTS FOR (n:Circuit) REQUIRE n.circuit_id IS UNIQUE",
    "CREATE CONSTRAINT component_id IF NOT EXISTS FOR (n:Component) "
    "REQUIRE n.component_id IS UNIQUE",
    "CREATE CONSTRAINT node_id IF NOT EXISTS FOR (n:CircuitNode) REQUIRE n.node_id IS UNIQUE",
    "CREATE INDEX job_state IF NOT EXISTS FOR (n:Job) ON (n.state)",
    "CREATE INDEX circuit_job IF NOT EXISTS FOR (n:Circuit) ON (n.job_id)",
    "CREATE INDEX circuit_model IF NOT EXISTS FOR (n:Circuit) ON (n.fingerprint)",
    "CREATE INDEX circuit_task IF NOT EXISTS FOR (n:Circuit) ON (n.task)",
)

VERSION_2: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT role_name IF NOT EXISTS FOR (n:Role) REQUIRE n.name IS UNIQUE",
    "CREATE CONSTRAINT role_graph_id IF NOT EXISTS FOR (n:RoleGraph) "
    "REQUIRE n.role_graph_id IS UNIQUE",
    "CREATE CONSTRAINT role_node_id IF NOT EXISTS FOR (n:RoleNode) "
    "REQUIRE n.role_node_id IS UNIQUE",
    "CREATE CONSTRAINT motif_id IF NOT EXISTS FOR (n:Motif) REQUIRE n.motif_id IS UNIQUE",
    "CREATE CONSTRAINT occurrence_id IF NOT EXISTS FOR (n:Occurrence) "
    "REQUIRE n.occurrence_id IS UNIQUE",
    "CREATE CONSTRAINT verdict_id IF NOT EXISTS FOR (n:Verdict) REQUIRE n.verdict_id IS UNIQUE",
    # Those that somebody wrote by hand, before there was an id to give.
    "MATCH (n:Annotation) WHERE n.annotation_id IS NULL SET n.annotation_id = randomUUID()",
    "CREATE CONSTRAINT annotation_id IF NOT EXISTS FOR (n:Annotation) "
    "REQUIRE n.annotation_id IS UNIQUE",
    "CREATE INDEX circuit_node_role IF NOT EXISTS FOR (n:CircuitNode) ON (n.role)",
    "CREATE INDEX motif_name IF NOT EXISTS FOR (n:Motif) ON (n.name)",
)

VERSION_3: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT evaluation_id IF NOT EXISTS FOR (n:Evaluation) "
    "REQUIRE n.evaluation_id IS UNIQUE",
)

# What lists of ten thousand circuits need: without them a label scan sorts all of them.
VERSION_4: tuple[LiteralString, ...] = (
    "CREATE INDEX circuit_created IF NOT EXISTS FOR (n:Circuit) ON (n.created_at)",
    "CREATE INDEX circuit_model_name IF NOT EXISTS FOR (n:Circuit) ON (n.model)",
    "CREATE INDEX circuit_family IF NOT EXISTS FOR (n:Circuit) ON (n.family)",
    "CREATE INDEX circuit_task_id IF NOT EXISTS FOR (n:Circuit) ON (n.task_id)",
)
