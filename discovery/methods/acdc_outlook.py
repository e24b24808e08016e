"""What the next tests of ACDC will probably come to, and how many to make on that guess."""

from __future__ import annotations

import math
from dataclasses import dataclass

MEMORY = 0.97
"""How much a test's outcome counts one test later: about the last thirty speak."""
ENOUGH = 0.5
"""As likely as not.

1,183 tests at GPT-2-small shape are so made in 188 goes, 1,283 tests with those thrown away; with
.6 in 206 goes, 1,275 tests, and with .3 in 184, 1,298.
"""


@dataclass
class Outlook:
    """Of late, how many tests removed an edge and how many kept it; both begin at one half."""

    removed: float = 0.5
    kept: float = 0.5

    @property
    def guess(self) -> bool:
        """Whether the next edge will go."""
        return self.removed >= self.kept

    @property
    def length(self) -> int:
        """How many tests to make ahead: as many as will `ENOUGH` of the time all go by the guess.

        With fewer, the fixed cost of a product is shared by few; with more, too many are thrown
        away.
        """
        right = max(self.removed, self.kept) / (self.removed + self.kept)
        return max(1, int(math.log(ENOUGH) / math.log(right))) if right < 1 else 1

    def add(self, removed: bool) -> None:
        self.removed = MEMORY * self.removed + removed
        self.kept = MEMORY * self.kept + (not removed)
