"""The local service: one supervisor a home, with a graph server and a worker."""

__all__: list[str] = []
