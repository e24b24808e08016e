"""A circuit to move about in, inside a notebook: the pages' drawing as a widget."""

__all__: list[str] = []
