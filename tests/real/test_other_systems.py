"""The predictions of a real kraken, given as those of another system: the same scores to the last digit as the run's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.in_process import in_process
from helpers.real_training import CPU, needs_kraken, result, run_to_end
from htr_exp.core.files import read_jsonl, write_jsonl
from htr_exp.demo.generate import PAGES
from htr_exp.runs.run_dir import RunDir

pytestmark = [pytest.mark.kraken, needs_kraken]

MODEL = PAGES.parent / "base.mlmodel"


def export(pages: Path, target: Path, kind: str, suffix: str) -> Path:
    """What kraken itself writes of pages, in an order of its own choice: logical, as every other system."""
    target.mkdir()
    files = [
        word for xml in sorted(pages.glob("*.xml")) for word in ("-i", str(xml), str(target / f"{xml.stem}{suffix}"))
    ]
    words = ["-d", "cpu", "--threads", "1", "-f", "page", kind, "--no-subline-segmentation", *files]
    read = ["ocr", "-m", str(MODEL), "-B", "1", "--pad", "16", "--num-line-workers", "0"]
    program = Path(sys.executable).with_name("kraken")
    said = subprocess.run([program, *words, *read], capture_output=True, text=True, timeout=1200, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    return target


@pytest.mark.filterwarnings("ignore")
def test_an_export_of_kraken_has_the_score_of_our_own_evaluation(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages, call = tmp_path / "pages", in_process(capsys)
    pages.mkdir()
    for xml in [one for one in sorted(PAGES.glob("*.xml")) if "PcGts" in one.read_text(encoding="utf-8")][:2]:
        for file in PAGES.glob(f"{xml.stem}.*"):
            shutil.copy(file, pages)
    own = run_to_end(workspace, "evaluate", f"dataset.path={pages}", f"model.path={MODEL}", *CPU)
    rows = read_jsonl(own.predictions_of("test"))
    listed = tmp_path / "read.jsonl"
    write_jsonl(listed, [{"page": row["page"], "line": row["line"], "text": row["model"]} for row in rows])
    given = {
        "PAGE": export(pages, tmp_path / "page", "-x", ".xml"),
        "text": export(pages, tmp_path / "text", "-n", ".txt"),
        "lines": listed,
    }
    wanted = (result(own)["test"] or {})["model"]
    assert wanted is not None
    assert wanted["errors"] > 0
    for name, predictions in given.items():
        words = (f"dataset.path={pages}", f"predictions={predictions}", f"system={name}", "tracking=none", "--json")
        said = call("evaluate", *words)
        assert said.code == 0, said.err
        assert (result(RunDir(Path(said.json["run"])))["test"] or {})["model"] == wanted, name
