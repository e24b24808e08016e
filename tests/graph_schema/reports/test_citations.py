"""BibTeX that a reader of BibTeX reads: braces balance, keys are unique, names are escaped."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from graph_schema.documents import AnyTask, CircuitMethod
from graph_schema.models.config import ARCHITECTURES
from graph_schema.reports.citations import FAMILIES, METHODS, TASKS, bibtex, escaped
from tests.factories import make_circuit, make_imported, make_model


def _names(union: object) -> set[str]:
    """The names of a union's members, of unions within it too."""
    found: set[str] = set()
    for member in get_args(get_args(union)[0]):
        fields = getattr(member, "model_fields", None) if isinstance(member, type) else None
        found |= {fields["name"].default} if fields else _names(member)
    return found


def test_every_method_task_and_family_has_its_paper() -> None:
    assert METHODS.keys() == _names(CircuitMethod)
    assert TASKS.keys() == _names(AnyTask)
    assert FAMILIES.keys() == ARCHITECTURES.keys()


def _entries(text: str) -> dict[str, str]:
    """Entries by key, read as BibTeX does: by counting braces."""
    found: dict[str, str] = {}
    rest = text
    while (start := rest.find("@")) >= 0:
        depth, end = 0, start
        for end in range(start, len(rest)):
            if rest[end] in "{}":
                depth += 1 if rest[end] == "{" else -1
                if depth == 0:
                    break
        entry, rest = rest[start : end + 1], rest[end + 1 :]
        assert depth == 0, entry
        key = re.fullmatch(r"@\w+\{([\w-]+),.*", entry, re.DOTALL)
        assert key is not None, entry
        assert key[1] not in found
        found[key[1]] = entry
    assert rest.strip() == ""
    return found


def test_a_paper_of_task_and_family_is_cited_once() -> None:
    """Smeared keys come from the paper on induction."""
    circuit = make_circuit(task="induction", model=make_model(family="smeared"))
    assert "olsson2022induction" in _entries(bibtex(circuit))


@pytest.mark.parametrize("task", [*TASKS, "made_up"])
def test_method_task_model_and_the_circuit_itself_are_cited(task: str) -> None:
    circuit = make_circuit(task=task, model=make_model("made_by/50%&{x"))
    entries = _entries(bibtex(circuit))
    assert f"circuit-{circuit.circuit_id[:12]}" in entries
    assert r"made\_by/50\%\&\textbraceleft{}x" in entries[f"model-{circuit.model.fingerprint[:12]}"]
    wanted = {"syed2023attribution", "mueller2025mib", "radford2019gpt2"}
    assert wanted <= entries.keys()
    assert (TASKS.get(task) in entries) == (task in TASKS)
    assert "arXiv:2310.10348" in entries["syed2023attribution"]


def test_an_imported_circuit_is_cited_without_what_nobody_knows() -> None:
    entries = _entries(bibtex(make_imported()))
    assert len(entries) == 3
    assert any("for an unnamed task" in entry for entry in entries.values())


def test_text_for_tex_is_one_line() -> None:
    assert escaped("a\nb\\~^") == r"a b\textbackslash{}\textasciitilde{}\textasciicircum{}"
