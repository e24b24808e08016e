"""A sweep as a user asks for it: models x tasks x methods x sizes x seeds.

Said in Python or in a YAML file (`sweep_file.py`), it is held to one document here; `sweep_jobs.py`
makes discover jobs of it. Whatever is wrong with it is told at once, each with its place.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from graph_schema.errors import SpecError
from graph_schema.printable import quoted
from graph_schema.yaml_text import YamlPath
from workers.requests.asked import plain
from workers.requests.checking import TASKS, complaint, unknown

LONGEST_NAME = 100
MOST_EACH = 1_000
"""Values of one axis."""
MOST_TOLD = 20
"""Mistakes that one message names."""

_Item = TypeVar("_Item")


def _listed(given: Any) -> Any:
    return given if isinstance(given, list | tuple) else [given]


def _counted(given: Any) -> Any:
    """A number of units alone is how many."""
    return {"n": given} if isinstance(given, int) else given


Several = Annotated[
    tuple[_Item, ...], BeforeValidator(_listed), Field(min_length=1, max_length=MOST_EACH)
]
"""The values of an axis; one that stands alone is a list of one."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AskedModel(_Part):
    """A model: its name alone, or with a revision."""

    model: StrictStr
    revision: StrictStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, given: Any) -> Any:
        return {"model": given} if isinstance(given, str) else given

    @property
    def words(self) -> str:
        return self.model if self.revision is None else f"{self.model}@{self.revision}"


