"""What a worker does with one job, from its claim to its result."""

__all__: list[str] = []
