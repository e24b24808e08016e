"""What the graph may hold, in which words: kinds of nodes and relationships, their properties."""

__all__: list[str] = []