class _Named(_Part):
    """By its name alone, or a mapping in which other keys than the class's own are parameters."""

    params: dict[StrictStr, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _own_and_parameters(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"name": given}
        if not isinstance(given, Mapping):
            return given
        items = list(cast("Mapping[Any, Any]", given).items())
        own = {key: value for key, value in items if key in cls.model_fields and key != "params"}
        return {**own, "params": {key: value for key, value in items if key not in own}}


class AskedMethod(_Named):
    """A method and its parameters."""

    name: StrictStr

    @property
    def words(self) -> str:
        return _with_parameters(self.name, self.params)


class AskedTask(_Named):
    """A built-in task and its parameters, or a file of pairs."""

    name: StrictStr | None = None
    dataset: StrictStr | None = None
    heldout: StrictStr | None = None
    label: StrictStr | None = None
    pairs: StrictInt | None = None

    @model_validator(mode="before")
    @classmethod
    def _file_alone(cls, given: Any) -> Any:
        is_file = isinstance(given, str) and given not in TASKS and given.endswith(".jsonl")
        return {"dataset": given} if is_file else given

    @model_validator(mode="after")
    def _keys_of_a_file(self) -> Self:
        if self.dataset is not None and self.params:
            raise ValueError(unknown("key", next(iter(self.params)), KEYS_OF_A_FILE))
        return self

    @property
    def words(self) -> str:
        if self.name is None:
            return self.label or Path(self.dataset or "").stem
        more = {} if self.pairs is None else {"pairs": self.pairs}
        return _with_parameters(self.name, {**self.params, **more})


KEYS_OF_A_FILE = ("dataset", "heldout", "label")


def _with_parameters(name: str, params: Mapping[str, Any]) -> str:
    return " ".join([name, *(f"{key}={value}" for key, value in params.items())])


class SweepRequest(_Part):
    """What is asked for; what is left out is as `CircuitClient.submit` has it.

    Every model is asked with every task, method, size and seed. The keys below `seeds` hold for all
    jobs, `name` for none: it is what the sweep is called.
    """

    name: Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_NAME)] | None = None
    models: Several[AskedModel]
    tasks: Several[AskedTask]
    methods: Several[AskedMethod] = (AskedMethod(name="eap-ig"),)
    edges: Several[Annotated[StrictInt, Field(ge=1)]] | None = None
    thresholds: Several[Annotated[float, Field(gt=0, allow_inf_nan=False)]] | None = None
    seeds: Several[Annotated[StrictInt, Field(ge=0, lt=2**32)]] = (0,)

    pairs: StrictInt | None = None
    metric: StrictStr | None = None
    ablation: StrictStr | None = None
    draws: StrictInt | None = None
    by: StrictStr | None = None
    add_bos: StrictBool | None = None
    answers: StrictStr | None = None
    misfits: StrictStr | None = None
    granularity: StrictStr | None = None
    candidates: Annotated[dict[StrictStr, Any], BeforeValidator(_counted)] | None = None
    receivers: StrictStr | None = None
    exact_top: StrictInt | None = None
    keep_pair_scores: StrictBool | None = None
    alternatives: StrictInt | None = None
    evaluation: StrictStr | None = None
    dtype: StrictStr | None = None
    device: StrictStr | None = None
    memory: StrictInt | None = None
    chunk: StrictInt | None = None
    priority: StrictInt | None = None
    shards: StrictInt | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What is said of all jobs alike, by the names of `DiscoverRequest`."""
        return self.model_dump(exclude=AXES, exclude_none=True)


AXES = {"name", "models", "tasks", "methods", "edges", "thresholds", "seeds"}


@dataclass(frozen=True)
class AskedSweep:
    """A request with where it was said.

    Attributes:
        request: What is asked.
        base: The folder that relative paths in it are of.
        file: Its file's name; "" where it was said in Python.
        lines: The line of each of its values, where there is a file.
    """

    request: SweepRequest
    base: Path
    file: str = ""
    lines: Mapping[YamlPath, int] = field(default_factory=dict[YamlPath, int])

    def mistakes(self) -> Mistakes:
        """Where to note what is wrong with it."""
        return Mistakes(self.file, self.lines)


class Mistakes:
    """What is wrong with a sweep, gathered: all of it is told in one message."""

    def __init__(self, file: str, lines: Mapping[YamlPath, int]) -> None:
        self._file = file
        self._lines = lines
        self._found: dict[str, tuple[str, type[SpecError]]] = {}

    @contextmanager
    def of(self, *places: YamlPath) -> Generator[None]:
        """Note what is raised in the block as wrong with the values that stand there."""
        try:
            yield
        except SpecError as error:
            self.note(str(error), *places, kind=type(error))

    def note(self, message: str, *places: YamlPath, kind: type[SpecError] = SpecError) -> None:
        self._found.setdefault(message, (self._where(places), kind))

    def tell(self) -> None:
        """Return where nothing is wrong.

        Raises:
            SpecError: All that is; of one kind, as that.
        """
        if not self._found:
            return
        kinds = {kind for _, kind in self._found.values()}
        told = [f"{where}{message}" for message, (where, _) in self._found.items()]
        kind = kinds.pop() if len(kinds) == 1 else SpecError
        if len(told) == 1:
            raise kind(told[0])
        left = [f"and {len(told) - MOST_TOLD} more"] if len(told) > MOST_TOLD else []
        lines = "\n".join(f"  {line}" for line in [*told[:MOST_TOLD], *left])
        raise kind(f"{len(told)} things are wrong with the sweep; nothing was submitted:\n{lines}")

    def _where(self, places: tuple[YamlPath, ...]) -> str:
        """`sweep.yaml, line 7, methods[1]: `."""
        parts = [self._file] if self._file else []
        if places and (line := self._line(places[0])):
            parts.append(f"line {line}")
        parts += [" with ".join(_words(place) for place in places if place)] if any(places) else []
        return f"{', '.join(parts)}: " if parts else ""

    def _line(self, place: YamlPath) -> int | None:
        """Of the value there, or of what it stands in."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place)


def _words(place: YamlPath) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def asked_sweep(
    given: object,
    *,
    base: Path | None = None,
    file: str = "",
    lines: Mapping[YamlPath, int] | None = None,
) -> AskedSweep:
    """The sweep that is asked for by these keys; what needs more than them is checked later.

    Relative paths are of the folder `base`, the working directory where none is named.

    Raises:
        SpecError: A key is unknown or missing, or a value is not of its kind; all of these.
    """
    mistakes = Mistakes(file, lines or {})
    try:
        request = SweepRequest.model_validate(plain(given))
    except ValidationError as error:
        _note_all(error, mistakes)
        mistakes.tell()
        raise
    return AskedSweep(request, base or Path.cwd(), file, lines or {})


def _note_all(error: ValidationError, mistakes: Mistakes) -> None:
    for each in error.errors(include_url=False):
        place: YamlPath = each["loc"]
        if each["type"] == "extra_forbidden":
            known = SweepRequest if len(place) == 1 else AskedModel
            message = unknown("key", str(place[-1]), tuple(known.model_fields))
        elif each["type"] == "missing":
            message = f"{place[-1]} is missing"
        elif each["type"] == "model_type":
            message = f"{quoted(each['input'])} is not a mapping of keys to values"
        else:
            message = complaint(each)
        mistakes.note(message, place)
