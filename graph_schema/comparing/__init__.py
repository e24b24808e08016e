"""Circuits side by side: within a model, over families, and what chance would give."""

__all__: list[str] = []
