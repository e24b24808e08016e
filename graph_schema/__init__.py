"""The vocabulary and the memory: documents, store, Cypher, motifs, exchange formats, reports.

Nothing here imports torch or Celery, so the client, the command line and a notebook can use it.
"""

__all__: list[str] = []
