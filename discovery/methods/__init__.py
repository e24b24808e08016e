"""EAP, EAP-IG, every edge exactly, and ACDC; `finding` calls the one that a job names."""

from discovery.methods.acdc import Pruned, Pruner
from discovery.methods.acdc_search import prune_to
from discovery.methods.finding import Found, find
from discovery.methods.scoring import attribute

__all__ = ["Found", "Pruned", "Pruner", "attribute", "find", "prune_to"]
