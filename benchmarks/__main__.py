"""Runs every benchmark, or those named, and writes the table of all figures: benchmarks/results/table.md.

The figures of each benchmark are kept in results/NAME.jsonl, so that one that was not run keeps its rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def main() -> int:
    """Run all benchmarks, or those named on the command line. Return 1 if one of them could not be run."""
    wanted = sys.argv[1:] or sorted(path.stem for path in HERE.glob("bench_*.py"))
    failed = False
    RESULTS.mkdir(exist_ok=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each start of kraken would compile its modules anew
    for name in wanted:
        said = subprocess.run(
            [sys.executable, str(HERE / f"{name}.py")], stdout=subprocess.PIPE, text=True, check=False
        )
        failed |= said.returncode != 0
        rows = [line for line in said.stdout.splitlines() if line.startswith("{")]
        print(*rows, sep="\n", flush=True)
        if rows:
            (RESULTS / f"{name}.jsonl").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    files = sorted(RESULTS.glob("bench_*.jsonl"))
    rows = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    table = RESULTS / "table.md"
    table.write_text(_table([json.loads(row) for row in rows]), encoding="utf-8")
    print(f"written to {table}")
    return int(failed)


def _table(rows: list[dict[str, object]]) -> str:
    lines = [
        "# Speed and memory",
        "",
        f"CPU seconds of whole processes with their children, measured on {os.cpu_count()} cores that other work shares: read the ratios.",
        "",
        "| what | ours | peer | its figure | ratio | limit |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours = _figure(row, "ours")
        limits = {"limit": "", "limit_cpu_s": " s", "limit_mb": " MB"}  # of the ratio, else of our own figure
        limit = next((f"{row[key]}{unit}" for key, unit in limits.items() if key in row), "")
        ratio = row.get("ratio", "")
        lines.append(
            f"| {row['name']} | {ours} | {row.get('peer', '')} | {_figure(row, 'peer')} | "
            f"{ratio if isinstance(ratio, str) else f'{ratio:.3f}'} | {limit} |"
        )
    return "\n".join(lines) + "\n"


def _figure(row: dict[str, object], of: str) -> str:
    for key, unit in ((f"{of}_cpu_s", "s"), (f"{of}_mb", "MB")):
        value = row.get(key)
        if isinstance(value, (int, float)):
            return f"{value:.2f} {unit}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
