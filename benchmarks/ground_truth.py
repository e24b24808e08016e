"""How well each method finds the circuits of compiled programs: docs/ground-truth.md.

    python -m benchmarks.ground_truth DIR [--write]

Every case under DIR, every method, both ablations, as `circuits benchmark ground-truth` runs them,
on one torch thread. `--write` puts the tables into docs/ground-truth.md.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from discovery.known.recovery import ABLATIONS, KEPT, METHODS, Judged, judge, read_cases

PAGE = Path(__file__).parents[1] / "docs" / "ground-truth.md"
MARK = "<!-- python -m benchmarks.ground_truth DIR --write -->"
MINIMAL = {"corrupt": "resample_minimal", "zero": "zero_minimal"}


def shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def change(value: float) -> str:
    return "0" if value < 1e-12 else f"{value:.1g}" if value < 1e-3 else f"{value:.2f}"


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def summary(rows: Sequence[Judged]) -> list[str]:
    """Over cases: how often AUROC is 1 and the program survives."""
    lines = [
        line(("method", "ablation", "AUROC 1", "mean AUROC", "program survives", "CPU s in all")),
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for method in METHODS:
        for ablation, truth in MINIMAL.items():
            ours = [row for row in rows if (row.method, row.ablation) == (method, ablation)]
            found = [value for row in ours if (value := row.auroc.get(truth)) is not None]
            survive = sum(row.max_logit_change < 1e-3 for row in ours)
            cells = (
                *(method, ablation, f"{sum(value == 1 for value in found)} of {len(found)}"),
                *(shown(float(np.mean(found))), f"{survive} of {len(ours)}"),
                f"{sum(row.cpu_seconds for row in ours):.1f}",
            )
            lines.append(line(cells))
    return lines


def details(rows: Sequence[Judged], ablation: str) -> list[str]:
    minimal = MINIMAL[ablation]
    headings = ("case", "method", "AUROC minimal", "static", "weights", "kept", "precision")
    lines = [
        line((*headings, "recall", "logit change", "CPU s")),
        line(["---"] * (len(headings) + 3)),
    ]
    for row in rows:
        if row.ablation != ablation:
            continue
        truths = (minimal, "static_interpbench", "weights_nonzero")
        cells = (
            *(row.case, row.method, *(shown(row.auroc.get(truth)) for truth in truths)),
            *(str(row.kept), shown(row.precision.get(minimal)), shown(row.recall.get(minimal))),
            *(change(row.max_logit_change), f"{row.cpu_seconds:.2f}"),
        )
        lines.append(line(cells))
    return lines


def page(rows: Sequence[Judged]) -> str:
    packages = ("circuit-atlas", "torch", "numpy")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return "\n".join(
        [
            MARK,
            "",
            f"{len({row.case for row in rows})} cases, all their pairs. {when}; {versions}, Python "
            f"{platform.python_version()}, one thread, float64. Nothing is drawn: no seed.",
            "",
            "Against the `minimal` truth of the ablation:",
            "",
            *summary(rows),
            "",
            "### Under `corrupt`",
            "",
            *details(rows, "corrupt"),
            "",
            "### Under `zero`",
            "",
            *details(rows, "zero"),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Judged] = []
    for case in read_cases(options.folder):
        for ablation in ABLATIONS:
            for method in METHODS:
                rows.append(judge(case, method, ablation))
                print(case.name, ablation.value, method, file=sys.stderr, flush=True)
    text = page(rows)
    if options.write:
        before, _, _ = PAGE.read_text().partition(MARK)
        PAGE.write_text(before + text)
    else:
        print(f"kept from {KEPT:g} of the gap\n{text}")


if __name__ == "__main__":
    main()
