"""Circuits known beforehand, compiled or published, and how well a method finds them."""

from discovery.known.ground_truth import Case, load_case
from discovery.known.published import Published, read_published
from discovery.known.recovery import Judged, judge, read_cases

__all__ = ["Case", "Judged", "Published", "judge", "load_case", "read_cases", "read_published"]
