"""Pages in a browser over the client: circuits, jobs, questions to the graph.

`access.py` says who may come in, `gate.py` what a request must be to get further, `app.py` puts the
screens together (`screens/`, one file each) and `serving.py` serves them. The pages are HTML that
reads without JavaScript (`templates/`); a script (`assets/`, one ES module a live part) only takes
the place of what is there. Loads neither torch nor `discovery`; needs the extra `[web]`.
"""

from typing import Final

__all__: Final[list[str]] = []
