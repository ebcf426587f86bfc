"""The figures of a soak as a page: benchmarks/results/soak.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.soak.observer import ROLES
from benchmarks.soak.verdict import FLAT, flat

Row = dict[str, Any]


def page(facts: Row, runs: Sequence[Row], processes: Sequence[Row], samples: Sequence[Row]) -> str:
    """Write the page.

    Args:
        facts: what was asked for and counted.
        runs: as of `verdict.of_runs`.
        processes: of runs, as of `Observer.processes`.
        samples: of long-lived processes and of folders.
    """
    mlflow = facts["mlflow"]
    starts = sum(row["starts"] for row in runs)
    done = [row for row in runs if row["state"] == "done"]
    lines = [
        "# Soak",
        "",
        f"{facts['runs']} small runs on the test cluster, a real Slurm {facts['slurm']} with three GPU nodes on one machine of "
        f"{facts['cpus']} cores that other work shares, in {facts['minutes']:.0f} minutes. "
        f"{facts['real']} of them trained a tiny network with the real kraken; in the others a scripted program took kraken's place, "
        "which writes the same files and learns nothing.",
        "",
        f"`make soak RUNS={facts['runs']} MINUTES={facts['asked_minutes']:g} SEED={facts['seed']}` does it again, "
        "`make soak RUNS=20 MINUTES=9` a tenth. The seed decides what is done when; who is hit depends on what runs at that moment.",
        "",
        "| | |",
        "|---|---|",
        f"| runs done | {len(done)} of {facts['runs']} |",
        f"| runs with each epoch once | {sum(row['each_epoch_once'] for row in runs)} |",
        f"| runs with a prediction of each line of the test page | {sum(row['lines_scored'] is not None and row['lines_scored'] == row['lines_predicted'] for row in runs)} |",
        f"| runs whose seals are whole | {sum(row['seals'] == 'ok' for row in runs)} |",
        f"| runs in MLflow, each one time | {mlflow['runs_of_ours'] if mlflow['runs'] == mlflow['runs_of_ours'] and not mlflow['runs_twice'] else mlflow} |",
        f"| epochs in MLflow, each one time | {mlflow['epochs'] - mlflow['epochs_lacking']} of {mlflow['epochs']}; twice: {mlflow['epochs_twice']} |",
        f"| starts of runs | {starts} ({starts / max(len(runs), 1):.1f} a run; at most {max((row['starts'] for row in runs), default=0)}) |",
        f"| runs that were started more than once | {sum(row['starts'] > 1 for row in runs)} |",
        f"| epochs trained again after a kill | {sum(row['lost_epochs'] for row in runs)} |",
        f"| runs that somebody had to resume | {facts['counts'].get('runs resumed by hand', 0)} |",
        f"| commands refused while Slurm was away, and given again | {facts['counts'].get('commands given again', 0)} |",
        f"| tracebacks of commands | {facts['counts'].get('tracebacks', 0)} |",
        f"| processes left | {len(facts['processes_left'])} |",
        f"| files left (temporary, locks, parts) | {len(facts['files_left'])} |",
        "",
        "## What was disturbed",
        "",
        "| what | how often |",
        "|---|---|",
        *[f"| {kind} | {facts['counts'].get(kind, 0)} |" for kind in facts["kinds"]],
        f"| jobs that Slurm held after it could not start them, released | {facts['counts'].get('jobs released', 0)} |",
        "",
        "## Memory and open files",
        "",
        f"Medians of the first and of the last tenth; flat means at most {FLAT} times as much, and of files ten more. A run's processes are compared by when they "
        "began; of each the most counts that was seen in looks 10 s apart.",
        "",
        "| | how many | memory, first tenth | last tenth | open files, first | last |",
        "|---|---|---|---|---|---|",
        *[_compared(name, rows, when) for name, rows, when in compared(processes, samples)],
        "",
        "## Folders",
        "",
        "| | at the first tenth | at the end | a run |",
        "|---|---|---|---|",
        *_folders(samples, len(runs)),
        "",
    ]
    return "\n".join(lines)


def compared(processes: Sequence[Row], samples: Sequence[Row]) -> list[tuple[str, list[Row], str]]:
    """Which rows are compared with each other: a name, the rows, and the key of their moment."""
    found: list[tuple[str, list[Row], str]] = []
    for role in ROLES.values():
        of_role = [row for row in processes if row["role"] == role]
        found.append((role, [row for row in of_role if not row["real"]], "first"))
    for name in sorted({row["of"] for row in samples if "rss_mb" in row}):
        found.append((name, [row for row in samples if row["of"] == name], "at"))
    return found


def not_flat(processes: Sequence[Row], samples: Sequence[Row]) -> list[str]:
    """Which of them grew."""
    grown = []
    for name, rows, when in compared(processes, samples):
        for key, slack in (("rss_mb", 0), ("files", 10)):
            pair = flat(rows, key, when)
            if pair is not None and pair[1] > pair[0] * FLAT + slack:
                grown.append(f"{name}: {key} {pair[0]} -> {pair[1]}")
    return grown


def _compared(name: str, rows: Sequence[Row], when: str) -> str:
    memory, files = flat(rows, "rss_mb", when), flat(rows, "files", when)
    if memory is None or files is None:
        return f"| {name} | {len(rows)} | | | | |"
    number = len({row["pid"] for row in rows}) if when == "at" else len(rows)
    return f"| {name} | {number} | {memory[0]:.0f} MB | {memory[1]:.0f} MB | {files[0]:.0f} | {files[1]:.0f} |"


def _folders(samples: Sequence[Row], runs: int) -> list[str]:
    rows = []
    for name in dict.fromkeys(row["of"] for row in samples if "mb" in row):
        of_name = [row for row in samples if row["of"] == name]
        early, last = of_name[len(of_name) // 10], of_name[-1]
        each = f"{last['mb'] * 1000 / max(runs, 1):.0f} kB, {last['entries'] / max(runs, 1):.1f} entries"
        rows.append(
            f"| {name} | {early['mb']:.1f} MB, {early['entries']} entries | {last['mb']:.1f} MB, {last['entries']} entries | {each} |"
        )
    return rows
