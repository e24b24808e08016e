"""A user's own Cypher: guarded, read-only, bounded; its answer as plain values."""

__all__: list[str] = []
