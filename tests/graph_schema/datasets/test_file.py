"""A dataset as the client reads it: every refusal names line, value, expectation, next step."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from graph_schema.datasets.file import check_metric, dataset_document, merge_heldout, read_jsonl
from graph_schema.documents import Limits, Metric, PairDocument, Split
from graph_schema.errors import DatasetError

GOOD: dict[str, Any] = {
    "clean": [1, 2, 3],
    "corrupt": [1, 4, 3],
    "answers": [5],
    "wrong_answers": [6],
}


def jsonl(*records: object) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def dataset(change: dict[str, Any] | None = None, *, remove: str = "", line: int = 3) -> bytes:
    """Nine good lines, of which `line` is changed."""
    records = [dict(GOOD) for _ in range(9)]
    records[line - 1].update(change or {})
    records[line - 1].pop(remove, None)
    return jsonl(*records)


def refusal(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(DatasetError) as error:
        read_jsonl(data, limits)
    return str(error.value)


def test_pairs_come_back_in_the_order_of_the_lines() -> None:
    pairs = read_jsonl(jsonl(*({**GOOD, "id": str(i)} for i in range(8))))
    assert [pair.id for pair in pairs] == [str(i) for i in range(8)]
    assert pairs[0].clean == (1, 2, 3)
    assert pairs[0].answers == (5,)


def test_text_pairs_may_differ_in_characters() -> None:
    record = {"clean": "When Mary", "corrupt": "When Ann", "answers": [" a"]}
    assert read_jsonl(jsonl(*[record] * 8))[0].corrupt == "When Ann"


def test_every_optional_key_is_kept() -> None:
    extra = {
        "id": 7,
        "group": "template",
        "split": "heldout",
        "positions": [0, -1],
        "spans": {"name": [0, 2]},
        "weights": [[[5, 1.0]], [[6, -2]]],
        "metadata": {"note": None},
    }
    pair = read_jsonl(jsonl(*[GOOD] * 8, {**GOOD, **extra}))[8]
    assert (pair.id, pair.group, pair.split) == ("7", "template", Split.HELDOUT)
    assert pair.positions == (0, 2)
    assert pair.spans == {"name": (0, 2)}
    assert pair.weights == (((5, 1.0),), ((6, -2.0),))
    assert pair.metadata == {"note": None}


@pytest.mark.parametrize("key", ["clean", "corrupt", "answers"])
def test_a_missing_key_is_named_with_its_line(key: str) -> None:
    assert f"line 3: the key '{key}' is missing" in refusal(dataset(remove=key))


def test_an_unknown_key_is_named_with_the_nearest_one() -> None:
    message = refusal(dataset({"wrong_answer": [3]}))
    assert message.startswith("line 3: unknown key 'wrong_answer'; did you mean 'wrong_answers'?")
    assert "the keys are clean, corrupt" in refusal(dataset({"zzz": 1}))


def test_an_empty_file_says_what_a_line_looks_like() -> None:
    assert refusal(b"").startswith("the dataset is empty (0 bytes); expected at least 8 lines")
    assert "empty" in refusal(b"\n \n")


def test_a_large_file_is_refused_with_both_sizes() -> None:
    message = refusal(b" " * (10 * 2**20))
    assert "10,485,760 bytes" in message
    assert "4,194,304 bytes" in message


def test_too_few_and_too_many_pairs_are_counted() -> None:
    assert "has 5 pairs; at least 8" in refusal(jsonl(*[GOOD] * 5))
    assert "has 9 pairs; the limit is 8" in refusal(dataset(), Limits(pairs=8))
    held = {**GOOD, "split": "heldout"}
    assert "has 7 discovery pairs; at least 8" in refusal(jsonl(*[GOOD] * 7, *[held] * 9))


def test_bytes_that_are_not_utf8_are_found_by_line_and_byte() -> None:
    good = jsonl(*[GOOD] * 2)
    bad = b'{"clean": "caf\xe9"}\n'
    message = refusal(good + bad + good)
    assert message.startswith(f"line 3: byte 15 (0xe9; byte {len(good) + 15} of the file)")
    assert "UTF-8" in message


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (b'{"clean": "a",', "not JSON"),
        (b"[1, 2]", "write one object a line instead of one list"),
        (b"3", "expected a JSON object, found 3"),
        (b'{"clean": "a", "clean": "b"}', "the key 'clean' stands twice"),
        (b'{"clean": NaN}', "NaN is not a finite number"),
        (b'{"clean": 1e999}', "1e999 is not a finite number"),
        (
            b'{"weights": [[[" is", 1' + b"0" * 400 + b"]]]}",
            "10000000000000000000… (401 digits) is not a finite number",
        ),
        (
            b'{"positions": [-' + b"9" * 5000 + b"]}",
            "-9999999999999999999… (5,000 digits) is not a finite number",
        ),
        (b'{"clean": "\\ud800"}', "surrogate"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"clean": ' + b"9" * 5000 + b"}", "(5,000 digits) is not a finite number"),
        (b"   ", "the line is blank"),
    ],
)
def test_a_line_that_is_no_object_is_refused(line: bytes, part: str) -> None:
    message = refusal(jsonl(GOOD, GOOD) + line + b"\n" + jsonl(GOOD))
    assert message.startswith("line 3: ")
    assert part in message


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"clean": [1, 2, 3, 4]}, "clean has 4 tokens, corrupt has 3"),
        ({"clean": "text"}, "both be text or both be token ids"),
        ({"clean": ""}, 'clean is ""; expected text or a list of token ids, not empty'),
        ({"clean": []}, "clean is []"),
        ({"clean": [1, True, 2]}, "clean holds true; token ids are whole numbers"),
        ({"corrupt": [1, -4, 3]}, "corrupt holds -4"),
        ({"clean": [1, 2.0, 3]}, "clean holds 2.0"),
        ({"answers": " Mary"}, 'answers is " Mary"; expected a list, such as [" Mary"]'),
        ({"answers": [""]}, 'answers holds ""'),
        ({"answers": [1.5]}, "answers holds 1.5"),
        ({"answers": [[1], 2]}, "one list, or one full list a position"),
        ({"answers": [[1], [2]]}, "answers has 2 lists for 1 positions"),
        ({"positions": [3]}, "position 3 lies outside the prompt of 3 tokens; expected 0 to 2"),
        ({"positions": [-4]}, "position -4 lies outside"),
        ({"positions": [2, -1]}, "names a position twice"),
        ({"positions": []}, "positions is []"),
        ({"spans": {"s": [2, 2]}}, "span 's' is [2, 2]; expected from < to"),
        ({"spans": {"s": [0, 4]}}, "inside the prompt of 3 tokens"),
        ({"spans": {"s": [0]}}, "span 's' is [0]; expected [from, to]"),
        ({"spans": [1]}, "spans is [1]"),
        ({"weights": []}, "weights is [] for 1 positions"),
        ({"weights": [[[1, "x"]]]}, 'weights holds [1, "x"]'),
        ({"weights": [[[1]]]}, "weights holds [1]"),
        ({"weights": [[]]}, "weights holds []"),
        ({"split": "train"}, "split is \"train\"; expected 'discovery' or 'heldout'"),
        ({"group": ["a"]}, 'group is ["a"]; expected text'),
        ({"metadata": 3}, "metadata is 3; expected a JSON object"),
    ],
)
def test_a_value_of_the_wrong_kind_is_shown(change: dict[str, Any], part: str) -> None:
    message = refusal(dataset(change))
    assert message.startswith("line 3: ")
    assert part in message


def test_a_long_prompt_of_ids_is_refused_with_both_lengths() -> None:
    long = {"clean": [1] * 1025, "corrupt": [2] * 1025}
    assert "line 3: the prompt has 1,025 tokens; the limit is 1,024" in refusal(dataset(long))


def test_an_id_used_twice_names_both_lines() -> None:
    records = [{**GOOD, "id": str(i)} for i in range(8)]
    records[5]["id"] = "2"
    assert refusal(jsonl(*records)) == "line 6: id '2' is already that of line 3; ids must differ"


def test_answers_may_be_missing_where_weights_are_given() -> None:
    record = {"clean": [1], "corrupt": [2], "weights": [[[1, 1.0]]]}
    check_metric(read_jsonl(jsonl(*[record] * 8)), Metric.LINEAR)


@pytest.mark.parametrize(
    ("metric", "remove", "part"),
    [
        (Metric.LOGIT_DIFF, "wrong_answers", "metric 'logit_diff' needs 'wrong_answers'"),
        (Metric.PROB_DIFF, "wrong_answers", "metric 'prob_diff' needs 'wrong_answers'"),
        (Metric.LINEAR, "", "metric 'linear' needs 'weights'"),
    ],
)
def test_a_metric_that_reads_what_a_line_lacks_is_refused(
    metric: Metric, remove: str, part: str
) -> None:
    pairs = read_jsonl(dataset(remove=remove, line=1))
    with pytest.raises(DatasetError, match=f"^line 1: {part}"):
        check_metric(pairs, metric)


def test_kl_and_answer_metrics_need_no_wrong_answers() -> None:
    pairs = read_jsonl(dataset(remove="wrong_answers"))
    for metric in (Metric.KL, Metric.ANSWER_LOGIT, Metric.ANSWER_PROB):
        check_metric(pairs, metric)


def test_a_heldout_file_replaces_the_splits_of_the_first() -> None:
    first = read_jsonl(jsonl(*[GOOD] * 8, {**GOOD, "split": "heldout", "id": "dropped"}))
    second = read_jsonl(jsonl(*({**GOOD, "id": f"h{i}"} for i in range(8))))
    merged = merge_heldout(first, second)
    assert [pair.split for pair in merged] == [Split.DISCOVERY] * 8 + [Split.HELDOUT] * 8
    assert "dropped" not in [pair.id for pair in merged]


def test_ids_may_recur_in_a_heldout_file() -> None:
    pairs = read_jsonl(jsonl(*({**GOOD, "id": str(i)} for i in range(8))))
    stored = dataset_document(merge_heldout(pairs, pairs), "t")
    assert len(read_jsonl(stored.jsonl.encode())) == 16


def test_spelling_does_not_change_the_stored_dataset() -> None:
    plain = jsonl(*[GOOD] * 8)
    spaced = b"\xef\xbb\xbf" + plain.replace(b": ", b" :  ").replace(b"\n", b"\r\n") + b"\n\n"
    assert dataset_document(read_jsonl(plain), "t") == dataset_document(read_jsonl(spaced), "t")


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
json_values: st.SearchStrategy[JsonValue] = st.none() | texts
tokens = st.one_of(texts, st.integers(0, 10**6))


@st.composite
def pair_documents(draw: st.DrawFn) -> PairDocument:
    n = draw(st.integers(1, 4))
    ids = st.lists(st.integers(0, 99), min_size=n, max_size=n).map(tuple)
    clean, corrupt = draw(st.one_of(st.tuples(texts, texts), st.tuples(ids, ids)))
    return PairDocument(
        clean=clean,
        corrupt=corrupt,
        answers=draw(st.lists(tokens, min_size=1, max_size=2).map(tuple)),
        wrong_answers=draw(st.lists(tokens, max_size=2).map(tuple)),
        group=draw(st.none() | texts),
        split=draw(st.none() | st.just(Split.DISCOVERY)),
        weights=draw(st.none() | st.just((((1, 0.5), ("x", 1e300)),))),
        metadata=draw(st.none() | st.dictionaries(texts, json_values, min_size=1)),
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(pair_documents(), min_size=8, max_size=12))
def test_a_stored_dataset_reads_back_as_it_was(pairs: list[PairDocument]) -> None:
    stored = dataset_document(pairs, "t")
    assert list(read_jsonl(stored.jsonl.encode())) == pairs
    assert stored.n_pairs == len(pairs)


def test_reading_a_dataset_loads_no_torch() -> None:
    code = (
        "import sys\nimport graph_schema.datasets.file\n"
        "assert not {'torch', 'transformers'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
