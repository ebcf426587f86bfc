"""How much CPU the command line costs where nothing is trained: what one waits for, and what a login node allows.

CPU seconds of the child process, the best of three, against the libraries that any such tool has to import; an answer to TAB
against Hydra's own. Slurm's programs are shell scripts that answer at once: theirs is not our time. Prints one JSON line a
measurement.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from htr_exp.config.choices import conf_dir
from htr_exp.config.compose import compose_experiment
from htr_exp.core.files import append_jsonl, write_json, write_jsonl
from htr_exp.runs.run_dir import RunDir

RUNS = 100
EPOCHS = 30
POINTS = 40
TIMES = 3
LIMIT_S = 1.5
LIMIT_OF_A_POINT_S = 0.15
SUBMITTED_RUNS = 1000
COMPARED_RUNS, PAGES = 1000, 20
LIMIT_OF_COMPARE_S = 3.0
LIMIT_OF_SLURM_S = 2.0
PEER = (sys.executable, "-c", "import hydra, omegaconf, rich")
COMPLETED = ("train dataset=", "train training.l", "logs odalricus-tridis-0000000")
LIMIT_OF_TAB_S = 0.3
HYDRA_APP = """import hydra
@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(config): pass
main()
"""


def cpu_s(argv: Sequence[str], folder: Path) -> float:
    """The least user and system time of a command over `TIMES` runs, its children's included, in seconds.

    Modules are compiled to bytecode in a folder of this measurement first, as an installation does.

    Raises:
        RuntimeError: it fails.
    """
    best = float("inf")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    for _ in range(TIMES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if said.returncode:
            raise RuntimeError(f"{' '.join(argv)}: exit {said.returncode}\n{said.stderr}")
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def make_ketos(folder: Path) -> Path:
    """Write a program that says it is kraken 7.1.1."""
    folder.mkdir(parents=True)
    ketos = folder / "ketos"
    ketos.write_text("#!/bin/sh\necho 'ketos, version 7.1.1'\n")
    ketos.chmod(0o755)
    return ketos


def make_slurm(folder: Path) -> None:
    """Write programs that answer as those of a cluster do, with half of `SUBMITTED_RUNS` in the queue."""
    folder.mkdir(parents=True)
    widths = (40, 20, 20, 24, 8, 12, 80, 200)  # as htr_exp.slurm.programs asks squeue
    running = ("RUNNING", "3:00:00", "N/A", "0", "0", "gpu-07", "None")
    jobs = [(f"7_{number}", *running) for number in range(SUBMITTED_RUNS // 2)]
    queue = "\n".join("".join(word.ljust(width) for word, width in zip(job, widths)) for job in jobs)
    (folder / "queue.txt").write_text(queue + "\n")
    ended = [
        f"7_{number}|FAILED|1:0|2026-01-02T03:04:05|2026-01-02T04:04:05|gpu-07" for number in range(SUBMITTED_RUNS)
    ]
    (folder / "accounts.txt").write_text("\n".join(ended) + "\n")
    for name, answer in {
        "sbatch": 'case "$1" in --test-only) cat > /dev/null;; *) echo "Submitted batch job 9";; esac',
        "srun": "exit 1",
        "sinfo": "echo 'publicgpu|up|1-00:00:00|4|8|64000|gpu:1|gputc'",
        "squeue": f"cat '{folder}/queue.txt'",
        "sacct": f"cat '{folder}/accounts.txt'",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
        (folder / name).chmod(0o755)


def make_submitted(folder: Path) -> None:
    """Make run folders look submitted: half of them running, half ended without a word of their own."""
    for number, run in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        record = {
            "time": "2026-01-02T03:04:05Z",
            "job": f"7_{number}",
            "compile_job": None,
            "log": str(run / "job.out"),
            "packed": 1,
        }
        append_jsonl(RunDir(run).submissions, record | {"slurm": {"partition": "publicgpu", "time_min": 300}})
        state = "running" if number < SUBMITTED_RUNS // 2 else "queued"
        write_json(
            RunDir(run).state_file, {"state": state, "reason": None, "stage": "train", "since": "2026-01-02T03:04:05Z"}
        )
        RunDir(run).results.unlink()


def make_hydra_app(folder: Path) -> Path:
    """Write a program that lets Hydra complete the names of our datasets."""
    shutil.copytree(conf_dir() / "dataset", folder / "conf" / "dataset")
    (folder / "conf" / "config.yaml").write_text("defaults: [dataset: folder]\n")
    app = folder / "app.py"
    app.write_text(HYDRA_APP)
    return app


def make_run(folder: Path, number: int, values: dict[str, object]) -> None:
    """Write a run folder as a finished training leaves it."""
    curve = [
        {"epoch": epoch, "val_cer": 0.5 / (epoch + 1) + number / 10000, "errors": 900 - epoch, "characters": 2000,
         "seconds": 61.5, "time": "2026-01-02T03:04:05Z"}
        for epoch in range(EPOCHS)
    ]  # fmt: skip
    score = {"cer": 0.05, "cer_raw": 0.06, "wer": 0.2, "errors": 100, "characters": 2000, "lines": 60, "pages": PAGES}
    score |= {"cer_low": 0.04, "cer_high": 0.06, "units": PAGES, "per_page": [
        {"page": f"{page}.xml", "cer": 0.05, "errors": 5 + (page + number) % 7, "characters": 100} for page in range(PAGES)
    ]}  # fmt: skip
    run = RunDir(folder / f"odalricus-tridis-{number:08x}")
    for part in (run.live, run.predictions):
        part.mkdir(parents=True)
    run.experiment.write_text(yaml.safe_dump(values | {"seed": number}, sort_keys=False))
    write_json(run.provenance, {
        "run": {"uuid": str(number), "key": f"{number:08x}", "name": run.name, "task": "recognition", "question": "q"},
        "created": "2026-01-02T03:04:05Z",
        "software": {"kraken": "7.1.1"},
        "dataset": {"name": "odalricus", "pages": 20},
        "split": {"test_digest": "9" * 64},
        "model": {"name": "tridis"},
    })  # fmt: skip
    run.seal({})
    write_jsonl(run.metrics, curve)
    write_json(run.results, {side: {"base": score, "best": score} for side in ("test", "validation")})
    write_json(run.state_file, {"state": "done", "reason": None, "stage": None, "since": "2026-01-02T03:04:05Z"})
    run.best.write_bytes(b"weights")
    write_jsonl(run.predictions_of("test"), [{"page": "a.xml", "line": "1"}])
    run.seal_results()
    append_jsonl(run.starts, {"time": "2026-01-02T03:04:05Z", "lost_epochs": 0})
    append_jsonl(run.sweeps, {"sweep": "0a1b2c3d", "overrides": ["seed=range(100)"]})


def main() -> int:
    """Measure every command; exit 1 if one misses its limit."""
    missed = False

    def report(
        name: str, ours: float, limit: float, peer: float, peers_name: str = "import hydra, omegaconf, rich"
    ) -> None:
        nonlocal missed
        missed |= ours > limit
        figures = {"name": name, "ours_cpu_s": round(ours, 3), "limit_cpu_s": limit, "peer": peers_name}
        print(json.dumps(figures | {"peer_cpu_s": round(peer, 3), "ratio": round(ours / peer, 2)}), flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-cli-") as name:
        folder = Path(name)
        ketos = make_ketos(folder / "kraken")
        values = compose_experiment(["dataset=demo", "model=none", "architecture=small"]).values
        for number in range(RUNS):
            make_run(folder / "runs", number, values)
        ours = [sys.executable, "-m", "htr_exp"]
        dry = ["train", "--dry-run", "dataset=demo", "model=none", "architecture=small", f"runtime.ketos={ketos}"]
        peer = cpu_s(PEER, folder)
        for verb, words in (
            ("--help", ["--help"]),
            ("options", ["options"]),
            (f"status of {RUNS} runs", ["status"]),
            (f"compare of {RUNS} runs", ["compare"]),
            ("dry run on the demo pages", dry),
        ):
            report(verb, cpu_s([*ours, *words], folder), LIMIT_S, peer)
        for number in range(COMPARED_RUNS):
            make_run(folder / "compared" / "runs", number, values | {"tracking": {"kind": "none", "uri": None}})
        compare = [*ours, "compare", f"--workspace={folder / 'compared'}"]
        report(f"compare of {COMPARED_RUNS} runs over {PAGES} pages", cpu_s(compare, folder), LIMIT_OF_COMPARE_S, peer)
        app = make_hydra_app(folder / "peer")
        os.environ |= {"COMP_LINE": f"python {app} dataset=", "COMP_POINT": str(len(f"python {app} dataset="))}
        peer_of_tab = cpu_s([sys.executable, str(app), "-sc", "query=bash"], folder)
        for line in COMPLETED:
            answer = cpu_s([*ours, "completion", "answer", "bash", "--", f"htr-exp {line}"], folder)
            report(
                f"TAB behind `{line}`, {RUNS} runs",
                answer,
                LIMIT_OF_TAB_S,
                peer_of_tab,
                "Hydra's own, behind `dataset=`",
            )
        one = cpu_s([*ours, *dry, "-m", "seed=1"], folder)
        many = cpu_s([*ours, *dry, "-m", f"seed=range(1,{POINTS + 1})"], folder)
        report(f"a point of a sweep of {POINTS}", (many - one) / (POINTS - 1), LIMIT_OF_A_POINT_S, peer)

        make_slurm(folder / "slurm")
        os.environ["PATH"] = f"{folder / 'slurm'}{os.pathsep}{os.environ['PATH']}"
        submitted = [word for word in dry if word != "--dry-run"] + [
            "slurm=publicgpu",
            f"site.workspace={folder / 'submitting'}",
        ]
        report("a run submitted", cpu_s([*ours, *submitted], folder), LIMIT_OF_SLURM_S, peer)
        one = cpu_s([*ours, *submitted, "-m", "seed=1"], folder)
        many = cpu_s([*ours, *submitted, "-m", f"seed=range(1,{POINTS + 1})"], folder)
        report(f"a point of a submitted sweep of {POINTS}", (many - one) / (POINTS - 1), LIMIT_OF_A_POINT_S, peer)
        for number in range(SUBMITTED_RUNS):
            make_run(folder / "cluster" / "runs", number, values)
        make_submitted(folder / "cluster" / "runs")
        status = [*ours, "status", f"--workspace={folder / 'cluster'}"]
        report(f"status of {SUBMITTED_RUNS} submitted runs", cpu_s(status, folder), LIMIT_OF_SLURM_S, peer)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
