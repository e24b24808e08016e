"""`python -m tests.workers.many HOME LETTER N`: send N jobs' messages to the home's folder."""

import sys
from pathlib import Path

from tests.workers.broker.test_app import record
from workers import broker
from workers.settings import Settings

home, letter, count = sys.argv[1:]
app = broker.make_app(Settings(home=Path(home)))
for n in range(int(count)):
    broker.send(app, record(f"{letter}{n:063}"))
