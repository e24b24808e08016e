"""The `circuits` command."""

from workers.cli import (
    benchmark,
    evaluate,
    exchange,
    graph,
    jobs,
    plan,
    service,
)  # each registers its commands on the app
from workers.cli.app import app, main

__all__ = ["app", "benchmark", "evaluate", "exchange", "graph", "jobs", "main", "plan", "service"]
