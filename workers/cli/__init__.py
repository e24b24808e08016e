"""The `circuits` command."""

try:
    from workers.cli.command_line import app, main
except KeyboardInterrupt:  # Ctrl-C while it loads, when there is nothing yet to end
    raise SystemExit(130) from None

__all__ = ["app", "main"]
