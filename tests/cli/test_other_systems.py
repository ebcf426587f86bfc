"""`evaluate predictions=...`: what another system read on the same pages, scored as a run of its own, without any kraken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.in_process import Call, Said
from helpers.one_training import User
from helpers.other_systems import TEXTS, Given, as_alto, as_json, as_page, as_text, misread
from helpers.page_files import page_line
from htr_exp.core.files import read_json, read_jsonl, sha256_file
from htr_exp.runs.rows import row_of
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in
from htr_exp.splits.leakage import LeakageReport

pytestmark = pytest.mark.seconds

Evaluate = Callable[..., Said]


@pytest.fixture
def evaluate(call: Call, pages: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """Score predictions on a machine without any program, kraken among them."""
    monkeypatch.setenv("PATH", "")

    def run(predictions: Path, *words: str, system: str | None = "Transkribus Titan") -> Said:
        named = [] if system is None else [f"system={system}"]
        return call("evaluate", f"dataset.path={pages}", f"predictions={predictions}", "tracking=none", *named, *words)

    return run


def only_run(workspace: Path) -> RunDir:
    (run,) = runs_in(workspace / "runs")
    return run


@pytest.mark.parametrize("form", [as_text, as_json])
def test_predictions_are_scored_as_a_run_without_any_kraken(
    form: Callable[[Path, Given], Path], evaluate: Evaluate, workspace: Path, tmp_path: Path
) -> None:
    given = form(tmp_path / "read.jsonl", misread())
    said = evaluate(given)
    assert said.code == 0, said.err
    run = only_run(workspace)
    assert run.name.startswith("evaluate-pages-Transkribus_Titan-")
    figures = read_json(run.results)["test"]["model"]
    characters = sum(len(line) for lines in TEXTS.values() for line in lines)
    assert (figures["errors"], figures["characters"]) == (6 + len(TEXTS["f02"][1]), characters)
    assert (figures["lines"], figures["pages"], len(figures["per_page"])) == (18, 6, 6)
    assert figures["cer_raw"] == figures["cer"] > 0
    assert figures["cer_low"] < figures["cer"] < figures["cer_high"]
    rows = read_jsonl(run.predictions_of("test"))
    assert rows[0] == {"page": "f01.xml", "line": "l1", "reference": TEXTS["f01"][0], "model": misread()["f01"][0]}
    assert rows[4]["model"] == ""
    row = row_of(run, every_digest=True)
    assert (row["base_model"], row["verb"], row["state"], row["seals"]) == (
        "Transkribus Titan",
        "evaluate",
        "done",
        "ok",
    )
    assert row["unknown_data"] == ["system's training data: unknown"]
    assert "Transkribus Titan was scored on pages" in run.report.read_text(encoding="utf-8")


def test_page_alto_text_and_json_lines_of_one_reading_are_one_run(
    evaluate: Evaluate, pages: Path, workspace: Path, tmp_path: Path
) -> None:
    given = {
        as_page(tmp_path / "page", misread(), pages): {"ids": 6},
        as_page(tmp_path / "renumbered", misread(), pages, ids="r1l"): {"baselines": 6},
        as_alto(tmp_path / "alto", misread()): {"order": 6},
        as_json(tmp_path / "read.jsonl", misread()): {"ids": 6},
    }
    for place, how in given.items():
        planned = evaluate(place, "--dry-run", "--json").json
        assert planned["system"]["paired_by"] == how, place
        said = evaluate(place)
        assert said.code == 0, said.err
    assert read_json(only_run(workspace).results)["test"]["model"]["errors"] == 6 + len(TEXTS["f02"][1])


def test_ids_that_mean_other_lines_do_not_deceive(
    evaluate: Evaluate, pages: Path, workspace: Path, tmp_path: Path
) -> None:
    given = as_page(tmp_path / "page", misread(), pages)
    xml = (given / "f01.xml").read_text()
    (given / "f01.xml").write_text(
        xml.replace('id="l1"', 'id="l9"').replace('id="l2"', 'id="l1"').replace('id="l9"', 'id="l2"')
    )
    said = evaluate(given)
    assert "on 1 page lines were paired by their baselines or boxes" in " ".join(said.err.split())
    assert read_json(only_run(workspace).results)["test"]["model"]["per_page"][0]["errors"] == 1


def test_lines_of_another_segmentation_are_paired_by_order_only_where_they_are_as_many(
    evaluate: Evaluate, pages: Path, tmp_path: Path
) -> None:
    given = as_page(tmp_path / "page", misread(), pages, ids="x", moved=3)
    assert "on 6 pages lines were paired by their order alone" in " ".join(evaluate(given, "--dry-run").out.split())
    xml = given / "f04.xml"
    xml.write_text(xml.read_text().replace("</TextRegion>", page_line(9, "one more", id="x9") + "</TextRegion>"))
    said = evaluate(given)
    assert said.code == 2
    assert (
        "f04.xml: it has 4 lines, and f04.xml has 3 lines; let the system read the lines of the ground truth"
        in said.err
    )


def test_lines_that_the_system_found_or_lost_are_refused(evaluate: Evaluate, pages: Path, tmp_path: Path) -> None:
    given = as_page(tmp_path / "page", misread(), pages)
    more, less = given / "f04.xml", given / "f05.xml"
    more.write_text(more.read_text().replace("</TextRegion>", page_line(9, "one more") + "</TextRegion>"))
    line = less.read_text()[less.read_text().index('<TextLine id="l2"') :].partition("</TextLine>")
    less.write_text(less.read_text().replace(line[0] + line[1], ""))
    said = evaluate(given)
    assert said.code == 2
    assert "f04.xml: f04.xml has no line l9" in said.err
    assert "f05.xml: line l2 of f05.xml is missing" in said.err


def test_other_files_of_an_export_are_left_aside_and_broken_ones_refused(
    evaluate: Evaluate, pages: Path, tmp_path: Path
) -> None:
    given = as_page(tmp_path / "page", misread(), pages)
    (given / "mets.xml").write_text("<mets/>")
    said = evaluate(given)
    assert said.code == 0, said.err
    assert "predictions: 1 XML file neither PAGE nor ALTO, left aside: mets.xml" in " ".join(said.err.split())
    (given / "f02.xml").write_text("<PcGts")
    said = evaluate(given)
    assert "f02.xml: it is not well-formed XML" in said.err
    assert "f02.xml: there is no prediction of this page" in said.err


def test_the_files_of_the_ground_truth_are_no_predictions(evaluate: Evaluate, pages: Path) -> None:
    said = evaluate(pages)
    assert said.code == 2
    assert "the predictions are the ground truth itself: all files have the bytes of its files" in said.err


def test_lines_without_any_text_were_not_read(evaluate: Evaluate, pages: Path, tmp_path: Path) -> None:
    given = as_page(tmp_path / "page", {page: ["", "", ""] for page in TEXTS}, pages)
    said = evaluate(given)
    assert (said.code, "no line has a text; export what was read, too" in said.err) == (2, True)


def test_what_was_given_is_recorded_and_kept(evaluate: Evaluate, workspace: Path, tmp_path: Path) -> None:
    given = as_text(tmp_path / "read", misread())
    assert evaluate(given).code == 0
    run = only_run(workspace)
    record = run.facts()["predictions"]
    assert (record["given"], record["form"], record["paired_by"]) == ("read", "text", {"order": 6})
    assert record["files"] == {f"{page}.txt": sha256_file(given / f"{page}.txt") for page in TEXTS}
    assert run.facts()["model"]["sha256"] == sha256_file(run.given_predictions)
    shutil.rmtree(given)
    again = evaluate(run.given_predictions)  # what was kept can be scored again, and is the same run
    assert (again.code, only_run(workspace).path) == (0, run.path)
    run.given_predictions.write_bytes(b"")
    assert "given_predictions.jsonl" in row_of(run)["seals"]


def test_every_problem_is_said_at_once_and_nothing_is_written(
    evaluate: Evaluate, workspace: Path, tmp_path: Path
) -> None:
    file = as_json(tmp_path / "read.jsonl", {page: lines for page, lines in TEXTS.items() if page != "f05"})
    lines = file.read_text().splitlines()
    del lines[1]  # f01 l2
    lines[2] = '{"page": "f02", "line": "l1"'
    lines[3] = '{"page": "f02", "line": 2, "text": "a"}'
    lines[4] = '{"page": "f02", "line": "l3", "text": null}'
    lines[6] = '{"page": "f03", "line": "l1", "text": "twice"}'
    lines[8] = '{"page": "f04", "line": "l9", "text": "no such line"}'
    file.write_text("\n".join([*lines, '{"page": "f99", "line": "l1", "text": "elsewhere"}']))
    said = evaluate(file)
    assert said.code == 2
    for expected in (
        "read.jsonl:3: it is no JSON",
        "read.jsonl:4: line is 2 and no text",
        'read.jsonl:5: text is null and no text (a line in which nothing was read has "")',
        "line l2 of f01.xml is missing; add it",
        "read.jsonl:7: line l1 of f03.xml is given already in read.jsonl:6; leave one of them",
        "read.jsonl:9: f04.xml has no line l9; take it out",
        "f05.xml: there is no prediction of this page (there are f99, which are not of the test); name it f05",
    ):
        assert expected in said.err, said.err
    assert not (workspace / "runs").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("verbum\nlinéa\n".encode("latin-1") + b"c\n", "f01.txt:2: it is not UTF-8 (byte 0xE9); save it as UTF-8"),
        ("a\nb\nc\n".encode("utf-16"), "f01.txt: it is not UTF-8 (it looks like UTF-16)"),
        (b"a\nb\n", "f01.txt: it has 2 lines, and f01.xml has 3 lines; write one line for each"),
        (b"a\nb\nc\n\n", "f01.txt: it has 4 lines, and f01.xml has 3 lines"),
    ],
)
def test_a_text_file_that_cannot_be_used_is_refused(
    content: bytes, expected: str, evaluate: Evaluate, tmp_path: Path
) -> None:
    given = as_text(tmp_path / "read", TEXTS)
    (given / "f01.txt").write_bytes(content)
    said = evaluate(given)
    assert said.code == 2
    assert expected in said.err


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_text(
    evaluate: Evaluate, workspace: Path, tmp_path: Path
) -> None:
    given = as_text(tmp_path / "read", misread())
    text = (given / "f01.txt").read_text()
    (given / "f01.txt").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert evaluate(given).code == 0
    rows = read_jsonl(only_run(workspace).given_predictions)
    assert [row["text"] for row in rows[:3]] == misread()["f01"]


def test_extra_pages_are_said_and_left_out(evaluate: Evaluate, workspace: Path, tmp_path: Path) -> None:
    given = as_text(tmp_path / "read", misread())
    (given / "f77.txt").write_text("of another book\n")
    said = evaluate(given)
    assert said.code == 0
    assert "predictions: 1 page not of the test left out: f77" in " ".join(said.err.split())
    assert only_run(workspace).facts()["predictions"]["extra_pages"] == ["f77"]


def test_lines_that_the_ground_truth_does_not_use_are_left_out(
    evaluate: Evaluate, pages: Path, workspace: Path, tmp_path: Path
) -> None:
    xml = pages / "f03.xml"
    xml.write_text(xml.read_text().replace(TEXTS["f03"][1], ""))
    for number, given in enumerate((as_text(tmp_path / "text", misread()), as_json(tmp_path / "a.jsonl", misread()))):
        said = evaluate(given, system=f"system {number}")
        assert said.code == 0, said.err
        assert "1 line left out that the ground truth does not use" in " ".join(said.err.split())
    for run in runs_in(workspace / "runs"):
        assert read_json(run.results)["test"]["model"]["lines"] == 17


def test_two_predictions_of_one_page_and_two_forms_are_refused(evaluate: Evaluate, tmp_path: Path) -> None:
    given = as_text(tmp_path / "read", TEXTS)
    (given / "again").mkdir()
    shutil.copy(given / "f01.txt", given / "again" / "f01.txt")
    assert "f01.xml: its prediction is given 2 times, in again/f01.txt and f01.txt" in evaluate(given).err
    as_json(given / "all.jsonl", TEXTS)
    assert "they are given as JSON lines and as text" in evaluate(given).err


def test_a_page_name_of_two_folders_is_refused_with_the_names_that_tell_them_apart(
    call: Call, pages: Path, tmp_path: Path
) -> None:
    shutil.copytree(pages, other := tmp_path / "more" / "pages")
    for xml in other.glob("*.xml"):
        xml.write_text(xml.read_text().replace("verbum", "nomen"))
    words = (f"dataset.path=[{pages},{other}]", "system=Loghi", "tracking=none")
    said = call("evaluate", *words, f"predictions={as_text(tmp_path / 'read', misread())}").err
    assert "f01.txt: f01 may be pages-2/f01.xml, pages/f01.xml; write the name of the page as split.json has it" in said
    assert "pages-2/f01.xml: there is no prediction of this page; name it pages-2/f01, or leave" in said


def test_predictions_that_were_edited_after_scoring_are_another_run_and_no_table_hides_that(
    evaluate: Evaluate, call: Call, workspace: Path, tmp_path: Path
) -> None:
    given = as_text(tmp_path / "read", misread())
    assert evaluate(given, "question=mine").code == 0
    (given / "f01.txt").write_text("a\nb\nc\n")
    assert evaluate(given, "question=mine").code == 0
    runs = [run.name for run in runs_in(workspace / "runs")]
    assert len(runs) == 2
    said = call("compare").out
    assert f"2 evaluations of one model on one test are one cell, their mean: {runs[0]}, {runs[1]}" in " ".join(
        said.split()
    )


def test_a_file_that_changes_while_it_is_read_is_refused(
    evaluate: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from htr_exp.scoring.other_systems import files

    given, read = as_text(tmp_path / "read", TEXTS), files._content

    def changing(path: Path) -> bytes:
        found = read(path)
        if path.name == "f04.txt":
            path.write_text("a\nb\nc and more\n")
        return found

    monkeypatch.setattr(files, "_content", changing)
    said = evaluate(given)
    assert said.code == 2
    assert "f04.txt was changed while it was read; run the command again" in said.err


def test_predictions_without_one_error_are_said_to_be_the_ground_truth(evaluate: Evaluate, tmp_path: Path) -> None:
    said = evaluate(as_text(tmp_path / "read", TEXTS))
    assert said.code == 0
    assert "these predictions are the ground truth" in " ".join(said.err.split())


def test_what_was_typed_wrongly_is_answered(evaluate: Evaluate, call: Call, pages: Path, tmp_path: Path) -> None:
    given = as_text(tmp_path / "read", TEXTS)
    assert "predictions=nowhere: there is no such file or folder" in evaluate(Path("nowhere")).err
    assert "system is not set" in evaluate(given, system=None).err
    assert (
        "either the predictions of another system are scored or a model" in evaluate(given, "model.path=a.mlmodel").err
    )
    assert "split=k_fold: predictions are scored on all pages" in evaluate(given, "split=k_fold", "split.fold=1").err
    assert "system=a/b: it names a folder, too" in evaluate(given, system="a/b").err
    alone = call("evaluate", f"dataset.path={pages}", "model.path=a.mlmodel", "system=Loghi")
    assert "system=Loghi changes nothing without predictions; give predictions=FOLDER" in alone.err
    trained = call("train", f"dataset.path={pages}", f"predictions={given}", "system=Loghi")
    assert f"predictions={given}: only `evaluate` scores the predictions of other systems" in trained.err
    assert "system=Loghi: only `evaluate`" in trained.err
    (tmp_path / "read.docx").write_bytes(b"PK")
    assert "this file is no prediction, by its ending" in evaluate(tmp_path / "read.docx").err


def test_options_lists_the_keys(call: Call) -> None:
    said = call("options", "evaluate", "--json")
    assert [one["key"] for one in said.json] == ["predictions", "system", "system_trained_on"]
    assert all(one["meaning"] and one["default"] == "null" for one in said.json)


def test_a_dry_run_says_what_would_be_scored(evaluate: Evaluate, workspace: Path, tmp_path: Path) -> None:
    given = as_text(tmp_path / "read", misread())
    assert "Transkribus Titan" in evaluate(given, "--dry-run").out
    planned = evaluate(given, "--dry-run", "--json").json
    assert (planned["system"]["name"], planned["system"]["form"], planned["kraken"]) == (
        "Transkribus Titan",
        "text",
        None,
    )
    assert not (workspace / "runs").exists()


def test_a_system_is_compared_with_a_run_on_its_test_pages(user: User, tmp_path: Path) -> None:
    page = user.page_of("test")
    given = as_text(tmp_path / "read", {page: misread()[page], "f77": ["not of the test"]})
    words = ("split=of_run", f"split.run={user.first.name}", f"predictions={given}", "system=Loghi")
    said = user.call("evaluate", f"dataset.path={user.pages}", "tracking=none", *words)
    assert said.code == 0, said.err
    (system,) = [run for run in user.runs if run.path != user.first.path]
    mine, theirs = row_of(user.first), row_of(system)
    assert mine["test_digest"] == theirs["test_digest"]
    assert [one["page"] for one in read_json(system.split)["test"]] == [f"{page}.xml"]
    assert theirs["test_scored"] == 2
    tables = user.tables()
    assert "group" in tables["compare"]
    assert "Loghi" in tables["compare"]
    assert user.in_mlflow(system)["htr_exp.model"] == "Loghi"
    assert user.in_mlflow(system)["htr_exp.test_digest"] == mine["test_digest"]


def test_a_system_that_was_trained_on_test_pages_is_refused_unless_that_is_accepted(
    evaluate: Evaluate, pages: Path, workspace: Path, tmp_path: Path
) -> None:
    given, listed = as_text(tmp_path / "read", misread()), tmp_path / "trained on.csv"
    listed.write_text(f"page,xml_sha256\nf03.xml,\n,{sha256_file(pages / 'f05.xml')}\n")
    said = evaluate(given, f"system_trained_on={listed}")
    assert said.code == 2
    assert "leakage: system: f03.xml (test) and f03.xml (train of the system, trained on.csv:2)" in said.err
    assert "leakage: system: f05.xml (test)" in said.err
    assert "leakage.accept=[system]" in said.err
    accepted = evaluate(given, f"system_trained_on={listed}", "leakage.accept=[system]")
    assert accepted.code == 0, accepted.err
    row = row_of(only_run(workspace))
    assert (row["leakage"], row["trained_on"], row["unknown_data"]) == (["system"], "known", [])


def test_a_list_without_a_test_page_makes_a_system_known(evaluate: Evaluate, workspace: Path, tmp_path: Path) -> None:
    given, listed = as_text(tmp_path / "read", misread()), tmp_path / "trained.csv"
    assert evaluate(given).code == 0
    assert row_of(only_run(workspace))["trained_on"] == "unknown"
    listed.write_text("page\nanother.xml\n")
    said = evaluate(given, f"system_trained_on={listed}")
    assert said.code == 0, said.err
    assert row_of(only_run(workspace))["trained_on"] == "known"  # judged anew, and the same run


def test_the_record_of_other_runs_says_nothing_of_systems() -> None:
    assert LeakageReport().record().keys() == {"accepted", "weaker", "base_model", "segmentation_model"}


def test_a_zip_is_read_as_the_folder_that_is_in_it(
    evaluate: Evaluate, pages: Path, workspace: Path, tmp_path: Path
) -> None:
    as_page(tmp_path / "page", misread(), pages)
    zipped = Path(shutil.make_archive(str(tmp_path / "export"), "zip", tmp_path, "page"))
    said = evaluate(zipped)
    assert said.code == 0, said.err
    record = only_run(workspace).facts()["predictions"]
    assert (record["given"], len(record["files"]), record["paired_by"]) == ("export.zip", 6, {"ids": 6})
    zipped.write_bytes(zipped.read_bytes()[:100])
    assert f"predictions={zipped}: it is no zip that can be read" in evaluate(zipped).err


def test_a_paper_names_the_system_and_cites_no_kraken(
    evaluate: Evaluate, call: Call, workspace: Path, tmp_path: Path
) -> None:
    assert evaluate(as_text(tmp_path / "read", misread())).code == 0
    said = call("report", only_run(workspace).name, "--out", tmp_path / "paper", "--json")
    assert said.code == 0, said.err
    files = {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "paper").glob("*.[bcm]*")}
    assert "Transkribus" in files["table.csv"]
    assert "kiessling" not in files["references.bib"]
    assert "Version none" not in files["references.bib"]
