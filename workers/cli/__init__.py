"""The `circuits` command."""

from workers.cli.command_line import app, main

__all__ = ["app", "main"]
