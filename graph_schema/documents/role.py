"""The names of roles: what a head, MLP or feature does in a behaviour.

A role is tested by its pattern and by intervention; the names are a closed list, so that a motif
that asks for a role nobody tests for is an error and not an empty answer.
"""

from __future__ import annotations

from enum import StrEnum


class RoleName(StrEnum):
    """What a node does, with the paper that named it."""

    PREVIOUS_TOKEN = "previous_token"  # Elhage et al. 2021
    DUPLICATE_TOKEN = "duplicate_token"  # Wang et al. 2022
    INDUCTION = "induction"  # Olsson et al. 2022
    S_INHIBITION = "s_inhibition"  # Wang et al. 2022
    NAME_MOVER = "name_mover"  # Wang et al. 2022
    BACKUP_NAME_MOVER = "backup_name_mover"  # Wang et al. 2022
    COPY_SUPPRESSION = "copy_suppression"  # McDougall et al. 2023; the IOI paper's negative mover
