"""How often an 80 % forecast of a learning curve holds the true CER: the table behind `scoring/forecast.py`.

Run `python -m benchmarks.forecast_coverage`: it writes results/forecast_coverage.md in less than a minute; no clock is in it, and the
same seed gives the same table. With run folders (`python -m benchmarks.forecast_coverage WORKSPACE/runs/*`) it looks back on the
learning curves among them instead, and writes nothing: it leaves out their largest numbers of pages, and forecasts those.

A curve is fitted on 1, 2, 4 and 8 pages, each with three seeds; the truth is the mean over all seeds at 16 and at 32 pages, on the same
test pages. The pages to train on are nested, as ours are: what a page is worth moves all sizes that have it. Three methods are tried:

- *next slope* is ours;
- *line* is least squares through the means of the sizes, with the usual interval of a prediction (t of two degrees of freedom);
- *line through runs* is the same through all runs, as if seeds were sizes (t of ten degrees of freedom).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy

from htr_exp.runs.experiments import TRAIN_PAGES, experiments
from htr_exp.runs.rows import compared_rows
from htr_exp.runs.run_dir import RunDir
from htr_exp.scoring.forecast import FEWEST, LEVEL, of_curve, why_not
from htr_exp.scoring.intervals import student

SIZES = (1, 2, 4, 8)
LATER = (16, 32)
SEEDS = 3
TIMES = 2000
RESULTS = Path(__file__).resolve().parent / "results" / "forecast_coverage.md"

CURVES: dict[str, Callable[[float], float]] = {
    "power law, exponent 0.35": lambda n: 0.2 * n**-0.35,
    "power law, exponent 0.12": lambda n: 0.12 * n**-0.12,
    "power law above 2 %": lambda n: 0.02 + 0.15 * n**-0.4,
    "power law above 4 %": lambda n: 0.04 + 0.1 * n**-0.6,
    "base model that knows as much as 4 pages": lambda n: 0.02 + 0.3 * (n + 4) ** -0.7,
    "falls late": lambda n: 0.2 * (1 + n / 4) ** -0.5,
    "falls early": lambda n: 0.25 * (1 + 2 * n) ** -0.3,
}

NOISES = {"3 %, 5 %": (0.03, 0.05), "5 %, 15 %": (0.05, 0.15), "10 %, 15 %": (0.1, 0.15), "2 %, 30 %": (0.02, 0.3)}
"""Standard deviations on the log of the CER: of a seed, and of what one page is worth."""

Ends = list[tuple[float, float]]


def line(x: Sequence[float], y: Sequence[float]) -> Ends:
    """The interval of a least squares line at each number of pages to come, on logarithms."""
    n, middle, mean = len(x), numpy.mean(x), numpy.mean(y)
    away = numpy.asarray(x) - middle
    spread = (away**2).sum()
    slope = (away * y).sum() / spread
    error = math.sqrt(((y - mean - slope * away) ** 2).sum() / (n - 2))
    found = []
    for size in LATER:
        ahead = math.log(size) - middle
        reach = student(n - 2, LEVEL) * error * math.sqrt(1 + 1 / n + ahead**2 / spread)
        found.append((math.exp(mean + slope * ahead - reach), math.exp(mean + slope * ahead + reach)))
    return found


def row(name: str, noise: str) -> list[str]:
    """Shares of intervals that hold the true CER, in percent, and how wide ours are."""
    source = numpy.random.default_rng([*name.encode(), *noise.encode()])
    of_seed, of_page = NOISES[noise]
    held = dict.fromkeys(("next slope", "line", "line through runs"), numpy.zeros(len(LATER)))
    wide, sure, refused = [], 0, 0
    for _ in range(TIMES):
        worth = of_page * source.standard_normal(max(LATER))
        true = {size: CURVES[name](size) * math.exp(worth[:size].mean()) for size in (*SIZES, *LATER)}
        seen = {size: true[size] * numpy.exp(of_seed * source.standard_normal(SEEDS)) for size in SIZES}
        rates = {size: float(values.mean()) for size, values in seen.items()}
        if why_not(rates):
            refused += 1
            continue
        ours = [(one.interval.low, one.interval.high) for one in of_curve(rates)]
        wide.append(math.sqrt(ours[0][1] / ours[0][0]))
        sure += ours[0][1] < rates[SIZES[-1]]
        sizes = numpy.log(SIZES)
        methods: dict[str, Ends] = {
            "next slope": ours,
            "line": line(sizes, numpy.log([*rates.values()])),
            "line through runs": line(numpy.repeat(sizes, SEEDS), numpy.log(numpy.concatenate([*seen.values()]))),
        }
        for method, ends in methods.items():
            held[method] = held[method] + [low <= true[size] <= high for size, (low, high) in zip(LATER, ends)]
    made = TIMES - refused
    shares = [f"{100 * share:.1f}" for of in held.values() for share in of / made]
    return [
        name,
        noise,
        *shares,
        f"{numpy.median(wide):.2f}",
        f"{100 * sure / made:.0f}",
        f"{100 * refused / TIMES:.1f}",
    ]


def simulated() -> str:
    """The whole table."""
    rows = [row(name, noise) for noise in NOISES for name in CURVES]
    figures = numpy.array([[float(cell) for cell in cells[2:]] for cells in rows])
    summary = [
        [what, "all", *(f"{value:.1f}" for value in of(figures, axis=0)[:6]), "", "", ""]
        for what, of in (("**mean**", numpy.mean), ("**lowest**", numpy.min))
    ]
    heading = ["curve", "noise (seed, page)"]
    heading += [f"{method}, {size}" for method in ("next slope", "line", "line through runs") for size in LATER]
    heading += ["half width, 16", "clearly better", "refused"]
    lines = [
        f"# How often an {100 * LEVEL:.0f} % forecast of a learning curve holds the true CER",
        "",
        f"In percent of {TIMES} curves drawn for each row (standard error {100 * math.sqrt(0.16 / TIMES):.1f}), fitted on {', '.join(map(str, SIZES))} pages with {SEEDS} seeds each; "
        "the truth is at 16 and at 32 pages. Ours is *next slope*. *Half width* is the factor by which its interval for 16 pages reaches up and down (median), "
        "*clearly better* how often it lies below the CER of 8 pages, *refused* how often the curve did not fall.",
        "",
        "| " + " | ".join(heading) + " |",
        "|" + "---|" * len(heading),
        *("| " + " | ".join(cells) + " |" for cells in rows + summary),
    ]
    return "\n".join(lines) + "\n"


def looked_back(folders: Sequence[str]) -> Iterator[str]:
    """Yield what was forecast of each recorded learning curve from its smaller sizes, and what came."""
    workspaces: dict[Path, list[RunDir]] = {}
    for folder in map(Path, folders):
        if folder.is_dir():  # runs/* has records of the workspace, too
            workspaces.setdefault(folder.parent, []).append(RunDir(folder))
    curves = []
    for runs in workspaces.values():
        rows, _, broken = compared_rows(runs)
        yield from (f"warning: {said}" for said in broken)
        curves += [one for one in experiments([row for row in rows if row["verb"] != "evaluate"]) if one.curve]
    held = asked = 0
    for found in curves:
        rates = _rates_of({one.name: one.only.mean for one in found.conditions})
        for kept in range(FEWEST, len(rates)):
            earlier = dict(sorted(rates.items())[:kept])
            if said := why_not(earlier):
                yield f"{found.question}, up to {max(earlier)} pages: {said}"
                continue
            for one in of_curve(earlier):
                if one.pages in rates:
                    came, low, high = rates[one.pages], one.interval.low, one.interval.high
                    asked, held = asked + 1, held + (low <= came <= high)
                    yield f"{found.question}, up to {max(earlier)} pages: {one.pages} pages {one.rate:.4f} ({low:.4f} to {high:.4f}), came {came:.4f}"
    yield f"{held} of {asked} intervals held what came"


def _rates_of(means: Mapping[str, float | None]) -> dict[int, float]:
    sizes = {
        name.rpartition("=")[2]: mean for name, mean in means.items() if name.startswith(TRAIN_PAGES.rpartition(".")[2])
    }
    return {int(size): mean for size, mean in sizes.items() if size.isdecimal() and mean is not None}


def main() -> int:
    """Write the table, or look back on the runs that are named."""
    if folders := sys.argv[1:]:
        for said in looked_back(folders):
            print(said)
        return 0
    table = simulated()
    RESULTS.write_text(table, encoding="utf-8")
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
