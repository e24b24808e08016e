"""What can be wrong with an installation or a service, looked at without starting anything."""

from workers.doctor.checks import Check, Finding, Verdict, examine
from workers.doctor.every import every_check

__all__ = ["Check", "Finding", "Verdict", "every_check", "examine"]
