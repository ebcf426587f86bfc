"""The verb `doctor` as a whole."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from fakes.fake_slurm_site import Site
from helpers.command_line import CommandLine
from helpers.findings import named
from htr_exp.cli.doctor import (
    examination,
    terminal,
)
from htr_exp.cli.doctor.finding import Finding


def test_all_sections_are_told_and_the_exit_code_is_that_of_the_worst(htr_exp: CommandLine, fake_kraken: Path) -> None:
    said = htr_exp("doctor", f"runtime.ketos={fake_kraken}", "tracking=none", "slurm=none", "--json")
    assert (said.code, said.stderr) == (0, "")
    assert list(dict.fromkeys(row["section"] for row in said.json)) == [
        "What was asked for", "kraken", "Base models", "Folders and disks", "This machine", "Slurm", "MLflow", "Python and packages",
    ]  # fmt: skip
    assert {tuple(row) for row in said.json} == {("section", "name", "state", "found", "remedy")}
    assert "error" not in {row["state"] for row in said.json}
    said = htr_exp("doctor", f"runtime.ketos={fake_kraken.with_name('gone')}", "--json")
    assert (said.code, "error" in {row["state"] for row in said.json}) == (2, True)
    said = htr_exp("doctor", f"runtime.ketos={fake_kraken.with_name('gone')}")
    assert said.code == 2
    assert re.search(r"\nkraken\n  error    runtime=host  .*there is no such program\n +-> ", said.stdout)
    assert said.stdout.splitlines()[-1].startswith("1 error, ")


def test_words_that_a_training_would_refuse_are_told(workspace: Path, fake_kraken: Path) -> None:
    title, found = next(iter(examination.examine(["training.epochs=0", "slurm.gres=gpu:1"])))
    assert title == "What was asked for"
    assert [one.found for one in found] == [
        "training.epochs=0: it must be at least 1",
        "slurm.gres=gpu:1 changes nothing with slurm=none",
    ]


def test_a_segmentation_without_more_words_is_no_error(workspace: Path, fake_kraken: Path) -> None:
    _, found = next(iter(examination.examine(["task=segmentation"])))
    assert [(one.state, one.found) for one in found] == [("ok", "task=segmentation: a training takes them")]


def test_a_word_of_kraken_that_we_do_not_take_is_told_once(workspace: Path, fake_kraken: Path) -> None:
    _, found = next(iter(examination.examine(["training.quit=dumb"])))
    assert [one.state for one in found] == ["error"]


def test_what_slurm_lacks_is_told_once(workspace: Path, slurm_site: Site) -> None:
    sections = dict(examination.examine(["slurm=template"]))
    assert {one.state for one in sections["What was asked for"]} == {"ok"}
    wrong = [one.found for one in sections["Slurm"] if one.state == "error"]
    assert wrong == ["slurm.time_min is not set", "slurm.partition is not set"]


def test_words_that_make_no_experiment_are_an_error(htr_exp: CommandLine) -> None:
    said = htr_exp("doctor", "runtime=modul")
    assert (said.code, said.stdout) == (2, "")
    assert "did you mean module?" in said.stderr


def test_the_dataset_of_the_choice_must_be_there(workspace: Path) -> None:
    sections = dict(examination.examine(["dataset.path=nowhere"]))
    found = named(sections["Folders and disks"])["dataset"]
    assert (found.state, found.found) == ("error", f"{workspace / 'nowhere'} does not exist")


def test_nothing_is_left_behind(workspace: Path, fake_kraken: Path, call: Callable[..., int]) -> None:
    call("doctor", f"runtime.ketos={fake_kraken}")
    assert list(workspace.iterdir()) == []


def shown(findings: Sequence[Finding], width: int | None) -> str:
    out = Console(file=io.StringIO(), width=width or 240, force_terminal=width is not None, highlight=False)
    terminal.show_findings(out, [("kraken", findings), ("Slurm", [])])
    assert isinstance(out.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.file.getvalue())


LONG = Finding(
    "image a-rather-long-name.sif", "error", "one two three " * 12 + "/a/path/that/is/long", "correct it " * 20
)


def test_a_screen_shows_long_lines_below_each_other() -> None:
    lines = [line for line in shown([Finding("x", "ok", "y"), LONG], 80).splitlines() if "looks at" not in line]
    assert max(map(len, lines)) <= 80
    body = [line for line in lines if "two" in line or "correct" in line]
    assert len(body) > 4
    assert all(line.startswith(" " * 34) for line in body[1:])


def test_a_file_gets_one_line_a_finding() -> None:
    longer = Finding(LONG.name, LONG.state, LONG.found * 3, LONG.remedy)
    lines = shown([Finding("x", "ok", "y"), longer], None).splitlines()
    assert lines[0] == "kraken"
    assert lines[1] == "  ok       x                      y"
    assert lines[2].startswith("  error    image a-rather-long-name.sif one two three")
    assert lines[2].endswith(longer.found[-40:])
    assert lines[3].strip().startswith("-> correct it")
    assert lines[-1] == "1 error, 0 warnings, 0 notes, 1 ok"
    assert all(line == line.rstrip() for line in lines)


def test_nothing_heavy_is_imported(experiment: list[str]) -> None:
    words = ["doctor", *(word for word in experiment if word.startswith(("runtime", "model"))), "--json"]
    heavy = {"torch", "kraken", "coremltools", "mlflow", "lightning", "pyarrow"}
    code = (
        f"import sys\nfrom htr_exp.cli.main import main\nmain({words!r})\n"
        f"loaded = {heavy!r} & set(sys.modules)\nsys.exit(f'imports {{loaded}}' if loaded else 0)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
