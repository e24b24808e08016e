"""How a job's id reaches a worker: Celery over Redis, or over a folder."""

from workers.broker.app import (
    QUEUE,
    RUN_TASK,
    TIME_LIMIT_SLACK,
    deliver,
    make_app,
    queue_depth,
    queue_depths,
    queues_of,
    send,
)
from workers.broker.messages import queue_of
from workers.broker.sender import Sender

__all__ = [
    "QUEUE",
    "RUN_TASK",
    "TIME_LIMIT_SLACK",
    "Sender",
    "deliver",
    "make_app",
    "queue_depth",
    "queue_depths",
    "queue_of",
    "queues_of",
    "send",
]
