"""Compiled programs on disk: `weights.npz` beside `case.json`, read without torch."""

__all__: list[str] = []
