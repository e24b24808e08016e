"""Circuits known beforehand, compiled or published, and how well a method finds them."""

from discovery.known.feature_recovery import FeatureJudged, judge_features
from discovery.known.features import FeatureCase, read_feature_case
from discovery.known.ground_truth import Case, load_case
from discovery.known.published import Published, read_published
from discovery.known.recovery import Judged, judge, read_cases

__all__ = [
    "Case",
    "FeatureCase",
    "FeatureJudged",
    "Judged",
    "Published",
    "judge",
    "judge_features",
    "load_case",
    "read_cases",
    "read_feature_case",
    "read_published",
]
