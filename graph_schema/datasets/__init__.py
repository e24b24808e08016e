"""Prompt pairs as users submit them: JSON lines, MIB's records, their checks."""

__all__: list[str] = []
