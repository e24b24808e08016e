"""The `circuits` command."""

from workers.cli import (
    benchmark,
    compare,
    effects,
    evaluate,
    exchange,
    graph,
    jobs,
    motif_discovery,
    motifs,
    plan,
    query,
    roles,
    service,
    specificity,
    training,
    universality,
    zoo,
)  # each registers its commands on the app
from workers.cli.app import app, main

__all__ = [
    "app",
    "benchmark",
    "compare",
    "effects",
    "evaluate",
    "exchange",
    "graph",
    "jobs",
    "main",
    "motif_discovery",
    "motifs",
    "plan",
    "query",
    "roles",
    "service",
    "specificity",
    "training",
    "universality",
    "zoo",
]
