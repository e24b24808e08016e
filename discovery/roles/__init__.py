"""Roles: what heads do in a behaviour, by pattern and by intervention."""

__all__: list[str] = []
