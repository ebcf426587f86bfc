"""Lines of 2,000 characters, in both directions: scored by another system, compared and reported."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from helpers.in_process import Call
from helpers.other_systems import TEXTS, as_text
from htr_exp.core.files import read_json
from htr_exp.report.page import report_of
from htr_exp.runs.selection import runs_in

pytestmark = pytest.mark.seconds

LATIN, ARABIC = "verbum erat in principio ", "بسم الله الرحمن الرحيم "


@pytest.mark.parametrize(("text", "letter", "other"), [(LATIN, "v", "w"), (ARABIC, "س", "ش")])
def test_a_line_of_two_thousand_characters_is_one_line_in_every_table(
    call: Call, pages: Path, workspace: Path, tmp_path: Path, text: str, letter: str, other: str
) -> None:
    long = (text * (2000 // len(text) + 1)).strip()
    for xml in sorted(pages.glob("*.xml"))[2:]:
        xml.unlink()
    for xml in pages.glob("*.xml"):
        for line in TEXTS[xml.stem]:
            xml.write_text(xml.read_text().replace(line, long))
    given = as_text(tmp_path / "read", {page: [long.replace(letter, other)] * 3 for page in ("f01", "f02")})
    words = (f"dataset.path={pages}", f"predictions={given}", "tracking=none", "question=odd")
    for system in ("Loghi", "Transkribus"):
        said = call("evaluate", *words, f"system={system}")
        assert said.code == 0, said.err
    runs = runs_in(workspace / "runs")
    rate = long.count(letter) / len(long)
    assert [read_json(run.results)["test"]["model"]["cer"] for run in runs] == [pytest.approx(rate)] * 2
    shown = f"{100 * rate:.2f} %"
    rows = [line.split()[:3] for line in call("compare").out.splitlines() if line.startswith("model=")]
    assert rows == [[f"model={system}", "1", f"{100 * rate:.2f}"] for system in ("Loghi", "Transkribus")]
    assert call("report", "odd", "--out", tmp_path / "paper").code == 0
    with (tmp_path / "paper" / "table.csv").open() as file:
        assert [row["CER"] for row in csv.DictReader(file)] == [f"{100 * rate:.2f}"] * 2
    assert shown in report_of(runs[0]).decode()
