"""The built-in tasks by name; a test holds the names equal to those of the documents."""

from __future__ import annotations

from discovery.tasks.base import Task
from discovery.tasks.docstring import docstring
from discovery.tasks.gendered_pronoun import gendered_pronoun
from discovery.tasks.greater_than import greater_than
from discovery.tasks.induction import induction
from discovery.tasks.ioi import ioi
from discovery.tasks.subject_verb_agreement import subject_verb_agreement

TASKS: dict[str, Task] = {
    "ioi": ioi,
    "induction": induction,
    "greater_than": greater_than,
    "gendered_pronoun": gendered_pronoun,
    "docstring": docstring,
    "subject_verb_agreement": subject_verb_agreement,
}
