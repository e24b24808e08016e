"""What a job does with a model and pairs, one file a kind."""

__all__: list[str] = []
