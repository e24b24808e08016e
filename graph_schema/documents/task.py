"""Tasks: abstract (name, parameters, version), without a tokenizer.

A dataset (`dataset.py`) is a task's pairs for one tokenizer.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document, sha256_hex
from graph_schema.documents.method import Metric

TextTaskVersion = Literal[1, 2]
"""2: at least 12 groups that share no word, the splits apart in all that fills a template. Circuits
of version 1 can be read; its pairs are no longer made."""


class _Task(Document):
    default_metric: ClassVar[Metric] = Metric.LOGIT_DIFF
    """The paper's; what is measured where a request names no metric."""


class IoiTask(_Task):
    """Indirect object identification, Wang et al. 2022, arXiv:2211.00593.

    "When Mary and John went to the store, John gave a drink to" -> " Mary". The corrupt prompt
    replaces the repeated subject by a third name (ABC).
    """

    name: Literal["ioi"] = "ioi"
    version: TextTaskVersion = 2


class InductionTask(_Task):
    """A random sequence repeated, Olsson et al. 2022, arXiv:2209.11895.

    A segment of `min_period` to `max_period` distinct random tokens is repeated up to `length`
    tokens; the answer is the token that followed the last token's earlier occurrences. In the
    corrupt prompt that token stood elsewhere, so another one followed it. One length for all
    pairs, so that means and resampling by position are defined; the period is random, so that a
    fixed offset is no way out. The defaults fit a context of 33 tokens and a vocabulary of 32.
    """

    name: Literal["induction"] = "induction"
    version: Literal[1] = 1
    length: Annotated[int, Field(ge=5, le=1024)] = 32
    min_period: Annotated[int, Field(ge=4, le=512)] = 6
    max_period: Annotated[int, Field(ge=4, le=512)] = 16

    @model_validator(mode="after")
    def _one_full_period(self) -> InductionTask:
        if not self.min_period <= self.max_period < self.length:
            raise ValueError(
                f"min_period {self.min_period}, max_period {self.max_period}, length "
                f"{self.length}: expected min_period <= max_period < length, so that every "
                "prompt holds one full period and more"
            )
        return self


class GreaterThanTask(_Task):
    """Years after a year, Hanna et al. 2023, arXiv:2305.00586.

    "The war lasted from the year 1732 to the year 17" -> any of 33 ... 99, and none of 00 ... 32.
    The corrupt prompt starts in the year 1701. Where the tokenizer writes digits one by one, the
    tens are compared: 4 ... 9 against 0 ... 2.
    """

    default_metric: ClassVar[Metric] = Metric.PROB_DIFF

    name: Literal["greater_than"] = "greater_than"
    version: TextTaskVersion = 2


class GenderedPronounTask(_Task):
    """The pronoun of a tag question, Mathwin et al. 2023 (Apart Research).

    "So Mary is a really great friend, isn't" -> " she". The corrupt prompt has a man's name.
    """

    name: Literal["gendered_pronoun"] = "gendered_pronoun"
    version: TextTaskVersion = 2


class DocstringTask(_Task):
    """The next argument in a docstring, Heimersheim and Janiak 2023 (Alignment Forum).

    `def port(self, load, size, file, last)`, documented up to `size` -> " file". In the corrupt
    prompt the two arguments not yet documented have traded places.
    """

    name: Literal["docstring"] = "docstring"
    version: TextTaskVersion = 2


class SubjectVerbAgreementTask(_Task):
    """The verb's number over another noun, Linzen et al. 2016, arXiv:1611.01368.

    "The boys standing near the doctor" -> " are". The corrupt prompt has the subject's other
    number; the noun in between has either number in equal shares.
    """

    name: Literal["subject_verb_agreement"] = "subject_verb_agreement"
    version: TextTaskVersion = 2


AnyTask = Annotated[
    IoiTask
    | InductionTask
    | GreaterThanTask
    | GenderedPronounTask
    | DocstringTask
    | SubjectVerbAgreementTask,
    Field(discriminator="name"),
]


class TaskData(Document):
    """Pairs made by a built-in task: `pairs` for discovery, as many again held out."""

    kind: Literal["task"] = "task"
    task: AnyTask
    pairs: Annotated[int, Field(ge=8, le=10_000)] = 32

    @property
    def task_name(self) -> str:
        return self.task.name

    @property
    def default_metric(self) -> Metric:
        """The task's paper's, where a request names none."""
        return self.task.default_metric

    @property
    def task_id(self) -> str:
        """Of the task's name, parameters and version, whatever the number of pairs."""
        return self.task.content_id()


class DatasetData(Document):
    """Pairs submitted as a file, by content hash; `task` is the label they are filed under."""

    kind: Literal["dataset"] = "dataset"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    task: Annotated[str, Field(min_length=1, max_length=200)]

    @property
    def task_name(self) -> str:
        return self.task

    @property
    def default_metric(self) -> Metric:
        """`logit_diff`."""
        return Metric.LOGIT_DIFF

    @property
    def task_id(self) -> str:
        return sha256_hex(f"submitted task:{self.task}")


AnyData = Annotated[TaskData | DatasetData, Field(discriminator="kind")]
