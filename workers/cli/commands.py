"""Every command of `circuits`: its line in the help, and the module that it stands in.

All that a list of commands needs, so that showing or completing one loads none of them.
"""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """A command as a list has it.

    Args:
        module: Where it stands in `workers.cli`; importing that registers it.
        line: The first paragraph of its help.
    """

    module: str
    line: str


COMMANDS = {
    "demo": Listed(
        "service", "See it work: is induction the same circuit in three families of models?"
    ),
    "plan": Listed("plan", "Estimate memory and CPU time of a request."),
    "submit": Listed("jobs", "Ask for a circuit; a worker finds it."),
    "run": Listed("jobs", "Find a circuit here, without a queue."),
    "sweep": Listed("sweep", "Find circuits in many models, for many tasks, by many methods."),
    "job": Listed("jobs", "Show a job, or follow it."),
    "jobs": Listed("jobs", "List jobs, the newest first."),
    "logs": Listed("logs", "Show what the local service's worker logged of a job."),
    "cancel": Listed("jobs", "Cancel a job."),
    "trace": Listed("trace", "Trace one prompt: which units made the model say what it says."),
    "evaluate": Listed("evaluate", "Judge a stored circuit, ours or imported."),
    "import": Listed("exchange", "Store a circuit of another tool."),
    "export": Listed("exchange", "Write a circuit to a file of another tool."),
    "validate": Listed("exchange", "Check an attribution graph's file, and sum up what it holds."),
    "roles": Listed("roles", "Say which heads play which roles."),
    "effects": Listed("effects", "Measure what the roles of a motif carry to each other."),
    "specificity": Listed("specificity", "Ablate the heads of each task's roles on every task."),
    "universality": Listed(
        "universality", "Ask whether models do a task by the same roles and the same wiring."
    ),
    "training": Listed("training", "See when along a training behaviour, role and wiring come."),
    "report": Listed("universality", "Show a verdict with all that it rests on."),
    "list": Listed("graph", "List circuits, the newest first."),
    "show": Listed("graph", "Show a circuit: tables and a picture."),
    "label": Listed("labels", "Say what nodes of a circuit stand for."),
    "note": Listed("remarks", "Write a note on a circuit or a job."),
    "tag": Listed("remarks", "Tag a circuit or a job; list and jobs take --tag."),
    "compare": Listed("compare", "Put circuits side by side."),
    "delete": Listed("delete", "Delete a circuit, or a job with all that it found."),
    "query": Listed("query", "Ask the graph a question by its name."),
    "cypher": Listed("query", "Ask the graph in Cypher."),
    "schema": Listed(
        "query", "Show what the graph holds: labels, relationships, counts, example queries."
    ),
    # The module that adds the last command of the group, and imports those before it.
    "motifs": Listed("motif_discovery", "Find small patterns in circuits, and test them."),
    "web": Listed("web", "Look at circuits, jobs and the graph in a browser."),
    "up": Listed(
        "service", "Start the local service and keep it; its worker comes with the first job."
    ),
    "down": Listed("service", "Stop the local service."),
    "status": Listed("service", "Show what runs and what waits."),
    "doctor": Listed("doctor", "Look whether everything is as it must be, and say what to do."),
    "worker": Listed("service", "Run one worker, in the foreground."),
    "gc": Listed("delete", "Remove what has gathered and nothing refers to."),
    "settings": Listed("settings", "Show every setting, and where it was said."),
    "backup": Listed("backup", "Write graph and artifacts into one file."),
    "restore": Listed("backup", "Read a backup into an empty graph."),
    "zoo": Listed("zoo", "Small models of several families, trained here."),
    "benchmark": Listed("benchmark", "Hold the methods to known circuits."),
}
"""In the order in which a user meets them."""
