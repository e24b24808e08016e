"""Who plays which role, as the client hands it out: the document, and ways to look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graph_schema.documents import RoleName, RolePlay, RolesPlayed
from graph_schema.documents.jobs import RunRecord
from graph_schema.printable import printable
from graph_schema.reports import roles_text, words_html

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Roles:
    """What a `roles` job found; `run` says where, how long and with which versions."""

    document: RolesPlayed
    run: RunRecord | None = None

    @property
    def players(self) -> dict[RoleName, tuple[str, ...]]:
        """The components that pass for each role, the strongest first."""
        found: dict[RoleName, tuple[str, ...]] = {}
        for play in self.document.ranked:
            if play.passes:
                found[play.role] = (*found.get(play.role, ()), play.component)
        return found

    def to_pandas(self) -> pd.DataFrame:
        """One row a component and role tested, with the columns that describe the component."""
        import pandas as pd

        rows = [
            {
                **play.model_dump(mode="json", exclude={"scores"}),
                "score": play.score,
                **self.document.columns.get(play.component, {}),
            }
            for play in self.document.ranked
        ]
        return pd.DataFrame(rows, columns=None if rows else ["component", *RolePlay.model_fields])

    def __repr__(self) -> str:
        played = ", ".join(f"{role.value} {len(who)}" for role, who in self.players.items())
        found = self.document
        return printable(
            f"<Roles of {found.model.name} on {found.task}: {played or 'nobody plays any'}>"
        )

    def __str__(self) -> str:
        return roles_text(self.document)

    def _repr_html_(self) -> str:
        return words_html(str(self))
