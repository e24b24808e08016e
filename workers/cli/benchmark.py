"""Commands that hold methods to circuits that are known: `benchmark ground-truth`, `published`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph_schema.documents import Ablation
from graph_schema.errors import SpecError
from graph_schema.reports import cell, table
from workers.cli.command_line import command, command_group
from workers.cli.exits import ExitCode, exit_code
from workers.cli.options import AsJson, assignments, whole
from workers.cli.output import emit, emit_json, say
from workers.machine import known_error
from workers.requests.checking import choice, unknown
from workers.settings import read_settings

if TYPE_CHECKING:
    from discovery.known.recovery import Judged

log = logging.getLogger(__name__)

GROUND_TRUTH = (
    "circuits benchmark ground-truth ./compiled --method exact --method acdc --ablation corrupt"
)
benchmark = command_group(
    "benchmark",
    "Hold the methods to known circuits.\n\n"
    "Circuits of compiled programs, and those that papers published.",
    GROUND_TRUTH,
    no_args_is_help=True,
)

LEVELS = ("component", "feature")
HEADINGS = ("case", "method", "ablation", "truth", "AUROC", "precision", "recall", "kept")


@command(
    GROUND_TRUTH,
    "circuits benchmark ground-truth ./compiled --json",
    "circuits benchmark ground-truth ./ground_truth --level feature --method exact",
    name="ground-truth",
    group=benchmark,
)
def ground_truth(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="A folder with compiled cases, or one case; at level feature one that holds "
            "compiled/ and features/.",
        ),
    ],
    level: Annotated[
        str,
        typer.Option(metavar="NAME", help="component (heads and MLPs), or feature."),
    ] = "component",
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="exact, eap, eap-ig, acdc; at level feature exact, attribution, two-leg, mask-ig, "
            "acdc; repeatable (all).",
        ),
    ] = None,
    ablation: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="corrupt or zero; repeatable (corrupt)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge methods by programs compiled into models.

    Each method runs on all pairs of each case under DIR, and is compared with the case's truths:
    with resample_* under corrupt, with zero_* under zero, with the others under both. AUROC is by
    |score|; ACDC's score is the largest threshold that keeps an edge, of four a decade from 1e-6
    to 1 of what ablating everything does to the loss. An edge is kept from 1e-5 of that on. The
    change of the logits is the largest when all other edges are ablated: 0 where the program
    survives. CPU seconds are of one run of the method. A case that cannot be read or judged is
    named on standard error and left out; the others go on, and the command ends with its code.
    Ctrl-C prints what is done.

    At level feature the nodes are named directions that components write, each file of features/
    is a case, and the candidates are all edges between its nodes. exact ranks them by the largest
    change of an output when an edge alone is ablated, and is held to the file's own.
    """
    methods, ablations = method or None, ablation or [Ablation.CORRUPT.value]
    asked = [choice("ablation", Ablation, name) for name in ablations]
    from workers.local.able import require_worker

    require_worker(read_settings())
    rows, code = _judged(folder, _level(level), methods, asked)
    if as_json:
        emit_json([asdict(row) for row in rows])
    elif rows:
        emit(table((*HEADINGS, "logit change", "CPU s"), _lines(rows)))
    if code is not ExitCode.DONE:
        raise typer.Exit(code)


@dataclass(frozen=True)
class _Level:
    """What is judged: cases of a folder, by methods."""

    methods: Sequence[str]
    cases: Callable[[Path], list[Path]]
    read: Callable[[Path], Any]
    judge: Callable[[Any, str, Ablation], Judged]


def _level(name: str) -> _Level:
    if name == "component":
        from discovery.known.recovery import METHODS, case_folders, judge, read_case

        return _Level(METHODS, case_folders, read_case, judge)
    if name == "feature":
        from discovery.known.feature_recovery import FEATURE_METHODS, judge_features
        from discovery.known.features import feature_files, read_feature_case

        return _Level(FEATURE_METHODS, feature_files, read_feature_case, judge_features)
    raise SpecError(unknown("level", name, LEVELS))


def _judged(
    folder: Path, level: _Level, names: Sequence[str] | None, ablations: list[Ablation]
) -> tuple[list[Judged], ExitCode]:
    """What could be judged, and how the first case ended that could not."""
    import torch

    from discovery.known.recovery import ABLATIONS

    methods = tuple(names or level.methods)
    for name in methods:
        if name not in level.methods:
            raise SpecError(unknown("method", name, level.methods))
    for ablation in ablations:
        if ablation not in ABLATIONS:
            known = ", ".join(each.value for each in ABLATIONS)
            raise SpecError(
                f"ablation {ablation.value!r} has no truth in compiled cases; use one of: {known}"
            )
    torch.set_num_threads(read_settings().threads)
    rows: list[Judged] = []
    codes: list[ExitCode] = []
    for each in level.cases(folder):
        try:
            case = level.read(each)
            for ablation in ablations:
                for method in methods:
                    rows.append(found := level.judge(case, method, ablation))
                    say(f"{case.name}: {method} under {ablation.value}, {found.cpu_seconds:.1f} s")
        except KeyboardInterrupt:
            say(f"\ninterrupted at {each.name}")
            codes.insert(0, ExitCode.INTERRUPTED)
            break
        except Exception as error:  # of one case: what the others gave is not lost for it
            known = known_error(error)
            if known is None:
                log.exception("case %s: this is a bug; please report it", each)
            else:
                say(f"error: {each.name}: {known}")
            codes.append(ExitCode.BUG if known is None else exit_code(known))
    return rows, codes[0] if codes else ExitCode.DONE


def _lines(rows: Sequence[Judged]) -> list[tuple[Any, ...]]:
    """A line for each truth of a row; what does not depend on the truth is in the first."""
    lines: list[tuple[Any, ...]] = []
    for row in rows:
        about = (row.case, row.method, row.ablation)
        numbers = (row.kept, row.max_logit_change, row.cpu_seconds)
        for place, truth in enumerate(row.auroc or ("",)):
            judged = (row.auroc.get(truth), row.precision.get(truth), row.recall.get(truth))
            lines.append((*about, truth, *judged, *(numbers if place == 0 else (None,) * 3)))
    return lines


@command(
    "circuits benchmark published ./published",
    "circuits benchmark published ./published --model ioi_gpt2_small=./gpt2 --json",
    name="published",
    group=benchmark,
)
def published(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder with files of published circuits.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="Where a file's model is (the hub's cache); repeatable.",
        ),
    ] = None,
    pairs: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Pairs that each task makes.")
    ] = 32,
    as_json: AsJson = False,
) -> None:
    """Compare with circuits that papers published.

    Scores every edge with eap-ig on the circuit's task, where the model's weights are on this
    machine; nothing is downloaded. "found" is the share of a published list of n edges among the n
    strongest.
    """
    settings = read_settings()
    from workers.local.able import require_worker

    require_worker(settings)
    from workers.cli.published import compare_all

    places = {name: str(place) for name, place in assignments(model or [], "--model").items()}
    rows = compare_all(folder, places, pairs, settings)
    if as_json:
        emit_json(rows)
        return
    for row in rows:
        emit(f"{row['circuit']}: {row['status']}")
        lines = [
            (
                name,
                *(edges[key] for key in ("n", "auroc", "found", "faithfulness")),
                edges["faithfulness_found"],
            )
            for name, edges in row.get("edges", {}).items()
        ]
        if lines:
            emit(table(("edges", "n", "AUROC", "found", "faithfulness", "of strongest"), lines))
        if "components_auroc" in row:
            emit(f"AUROC of components: {cell(row['components_auroc'])}")
