"""What a client hands out: circuits, evaluations, comparisons, rows, and ways to look at them."""

__all__: list[str] = []
