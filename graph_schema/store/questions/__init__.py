"""Named questions: the catalogue, and how one is asked."""

__all__: list[str] = []
