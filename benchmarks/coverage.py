"""How often 95 % intervals over groups cover the truth, for docs/evaluation.md.

    python -m benchmarks.coverage
    python -m benchmarks.coverage --tries 200 --groups 10 12 --print

Values of pairs are a group's effect plus noise of the same variance. A mean is of such values; a
ratio is like faithfulness, .8 of a gap of 4 with such noise in both; cmd is the area between 1 and
a curve of ten such ratios that rises from 0 to 1. Groups have 4 pairs each, or 1 to 8.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from benchmarks.page import cpu, put, versions
from discovery.evaluation.curve import SHARES
from graph_schema.intervals import figure_interval, group_interval

PAGE = Path(__file__).parent.parent / "docs" / "evaluation.md"
GROUPS = (2, 3, 5, 7, 10, 12, 20, 40)
TRIES, SEED = 2000, 0
Values = NDArray[np.float64]
Effects = Callable[[np.random.Generator, int], Values]

EFFECTS: dict[str, Effects] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed (gamma, skewness 1)": lambda rng, n: (rng.gamma(4, size=n) - 4) / 2,
    "very skewed (exponential, 2)": lambda rng, n: rng.exponential(size=n) - 1,
}
SIZES: dict[str, Callable[[np.random.Generator, int], NDArray[np.int64]]] = {
    "equal": lambda rng, n: np.full(n, 4),
    "1 to 8": lambda rng, n: rng.integers(1, 9, n),
}
CURVE = np.linspace(0, 1, len(SHARES))


def noise(rng: np.random.Generator, member: NDArray[np.int64], effects: Effects) -> Values:
    """Of mean 0 and variance 1, half of it between groups."""
    within = rng.normal(size=len(member))
    return (effects(rng, int(member.max()) + 1)[member] + within) / np.sqrt(2)


def covered(
    figure: str, rng: np.random.Generator, n: int, effects: Effects, sizes: NDArray[np.int64]
) -> bool:
    """Whether one simulated interval holds the truth."""
    member = np.repeat(np.arange(n), sizes)
    groups, seed = member.astype(str).tolist(), int(rng.integers(2**31))
    values = noise(rng, member, effects)
    if figure == "percentiles":
        return percentiles(values, member, rng)
    if figure == "mean":
        found, truth = group_interval(values, groups, seed=seed), 0.0
    else:
        gap = 4 + 1.5 * noise(rng, member, effects)
        if figure == "ratio":
            found, truth = group_interval(0.8 * gap + values, groups, over=gap, seed=seed), 0.8
        else:
            # All kept is the model: the curve's last point has no noise.
            points = [f * gap + (1 - f) * noise(rng, member, effects) for f in CURVE]
            found = figure_interval(np.stack([*points, gap], axis=-1), groups, area, seed=seed)
            truth = float(trapezoid(1 - CURVE, SHARES))
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


def area(sums: Values) -> Values:
    return np.asarray(trapezoid(np.abs(1 - sums[..., :-1] / sums[..., -1:]), SHARES))


def percentiles(values: Values, member: NDArray[np.int64], rng: np.random.Generator) -> bool:
    """The same for the percentiles of a bootstrap over groups, of a mean."""
    n = int(member.max()) + 1
    drawn = rng.integers(0, n, (1000, n))
    sums, counts = np.bincount(member, values, n), np.bincount(member, minlength=n)
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return bool(low <= 0 <= high)


def row(figure: str, effects: str, sizes: str, groups: Sequence[int], tries: int) -> list[str]:
    found: list[str] = []
    for n in groups:
        rng = np.random.default_rng([SEED, n])
        hits = sum(
            covered(figure, rng, n, EFFECTS[effects], SIZES[sizes](rng, n)) for _ in range(tries)
        )
        found.append(f"{100 * hits / tries:.1f}")
    return found


def section(groups: Sequence[int], tries: int) -> str:
    """The table, in Markdown."""
    rows = [(f, e, s) for f in ("mean", "ratio") for s in SIZES for e in EFFECTS]
    rows += [("cmd", effects, "1 to 8") for effects in EFFECTS]
    rows.append(("percentiles", "normal", "1 to 8"))
    lines = [
        f"| figure | groups' effects | pairs a group | {' | '.join(map(str, groups))} |",
        "| --- " * (3 + len(groups)) + "|",
    ]
    for figure, effects, sizes in rows:
        name = "mean, bootstrap percentiles" if figure == "percentiles" else figure
        cells = " | ".join(row(figure, effects, sizes, groups, tries))
        lines.append(f"| {name} | {effects} | {sizes} | {cells} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tries", type=int, default=TRIES, help="simulations a cell")
    parser.add_argument("--groups", type=int, nargs="+", default=GROUPS)
    parser.add_argument("--print", action="store_true", help="print, leave the page as it is")
    asked = parser.parse_args()
    table: list[str] = []
    seconds = cpu(lambda: table.append(section(asked.groups, asked.tries)))
    said = (
        f"Per cent of {asked.tries:,} simulated intervals that hold the truth, by number of groups "
        f"(95 intended; one standard error is {100 * np.sqrt(0.05 * 0.95 / asked.tries):.1f}). "
        f"Seed {SEED}; {versions('numpy', 'scipy')}; {seconds:.0f} CPU seconds of "
        "`python -m benchmarks.coverage`.\n\n"
    )
    if not asked.print:
        put("coverage", said + table[0], PAGE)


if __name__ == "__main__":
    main()
