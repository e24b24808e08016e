"""The two graph servers that a machine without Docker can start itself."""

__all__: list[str] = []
