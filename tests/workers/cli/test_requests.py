"""Wrong requests: one message, exit code 2, nothing on standard output, nothing started."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from graph_schema.errors import (
    DatasetError,
    JobCancelled,
    JobFailed,
    LimitError,
    MissingExtraError,
    ModelError,
    ModelUnavailable,
    NonFiniteError,
    NotFoundError,
    ResourceError,
    SpecError,
    StoreUnavailable,
    StoreVersionError,
)
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World, write_lines
from workers.cli.exits import ExitCode, exit_code

ASK = ("--task", "induction", "--edges", "10")
GOOD = {"clean": [1, 2], "corrupt": [3, 2], "answers": [4], "wrong_answers": [5]}


@pytest.mark.parametrize("command", ["submit", "run"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "no such", *ASK), r"model 'no such' is neither a hub id"),
        (("--model", "a/b", "--method", "acdcc", *ASK), r"unknown method 'acdcc'"),
        (("--model", "a/b", "--task", "io", "--edges", "5"), r"'io'; did you mean 'ioi'\?"),
        (("--model", "a/b", "--task", "ioi", "--edges", "-5"), r"edges is -5; expected"),
        (("--model", "a/b", "--task", "ioi"), r"exactly one of n_edges \(--edges"),
        (("--model", "a/b", "--edges", "5"), r"exactly one of task \(--task"),
        (("--model", "a/b", *ASK, "--method", "eap", "--metric", "kl"), r"'eap' cannot use .*'kl'"),
        (("--model", "a/b", *ASK, "--task-param", "length"), r"'length' is not of the form"),
        (("--model", "a/b", *ASK, "--method", "eap", "--steps", "4"), r"no parameter 'steps'"),
    ],
)
def test_a_wrong_request_is_one_line_and_code_2(
    circuits: Circuits, tmp_path: Path, command: str, words: tuple[str, ...], message: str
) -> None:
    ran = circuits(command, *words, "--json")
    assert ran.code == ExitCode.REQUEST
    assert ran.out == ""
    assert re.search(message, ran.err)
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "home").exists(), "a wrong request started the local service"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b" " * 10 * 2**20, r"has 10,485,760 bytes; the limit for a dataset is 4,194,304 bytes"),
        (b'{"clean": [1], "corrupt": [1]}\n', r"line 1: the key 'answers' is missing"),
        (
            json.dumps(GOOD).encode() + b"\n" + json.dumps({**GOOD, "clean": [1]}).encode(),
            r"line 2: clean has 1 tokens, corrupt has 2",
        ),
        (b'{"clean": "\xe9"}\n', r"line 1: .*0xe9.* is not UTF-8"),
        (json.dumps(GOOD).encode(), r"has 1 pairs; at least 8 are needed"),
    ],
)
def test_a_bad_dataset_is_told_before_anything_starts(
    circuits: Circuits, tmp_path: Path, data: bytes, message: str
) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(data)
    ran = circuits("submit", "--model", "a/b", "--dataset", file, "--edges", 5)
    assert ran.code == ExitCode.REQUEST
    assert re.search(message, ran.err)
    assert str(file) in ran.err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("submit", "--model", "a/b", "--edges", "five"), r"'five' is not a whole number"),
        (("submit", "--model", "a/b", "--threshold", "low"), r"'low' is not a number"),
        (("submit", *ASK), r"Missing option '--model'"),
        (("frobnicate",), r"No such command 'frobnicate'"),
        (("show", "3f", "--format", "yaml"), r"unknown format 'yaml'; .*text, json"),
        (("show", "3f", "--limit", "0"), r"--limit is 0; expected at least 1"),
        (("jobs", "--state", "run"), r"unknown state 'run'; did you mean 'running'\?"),
        (("cypher", "RETURN 1", "--json", "--csv"), r"--json and --csv cannot go together"),
        (("cypher", "RETURN $x", "--param", "x"), r"--param 'x' is not of the form NAME=VALUE"),
    ],
)
def test_what_the_command_line_refuses_names_what_was_typed(
    circuits: Circuits, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    ran = circuits(*words)
    assert ran.code == ExitCode.REQUEST
    assert ran.out == ""
    assert re.search(message, ran.err)
    assert not (tmp_path / "home").exists()


def test_a_message_is_never_wrapped(circuits: Circuits) -> None:
    name = "./" + "very-long-folder-name/" * 12 + "model"
    ran = circuits("submit", "--model", name, *ASK)
    assert name in ran.err.splitlines()[0]


def test_debug_shows_where_an_error_comes_from(
    circuits: Circuits, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SpecError):
        circuits("--debug", "submit", "--model", "no such", *ASK)


@pytest.mark.parametrize("command", ["submit", "run"])
def test_a_model_that_is_away_is_code_3(circuits: Circuits, command: str) -> None:
    """It may be on a disk that is not there now; the same command may do later."""
    ran = circuits(command, "--model", "./absent", *ASK)
    assert (ran.code, ran.out) == (ExitCode.UNAVAILABLE, "")
    assert "model './absent': no such file or folder" in ran.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError, 2),
        (DatasetError, 2),
        (ModelError, 2),
        (LimitError, 2),
        (NotFoundError, 2),
        (ModelUnavailable, 3),
        (NonFiniteError, 1),
        (JobFailed, 1),
        (ResourceError, 3),
        (StoreUnavailable, 3),
        (StoreVersionError, 4),
        (MissingExtraError, 4),
        (JobCancelled, 5),
    ],
)
def test_exit_codes_say_who_can_act(error: type[SpecError], code: int) -> None:
    assert exit_code(error("why")) == code


def test_a_failed_run_says_why_once(
    circuits: Circuits, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = world.lines()
    lines[2]["answers"] = [4711]
    pairs = write_lines(tmp_path / "pairs.jsonl", lines)
    words = ("run", "--model", world.model, "--dataset", pairs, "--method", "eap", "--edges", 20)
    ran = circuits(*words, world=world)
    assert ran.code == ExitCode.REQUEST
    # What is logged as a warning is printed too, where nothing else was set up.
    told = ran.err + "".join(each.getMessage() for each in caplog.records if each.levelno >= 30)
    assert told.count("4711") == 1
    assert told.count("line 3") == 1
