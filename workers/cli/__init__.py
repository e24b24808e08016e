"""The `circuits` command."""

from workers.cli import (
    benchmark,
    compare,
    effects,
    evaluate,
    exchange,
    graph,
    jobs,
    motifs,
    plan,
    query,
    roles,
    service,
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
    "motifs",
    "plan",
    "query",
    "roles",
    "service",
    "universality",
    "zoo",
]
