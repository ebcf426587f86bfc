from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from omegaconf import OmegaConf

import htr_exp
from fakes.fake_sbatch import Sbatch, put_on_path
from fakes.fake_slurm_site import site
from helpers.folders import SLURM_DATA
from htr_exp.config.choices import conf_dir
from htr_exp.config.schema import Slurm
from htr_exp.slurm import sbatch
from htr_exp.slurm.sbatch import RefusedError, Work


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sbatch:
    return put_on_path(site(tmp_path, monkeypatch).file.parent / "bin", monkeypatch)


def settings(**changes: Any) -> Slurm:
    """What slurm=publicgpu asks for, with changes."""
    values: dict[str, Any] = {}
    for name in ("none", "template", "publicgpu"):
        values |= cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.load(conf_dir() / "slurm" / f"{name}.yaml")))
    del values["defaults"]
    return Slurm(**(values | changes))


def work(slurm: Slurm | None = None, **changes: Any) -> Work:
    asked = Work(
        slurm or settings(), "odalricus-tridis-0123abcd", Path("/work/cache/jobs"), Path("/work/cache/code/0a1b"),
        if_lost="htr_exp.pipeline.lost_step",
    )  # fmt: skip
    return replace(asked, **changes)


SCRIPTS = {
    "one": (work(), 1),
    "array_after_compile": (work(settings(array_parallelism=3), name="odalricus-1a2b3c4d", after="4711"), 12),
    "packed": (work(settings(runs_per_gpu=3, cpus_per_task=2, mem_gb=3.5), packed=3), 2),
    "cpu": (work(settings(partition="public", gres=None, constraint=None, mem_gb=None, mail_type=None)), 1),
    "extra_options": (
        work(settings(account="htr", qos="long", nodelist="node7", exclude="node[1-3]", mail_user="scholar@example.org",
                      extra={"reservation": "summer", "comment": "for chapter 2", "exclusive": True, "oversubscribe": False, "nice": None})),
        1,
    ),
    "odd_paths": (work(folder=Path("/my work/it's here/$HOME/jobs"), code=Path("/my work/it's here/$HOME/code"), name="l'an 1100"), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_is_what_it_was(name: str) -> None:
    """After a wanted change, write what is new to tests/data/slurm/ and read the difference."""
    said = sbatch.script(*SCRIPTS[name]).replace(shlex.quote(sys.executable), "PYTHON")
    assert said == (SLURM_DATA / f"{name}.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_is_a_shell_script(name: str) -> None:
    said = subprocess.run(["bash", "-n"], input=sbatch.script(*SCRIPTS[name]), capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")


def test_a_signal_is_not_lost_while_a_job_imports_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "slow_module.py").write_text(
        "import signal, sys, time\nfrom htr_exp.core.signals import Stop\nprint(sys.argv[1:], flush=True)\ninput()\n"
        "stop = Stop()\nsignal.signal(signal.SIGUSR2, signal.SIG_DFL)  # as submitit sets its own\n"
        "with stop.listening():\n    time.sleep(0.1)\nprint(stop())\n"
    )
    (line,) = [line for line in sbatch.script(work(), 1).splitlines() if line.startswith("srun ")]
    command = line[line.index("sh -c") :].replace("-m submitit.core._submit", "-m slow_module")
    path = f"{tmp_path}:{Path(htr_exp.__file__).parents[1]}"
    with subprocess.Popen(
        ["bash", "-c", f"PYTHONPATH={path} exec {command}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as job:
        assert job.stdin is not None
        assert job.stdout is not None
        assert job.stdout.readline() == "['/work/cache/jobs']\n"
        job.send_signal(signal.SIGUSR2)
        job.stdin.write("\n")
        job.stdin.flush()
        assert job.stdout.read() == "preempted\n"
    assert job.returncode == 0


def test_script_and_submission_need_no_srun_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: Sbatch
) -> None:
    """srun is called on the node; `--dry-run` and the doctor show the script where there is none."""
    (tmp_path / "alone").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "alone"))
    said = sbatch.script(work(), 1)
    assert said.replace(shlex.quote(sys.executable), "PYTHON") == (SLURM_DATA / "one.sh").read_text(encoding="utf-8")
    (tmp_path / "alone" / "sbatch").symlink_to(programs.folder / "bin" / "sbatch")
    asked = work(folder=tmp_path / "jobs")
    assert sbatch.submit(asked, print, [("one",)]) == ["101"]
    assert sbatch.submit(asked, print, [("one",), ("two",)]) == ["102_0", "102_1"]
    assert programs.scripts == [sbatch.script(asked, 1), sbatch.script(asked, 2)]


def test_a_job_finds_our_code_before_the_users(tmp_path: Path) -> None:
    code = tmp_path / "it's $HOME"
    (line,) = (line for line in sbatch.script(work(code=code), 1).splitlines() if line.startswith("export PYTHONPATH"))
    for before, expected in (("/mine", f"{code}:/mine"), (None, str(code))):
        environment = {"PATH": "/usr/bin:/bin"} | ({"PYTHONPATH": before} if before else {})
        said = subprocess.run(
            ["bash", "-c", f'{line}\nprintf %s "$PYTHONPATH"'], env=environment, capture_output=True, text=True
        )
        assert said.stdout == expected


def test_what_is_submitted_is_the_script_that_was_shown(tmp_path: Path, programs: Sbatch) -> None:
    asked = work(folder=tmp_path / "a b" / "jobs")
    asked.folder.mkdir(parents=True)
    assert sbatch.submit(asked, print, [("one",)]) == ["101"]
    assert sbatch.submit(asked, print, [("one",), ("two",)]) == ["102_0", "102_1"]
    assert programs.scripts == [sbatch.script(asked, 1), sbatch.script(asked, 2)]
    assert sbatch.log_of(asked.folder, "102_1") == asked.folder / "102_1_0_log.out"


def test_nothing_is_left_beside_the_files_of_the_jobs(tmp_path: Path, programs: Sbatch) -> None:
    asked = work(folder=tmp_path / "jobs")
    sbatch.submit(asked, print, [("one",)])
    sbatch.submit(asked, print, [("one",), ("two",)])
    of_jobs = {
        "101_submission.sh", "101_submitted.pkl", "102_submission.sh", "102_0_submitted.pkl", "102_1_submitted.pkl",
    }  # fmt: skip
    assert {path.name for path in asked.folder.iterdir()} == of_jobs
    programs.answers(refuse={103: "Batch job submission failed: Invalid qos specification"})
    for calls in ([("one",)], [("one",), ("two",)]):
        with pytest.raises(RefusedError):
            sbatch.submit(asked, print, calls)
    assert {path.name for path in asked.folder.iterdir()} == of_jobs


def test_a_refusal_is_sbatchs_own_words_and_said_once(
    tmp_path: Path, programs: Sbatch, capfd: pytest.CaptureFixture[str]
) -> None:
    programs.answers(refuse={101: "Batch job submission failed: Invalid qos specification"})
    with pytest.raises(RefusedError, match="Batch job submission failed: Invalid qos specification"):
        sbatch.submit(work(folder=tmp_path), print, [("one",)])
    assert capfd.readouterr() == ("", "")
