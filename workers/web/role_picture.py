"""Where a role graph's boxes and arrows stand: the same rows in every model's column.

A box holds a role, who plays it and, on a line from the input (left) to the logits (right), how
deep they sit. An arrow is as thick as the share that it carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graph_schema.printable import shortened
from workers.web.role_columns import Column, Link, Node

WIDTH, BOX, HEIGHT, STEP, TOP, LEFT = 220, 156, 50, 104, 4, 8
TRACK = 12
"""From a box's side to the ends of its line of depth."""
NO_MEMBERS = "nobody plays it"


@dataclass(frozen=True)
class RoleBox:
    """A role's box: the top of it, what it says, and the marks of its members' depths.

    `node` is None where the role is not in this model's graph.
    """

    role: str
    y: float
    words: str
    marks: tuple[float, ...]
    node: Node | None


@dataclass(frozen=True)
class Arrow:
    """A super-edge: its path and head, how thick, where its words stand, and what they are."""

    link: Link
    path: str
    head: str
    width: float
    x: float
    y: float
    share: str
    interval: str


@dataclass(frozen=True)
class RolePicture:
    """What a column's template draws."""

    height: float
    boxes: tuple[RoleBox, ...]
    arrows: tuple[Arrow, ...]

    @classmethod
    def of(cls, column: Column, roles: Sequence[str]) -> RolePicture:
        """The column's roles in the rows of all columns' roles."""
        rows: dict[str, float] = {role: TOP + STEP * place for place, role in enumerate(roles)}
        boxes = tuple(_box(role, y, column) for role, y in rows.items())
        arrows = tuple(_arrow(link, rows) for link in column.links.values())
        return cls(TOP + STEP * max(0, len(rows) - 1) + HEIGHT + 6, boxes, arrows)


def _box(role: str, y: float, column: Column) -> RoleBox:
    node = column.nodes.get(role)
    if node is None or role in ("input", "logits"):
        return RoleBox(role, y, "", (), node)
    words = shortened(" ".join(node.members), 24) if node.members else NO_MEMBERS
    marks = tuple(LEFT + TRACK + (BOX - 2 * TRACK) * depth for depth in node.depths)
    return RoleBox(role, y, words, marks, node)


def _arrow(link: Link, rows: dict[str, float]) -> Arrow:
    edge, middle = link.edge, LEFT + BOX / 2
    top, bottom = rows[link.sender] + HEIGHT, rows[link.receiver]
    bound = "\N{LESS-THAN OR EQUAL TO} " if edge.is_bound else ""
    channel = "" if edge.channel.value == "r" else f"{edge.channel.value} "
    words = f"{channel}{bound}{edge.share:z.2f}", f"[{edge.ci_low:z.2f}, {edge.ci_high:z.2f}]"
    width = 1.5 + 7 * min(1.0, max(0.0, edge.share))
    half = width / 2 + 3
    if abs(rows[link.receiver] - rows[link.sender]) <= STEP:
        path = f"M{middle},{top} V{bottom - 8}"
        head = f"M{middle - half},{bottom - 9} L{middle},{bottom} L{middle + half},{bottom - 9}Z"
        return Arrow(link, path, head, width, middle + 12, (top + bottom) / 2, *words)
    # Past the boxes between, on their right.
    out, side, turn = LEFT + BOX, LEFT + BOX + 14, 16
    y1, y2 = rows[link.sender] + HEIGHT - 12, rows[link.receiver] + 12
    down = turn if y2 > y1 else -turn
    path = f"M{out},{y1} Q{side},{y1} {side},{y1 + down} V{y2 - down} Q{side},{y2} {out + 8},{y2}"
    head = f"M{out + 9},{y2 - half} L{out},{y2} L{out + 9},{y2 + half}Z"
    return Arrow(link, path, head, width, side + 6, (y1 + y2) / 2, *words)
