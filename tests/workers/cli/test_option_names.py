"""One name for one thing: an option is called alike in every command and in the Python client."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Any

import pytest
import typer

from workers.cli import app
from workers.requests.discover import DiscoverRequest
from workers.requests.effects import EffectsRequest
from workers.requests.evaluate import EvaluateRequest
from workers.requests.exchange import ImportRequest
from workers.requests.roles import RolesRequest
from workers.requests.specificity import SpecificityRequest
from workers.requests.universality import UniversalityRequest

# What a thing is called, and by which other words it might have been.
NAMES = {
    "--ablation": ("--patch", "--intervention"),
    "--chunk": ("--batch", "--batch-size"),
    "--dataset": ("--data", "--dataset-file", "--jsonl"),
    "--device": ("--accelerator", "--on"),
    "--dry-run": ("--pretend", "--simulate", "--what-if"),
    "--dtype": ("--precision",),
    "--edges": ("--n-edges", "--num-edges", "--top-k", "--k"),
    "--evaluation": ("--preset", "--eval", "--evaluation-preset"),
    "--force": ("--overwrite", "--replace", "--rerun"),
    "--format": ("--form", "--as", "--output-format"),
    "--json": ("--as-json",),
    "--limit": ("--top", "--max", "--rows", "--first", "--head"),
    "--method": ("--algorithm",),
    "--metric": ("--loss", "--objective"),
    "--model": ("--models", "--model-name"),
    "--out": ("--output", "--outfile", "--out-file", "--to", "--file"),
    "--pairs": ("--n-pairs", "--examples", "--samples"),
    "--param": ("--parameter", "--arg"),
    "--revision": ("--commit", "--branch"),
    "--seed": ("--random-seed", "--rng"),
    "--since": ("--after", "--newer-than"),
    "--state": ("--status",),
    "--task": ("--tasks", "--task-name", "--behaviour"),
    "--wait": ("--block", "--sync"),
    "--yes": ("--assume-yes", "--no-ask"),
}
# Plurals that are taken too, for an option that may be repeated.
ALSO = {"--dictionaries": "--dictionary", "--targets": "--target"}
# One name, several kinds of value; each said in the option's help.
SEVERAL = {
    "--checkpoints": "of compare that they are some, of training which, of zoo train how many",
    "--model": "also any name by which stored models are known, or NAME=FOLDER",
    "--tokens": "of plan how many, of trace which",
}
# Fields of a request that the command line calls otherwise.
FIELDS = {"add_bos": "bos", "n_edges": "edges", "roles_jobs": "roles", "form": "format"}
# Not trace: its fields have circuit-tracer's names (max_feature_nodes), its options short ones.
COMMANDS = {
    "submit": DiscoverRequest,
    "evaluate": EvaluateRequest,
    "import": ImportRequest,
    "roles": RolesRequest,
    "effects": EffectsRequest,
    "specificity": SpecificityRequest,
    "universality": UniversalityRequest,
}
NO_OPTION = {
    **dict.fromkeys(COMMANDS, ()),
    # Its parts are options: --steps …, --units …
    "submit": ("method_params", "candidates"),
    "import": ("evaluation", "device", "memory", "chunk", "priority"),
    # What is measured stands in the roles job.
    "effects": ("task", "dataset", "heldout", "label", "evaluation"),
    "roles": ("evaluation",),
    "universality": ("evaluation",),
}


def _parameters() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        found[" ".join(path)] = list(command.params)
        for name, each in getattr(command, "commands", {}).items():
            walk(each, (*path, name))

    walk(typer.main.get_command(app), ())
    return found


PARAMETERS = _parameters()
OPTIONS = [
    (command, each)
    for command, parameters in PARAMETERS.items()
    for each in parameters
    if each.param_type_name == "option"
]


def test_nothing_has_a_name_beside_its_own() -> None:
    others = {other: name for name, others in NAMES.items() for other in others}
    assert not set(others) & set(NAMES)
    spelt = [(command, word) for command, option in OPTIONS for word in option.opts]
    assert [(command, word, others[word]) for command, word in spelt if word in others] == []
    assert set(NAMES) <= {word for _, word in spelt}, "a name that no command takes"


def test_every_option_has_one_spelling() -> None:
    twice = {tuple(each.opts) for _, each in OPTIONS if len(each.opts) > 1}
    assert twice == {(own, also) for also, own in ALSO.items()}


def test_a_name_takes_the_same_kind_of_value_everywhere() -> None:
    kinds: dict[str, set[Any]] = defaultdict(set)
    for _, option in OPTIONS:
        kinds[option.opts[0]].add((option.metavar, option.is_flag))
    assert {name for name, values in kinds.items() if len(values) > 1} == set(SEVERAL)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_client_calls_it_as_the_command_line_does(command: str) -> None:
    taken = {each.name: each.opts[0] for each in PARAMETERS[command]}
    words = {word.removeprefix("--").replace("-", "_") for word in taken.values()} | set(taken)
    fields = {each.name for each in dataclasses.fields(COMMANDS[command])}
    fields -= set(NO_OPTION[command])
    named = {FIELDS.get(field, field) for field in fields}
    singular = {name: name.removesuffix("s").replace("dictionarie", "dictionary") for name in named}
    assert {name for name in named if not {name, singular[name]} & words} == set()
