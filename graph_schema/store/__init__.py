"""The memory: one class over two graph databases, and what is written and asked there."""

from graph_schema.store.driver import DRIVER_VERSION  # isort: skip  (before anything loads neo4j)

from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.servers.embedded import start_embedded

__all__ = ["DRIVER_VERSION", "GraphStore", "StoreAddress", "start_embedded"]
