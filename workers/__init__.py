"""The edge: settings, queue, the life of a job, the local service, client and command line."""

__all__: list[str] = []
