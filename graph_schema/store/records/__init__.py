"""What is written and read back, one file a kind of record."""

__all__: list[str] = []
