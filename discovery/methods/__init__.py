"""EAP, EAP-IG, every edge exactly, and ACDC; `finding` calls the one that a job names."""

from typing import TYPE_CHECKING

from graph_schema.on_demand import on_demand

if TYPE_CHECKING:
    from discovery.methods.acdc import Pruned, Pruner
    from discovery.methods.acdc_search import prune_to
    from discovery.methods.finding import Found, find
    from discovery.methods.scoring import attribute
else:  # most of it loads torch, and a plan needs none
    __getattr__, __dir__ = on_demand(__name__)

__all__ = ["Found", "Pruned", "Pruner", "attribute", "find", "prune_to"]
