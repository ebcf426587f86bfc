"""The page that shows a run: what stands in it, for every kind of run, and whatever its records hold."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.reports import Page, figures, jpeg, page_of, scored_run
from htr_exp.core import files
from htr_exp.report.contents import NoScoresError
from htr_exp.report.page import report_of
from htr_exp.runs import remarks, resumptions, sealed_records
from htr_exp.runs.run_dir import BrokenRunError, RunDir

pytestmark = pytest.mark.seconds

RESULTS: dict[str, Any] = {
    "test": {
        "base": figures(3, 22, {"p3.xml": (3, 22)}, wer=0.75),
        "best": figures(1, 22, {"p3.xml": (1, 22)}, wer=0.25),
    },
    "validation": {"base": figures(4, 20, {"p2.xml": (4, 20)}), "best": figures(2, 20, {"p2.xml": (2, 20)})},
    "best_epoch": 2, "epochs": 3, "ended_by": "epochs", "resumed_at": [], "resumed_exactly": None, "network": "[1,48,0,1]", "device": "cpu",
    "kraken": {"version": "7.1.1", "kind": "host", "module": None, "image": None, "fallback": None},
    "test_scored": {"times": 2, "runs": 2, "in_part": 0, "incomplete": False}, "time": "2026-03-01T11:00:00Z",
}  # fmt: skip
LINES = [
    {"page": "p3.xml", "line": "l1", "reference": "in principio", "base": "jn prncipio", "best": "in principio"},
    {"page": "p3.xml", "line": "l2", "reference": "ꝑ uerbum ꝫ", "base": "ꝑ uerbum z", "best": "ꝑ uerhum ꝫ"},
]
CURVE = (0.3, 0.1, 0.2)
PICTURES = [
    {"page": "p3.xml", "line": "l2", "jpeg": jpeg(90, 15)},
    {"page": "p3.xml", "line": None, "jpeg": jpeg(15, 20)},
    {"page": "p0.xml", "line": None, "said": "p0.jpg cannot be opened: broken"},
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return scored_run(tmp_path / "runs" / "r", RESULTS, lines=LINES, curve=CURVE, pictures=PICTURES)


def test_what_stands_where(run: Path) -> None:
    page = page_of(run)
    assert list(page.sections) == [
        "", "What to know about these scores", "Scores", "Training", "By page", "The lines with most errors", "Confused characters",
        "The pages", "How these scores were made",
    ]  # fmt: skip
    top = page.section("")
    for words in (
        "odalricus-tridis-0a1b2c3d", "Recognition: tridis was fine-tuned on odalricus.", "test CER 13.64 % → 4.55 %", "3 → 1 errors in 22 characters",
        "67 % fewer errors", "test WER 75.00 % → 25.00 %", "test page 1", "test lines 2", "publish these scores",
    ):  # fmt: skip
        assert words in top
    assert (
        page.section("What to know about these scores") == "Test pages: scored 2 times by 2 runs (when this run ended)."
    )
    assert "test base 13.64 % 75.00 % 3 22 fine-tuned 4.55 % 25.00 % 1 22" in page.section("Scores")
    assert "validation base 20.00 %" in page.section("Scores")
    assert "test pages base fine-tuned what is counted CER 13.64 % 4.55 % characters" in page.section("Scores")
    assert "substitutions not known not known errors of the CER" in page.section("Scores")  # an older run
    assert "Epoch 2 of 3 was kept; the training ended because all epochs were trained." in page.section("Training")
    assert "p3.xml 2 lines, 1 error in 22 characters 13.64 % 4.55 %" in page.section("By page")
    lines = page.section("The lines with most errors")
    assert "1 of 2 test lines has an error" in lines
    assert "written ꝑ uerbum ꝫ 10 characters base ꝑ uerbum z 1 error fine-tuned ꝑ uer h um ꝫ 1 error p3.xml l2" in lines
    confused = page.section("Confused characters")
    assert (
        "1 character was read as another one, 0 characters were not read, 0 were read where nothing is written"
        in confused
    )
    assert "Most frequent now written read base fine-tuned b h U+0062 read as U+0068 0 1" in confused
    assert "ꝫ z U+A76B read as U+007A 1 0" in confused
    assert "train: 2 pages, 4 lines p0.jpg cannot be opened: broken p0.xml p1.xml" in page.section("The pages")
    assert "kraken 7.1.1 (host)" in page.section("How these scores were made")
    assert [picture.size for picture in page.pictures()] == [(90, 15), (15, 20)]
    assert len(page.all("circle")) == 4  # three epochs and a ring
    assert len(page.all("span", **{"class": "other"})) == 1 + 2  # in the key, and of each model


def test_the_table_of_the_folded_rate_is_shown(tmp_path: Path) -> None:
    table = {"rows": ["v u", "¬"], "case": True, "punctuation": False, "digest": "abcdef0123456789" * 4}
    page = page_of(scored_run(tmp_path / "r", RESULTS | {"folding": table}))
    assert "folded v u; ¬, case; digest abcdef012345" in page.section("How these scores were made")


def test_the_columns_of_the_table_of_pages_have_a_table_each(tmp_path: Path) -> None:
    rows = [{"value": hand, "cer": cer, "pages": 1, "lines": 2} for hand, cer in (("Odo", 0.1), ("<b>Guy</b>", 0.3))]
    scores = {name: RESULTS["test"][name] | {"by": {"hand": rows}} for name in ("base", "best")}
    page = page_of(scored_run(tmp_path / "r", RESULTS | {"test": scores}))
    assert "<b>Guy</b> 1 page, 2 lines 30.00 % 30.00 % Odo 1 page, 2 lines 10.00 % 10.00 %" in page.section("By hand")


def test_it_needs_nothing_but_itself(run: Path) -> None:
    page = page_of(run)
    assert not {"script", "link", "iframe", "object", "base", "form", "a"} & {tag for tag, _ in page.tags}
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy == "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'"
    assert "://" not in page.html
    assert "@font-face" in page.html  # ꝑ and ꝫ are rare


def test_the_same_bytes_twice_in_a_moved_folder_and_at_another_place(run: Path, tmp_path: Path) -> None:
    here = report_of(RunDir(run))
    assert report_of(RunDir(run)) == here
    (tmp_path / "elsewhere").mkdir()
    moved = Path(shutil.move(run, tmp_path / "elsewhere" / "renamed"))
    assert report_of(RunDir(moved)) == here
    copied = shutil.copytree(moved, tmp_path / "copied", copy_function=shutil.copyfile)  # other times of files
    code = f"import sys; from pathlib import Path; from htr_exp.report.page import report_of; from htr_exp.runs.run_dir import RunDir; sys.stdout.buffer.write(report_of(RunDir(Path({str(copied)!r}))))"
    environment = {
        **os.environ,
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "11",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    there = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True)
    assert there.stdout == here, there.stderr.decode()
    (copied.parent / "scorings.jsonl").write_text('{"what others did since": 1}\n')
    assert report_of(RunDir(copied)) == here


def test_words_about_the_record_are_those_of_compare(tmp_path: Path) -> None:
    results = RESULTS | {
        "test": {"base": RESULTS["test"]["best"], "best": RESULTS["test"]["base"]}, "resumed_at": [1], "resumed_exactly": False,
        "ended_by": "user",
    }  # fmt: skip
    folder = scored_run(
        tmp_path / "r", results, curve=CURVE,
        leakage={"base_model": {"trained_on": "unknown"}, "accepted": ["near_pages"]}, conventions={"dataset": "graphematic", "model": "normalised"},
        left_out={"excluded": ["x.xml"], "scored_before": [{"page": "y.xml", "run": "other"}]}, warnings=["few pages"],
    )  # fmt: skip
    (folder / "metrics.jsonl").write_text("")
    page = page_of(folder)
    said = page.section("What to know about these scores")
    for words in (
        "Worse than its base model: test CER 4.55 % before training, 13.64 % after it.", "Changed since it was written: metrics.jsonl.",
        "Leaves out 1 page that an earlier run was scored on: y.xml (other).", "1 page excluded", "Resumed at epoch 1, after an interruption.",
        "The training was stopped by its user before its end.",
    ):  # fmt: skip
        assert words in said
    for sentence in (
        remarks.LEAKY.format(kinds="near_pages"), remarks.UNKNOWN_DATA.format(which="base model's training data: unknown"),
        remarks.MISMATCHED.format(conventions="normalised -> graphematic"), resumptions.INEXACT,
    ):  # fmt: skip
        assert sentence[1:] in said
    assert "few pages" in page.section("How these scores were made")
    assert len(page.all("p", **{"class": "remark bad"})) == 2


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cpu", "3.40 GB at most while it was trained; 3.10 GB were estimated"),
        ("cuda:0", "3.40 GB at most while it was trained"),
    ],
)
def test_the_memory_of_a_training_stands_beside_its_estimate(tmp_path: Path, device: str, said: str) -> None:
    folder = scored_run(
        tmp_path / "run", RESULTS | {"device": device}, curve=(0.3, 0.2), memory={"peak_gb": 3.1, "worker_gb": 0.6}
    )
    epochs = files.read_jsonl(folder / "metrics.jsonl")
    files.write_jsonl(folder / "metrics.jsonl", [one | {"memory_gb": 3.4, "gpu_memory_gb": 12.04} for one in epochs])
    RunDir(folder).seal_results()
    section = page_of(folder).section("How these scores were made")
    assert f"memory {said}" in section
    assert ("were estimated" in section) == (device == "cpu")
    assert "GPU memory 12.04 GB at most while it was trained" in section
    where = "without a GPU" if device == "cpu" else "on a GPU"
    assert f"of epochs {where}; CPU time: not known; energy: not known" in section
    assert section.count("3.40 GB") == section.count("12.04 GB") == 1


def test_a_leak_that_is_accepted_later_is_said(run: Path) -> None:
    before = page_of(run)
    assert "leakage accepted" not in before.html
    judged = {
        "leakage": {"accepted": ["same_image"], "base_model": {"trained_on": "known"}},
        "conventions": {},
        "command": [],
        "time": "",
    }
    sealed_records.append(RunDir(run).judgements, judged)
    assert "Leakage accepted: same_image" in page_of(run).text


def test_an_evaluation_has_one_model_and_no_curve(tmp_path: Path) -> None:
    results = {"test": {"model": figures(1, 22, {"p3.xml": (1, 22)})}, "validation": {"model": None}}
    lines = [{"page": "p3.xml", "line": "l1", "reference": "abc", "model": "abx"}]
    page = page_of(scored_run(tmp_path / "r", results, lines=lines, run={"verb": "evaluate"}))
    assert "Recognition: tridis was scored on odalricus." in page.text
    assert "Nothing was trained" in page.text
    assert "Training" not in page.sections
    assert "evaluated ab x 1 error" in page.section("The lines with most errors")
    assert "Most frequent written read evaluated c x U+0063 read as U+0078 1" in page.section("Confused characters")
    assert "There are no pictures" in page.text


def test_a_training_from_scratch_has_no_base(tmp_path: Path) -> None:
    results = RESULTS | {"test": {"base": None, "best": RESULTS["test"]["best"]}}
    page = page_of(scored_run(tmp_path / "r", results, lines=LINES, curve=CURVE, model=None))
    assert "a model was trained from scratch on odalricus" in page.text
    assert "test CER 4.55 % 1 error in 22 characters" in page.section("")
    assert "base ꝑ" not in page.text


def test_without_test_pages_it_says_what_the_scores_are_of(tmp_path: Path) -> None:
    results = RESULTS | {"test": {"base": None, "best": None}, "test_scored": None}
    del results["test_scored"]
    lines = [LINES[1] | {"page": "p2.xml"}]
    page = page_of(scored_run(tmp_path / "r", results, lines=lines, side="validation", curve=CURVE))
    assert "There are no test pages: these are the scores of the validation pages" in page.section("")
    assert "validation CER 20.00 % → 10.00 %" in page.section("")
    assert "1 of 1 validation lines has an error" in page.text


def test_all_right_and_no_predictions(tmp_path: Path) -> None:
    right = page_of(scored_run(tmp_path / "a", RESULTS, lines=[LINES[0]]))
    assert "There is no error in 1 test line." in right.text
    assert "Confused characters" not in right.sections
    none = page_of(scored_run(tmp_path / "b", RESULTS))
    assert "the run folder has no predictions of them" in none.text


def test_lines_from_right_to_left_stand_so(tmp_path: Path) -> None:
    line = {"page": "p3.xml", "line": "l1", "reference": "שלום", "base": None, "best": "שלוס"}
    page = page_of(scored_run(tmp_path / "r", RESULTS, lines=[line]))
    assert len(page.all("p", **{"class": "text", "dir": "rtl"})) == 3
    assert page.all("html") == [{"lang": "en", "dir": "ltr"}]


def test_how_many_are_shown_of_how_many(tmp_path: Path) -> None:
    names = [f"p{n:03}.xml" for n in range(60)]
    results = {"test": {"best": figures(60, 600, {name: (n, 100) for n, name in enumerate(names)})}}
    lines = [{"page": name, "line": "l", "reference": "abc", "base": None, "best": "x"} for name in names]
    split = {side: [{"page": name, "lines": 3} for name in names] for side in ("train", "test")}
    page = page_of(scored_run(tmp_path / "r", results, lines=lines, split=split))
    assert "60 of 60 test lines have an error; the 16 with most errors are shown" in page.text
    assert len(page.all("figure", **{"class": "card line"})) == 16
    assert "train: 60 pages, 180 lines; the first 8 are shown" in page.text
    assert "20 more pages" in page.section("By page")
    assert len(page.all("td", **{"class": "bar"})) == 60


HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'; background: url(http://x)", "{{ 7 * 7 }}", "\x00\x1b]0;x\x07", "\u202emirrored",
    "</style><h1>", "\u2066\u2028", "a\nb\r\nc", "&lt;", "\ud800", "]]>", "x" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_in_a_name_or_a_text_is_part_of_the_page(name: str, tmp_path: Path) -> None:
    plain, odd = (
        page_of(_named(tmp_path / folder, of))
        for folder, of in (("plain", "n"), ("odd", name.encode("utf-8", "replace").decode()))
    )
    assert [tag for tag, _ in odd.tags if tag not in ("span", "img")] == [
        tag for tag, _ in plain.tags if tag not in ("span", "img")
    ]
    assert {key for _, found in odd.tags for key in found} <= {key for _, found in plain.tags for key in found}
    assert not {sign for sign in odd.html if ord(sign) < 32 and sign != "\n"}
    assert not set("\u202e\u2066\u2028") & set(odd.html)
    assert "49" not in odd.text.replace("491", "")
    assert page_of(_named(tmp_path / "again", "n")).html == plain.html


def _named(folder: Path, name: str) -> Path:
    results = {
        "test": {"base": figures(2, 9, {name: (2, 9)}), "best": figures(1, 9, {name: (1, 9)})},
        "network": name, "device": name, "best_epoch": 2, "ended_by": name, "time": name,
        "kraken": {"version": name, "kind": name, "module": None, "image": None, "fallback": name},
    }  # fmt: skip
    lines = [{"page": name, "line": name, "reference": name[:300], "base": f"b{name[:300]}", "best": name[:300] + "b"}]
    pictures = [{"page": name, "line": name, "said": name}, {"page": name, "line": None, "said": name}]
    return scored_run(
        folder, results, lines=lines, curve=CURVE, pictures=pictures, split={"test": [{"page": name, "lines": 1}]},
        run={"name": name, "key": name}, dataset={"name": name, "digest": name}, model={"name": name, "sha256": name, "doi": name},
        leakage={"accepted": [name]}, command=[name], warnings=[name], created=name, code={"version": name, "commit": name},
    )  # fmt: skip


@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "", "/9j/AA\"onerror=x", "iVBORw0KGgo=", "/9j/" + "A" * 500_000, 7, None, "/9j/AA\nA="]
)  # fmt: skip
def test_a_picture_that_is_none_is_not_shown(uri: Any, tmp_path: Path) -> None:
    pictures = [{"page": "p3.xml", "line": "l2", "jpeg": uri}, {"page": ["x"], "line": {}, "jpeg": jpeg()}]
    page = page_of(scored_run(tmp_path / "r", RESULTS, lines=LINES, pictures=pictures))
    assert page.all("img") == []


def test_a_run_without_scores_is_told_so(tmp_path: Path) -> None:
    folder = scored_run(tmp_path / "r", RESULTS)
    (folder / "results.json").unlink()
    with pytest.raises(NoScoresError, match="r has no scores yet"):
        report_of(RunDir(folder))


ODD: tuple[Any, ...] = (None, True, -1, 10**40, 1e308, "x", [], {}, [[]], {"base": 1})


def test_figures_that_were_edited_end_in_words_or_are_left_out(tmp_path: Path) -> None:
    """Any value of results.json and split.json may be anything: `show` says what it catches here."""
    source = random.Random(5)
    folder = scored_run(tmp_path / "r", RESULTS, lines=LINES, curve=CURVE, pictures=PICTURES)
    made = 0
    for value, name in itertools.product(ODD, ("results.json", "split.json", "provenance.json")):
        good = files.read_json(folder / name)
        edited = files.read_json(folder / name)
        place: Any = edited
        while True:
            key = source.choice(list(place) if isinstance(place, dict) else list(range(len(place))))
            if isinstance(place[key], dict | list) and place[key] and source.random() < 0.8:
                place = place[key]
            else:
                place[key] = value
                break
        files.write_json(folder / name, edited)
        try:
            Page(report_of(RunDir(folder)))
            made += 1
        except (TypeError, AttributeError, KeyError, ValueError, NoScoresError, BrokenRunError):
            pass
        files.write_json(folder / name, good)
    assert made > 10
