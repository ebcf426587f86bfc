"""The ways to fool oneself with a score, each tried as a user would: refused, shown in every table, or counted in the record.

docs/honest-figures.md lists the same ways: the name of each test is a way of that page.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
from pathlib import Path

import pytest
from PIL import Image

from fakes.scenario import ALPHABET, BLLA, SPEC, metadata_of, segmentation_weights, weights
from helpers.command_line import CommandLine, changed
from helpers.fake_kraken import Scenario
from helpers.folders import CHECKOUT
from helpers.guarded_pages import table
from helpers.made_up_texts import noisy
from helpers.made_up_texts import page as text_of
from helpers.one_training import User
from helpers.page_files import page_line, page_xml, write_image
from helpers.waiting import until
from htr_exp.core.files import read_json, read_jsonl, sha256_file, write_jsonl
from htr_exp.kraken.model_weights import _coreml
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.scorings import ledger_of
from htr_exp.runs.sealed_records import seal_of
from htr_exp.tracking import run_view

pytestmark = pytest.mark.seconds


def test_every_way_of_the_page_has_a_test_and_each_test_is_a_way() -> None:
    page = (CHECKOUT / "docs" / "honest-figures.md").read_text(encoding="utf-8")
    ways = re.findall(r"^\| ([A-Z][^|]+) \| (?:refused|shown|counted) \|", page, re.MULTILINE)
    assert len(ways) == 13
    names = {"test_" + re.sub(r"\W+", "_", way.lower()) for way in ways}
    there = {name for name in globals() if name.startswith("test_") and "every_way" not in name}
    assert there == names


# refused


def converted(model: Path, target: Path) -> Path:
    """A fake model as `ketos convert` writes it: the same weights as safetensors, with all that is in kraken_meta."""
    content = model.read_bytes()
    about = metadata_of(model) | {"_tasks": ["recognition"], "_model": "TorchVGSLModel", "vgsl": SPEC}
    about["codec"] = {character: [label] for label, character in enumerate(ALPHABET, start=1)}
    with open(model, "rb") as file:
        weight, bias = [bytes(piece) for piece in _coreml(file, len(content))]
    header = {
        "__metadata__": {"kraken_meta": json.dumps({"m": about})},
        "m.nn.C_0.co.weight": {"dtype": "F32", "shape": [32], "data_offsets": [0, len(weight)]},
        "m.nn.C_0.co.bias": {"dtype": "F32", "shape": [1], "data_offsets": [len(weight), len(weight + bias)]},
    }
    text = json.dumps(header).encode()
    target.write_bytes(struct.pack("<Q", len(text)) + text + weight + bias)
    return target


@pytest.mark.parametrize("how", ["moved", "converted"])
def test_convert_or_move_a_model_and_test_on_its_training_pages(user: User, how: str) -> None:
    """In another workspace, which knows nothing of the run."""
    elsewhere = user.workspace.parent / "elsewhere"
    elsewhere.mkdir()
    if how == "moved":
        model = Path(shutil.move(user.first.best, elsewhere / "mine.mlmodel"))
    else:
        model = converted(user.first.best, elsewhere / "mine.safetensors")
    os.chdir(elsewhere)
    said = user.evaluate(f"model.path={model}")
    assert said.code == 2
    page = f"{user.page_of('train')}.xml"
    assert f"leakage: base_model: {page} (test) and {page} (train of the base model, {user.first.name})" in said.err


def test_re_save_the_listed_files(user: User) -> None:
    """Neither the bytes of the XML nor of the image are those of the list any more."""
    listed = [[name, sha256_file(user.pages / f"{name}.xml"), sha256_file(user.pages / f"{name}.png")] for name in ("f01", "f02")]  # fmt: skip
    columns = ["page", "xml_sha256", "image_sha256"]
    pages = user.copied_pages()
    for name, _, _ in listed:
        xml = pages / f"{name}.xml"
        xml.write_text(xml.read_text().replace("><", ">\n<").replace(".png", ".bmp"))
        Image.open(pages / f"{name}.png").save(pages / f"{name}.bmp")
        (pages / f"{name}.png").unlink()
    list_ = table(user.workspace / "trained.tsv", columns, *listed)
    said = user.evaluate(f"model.trained_on={list_}", f"dataset.path={pages}")
    assert said.code == 2
    assert all(f"leakage: base_model: {name}.xml (test) and {name}" in said.err for name in ("f01", "f02"))


def test_a_segmenter_trained_on_the_evaluated_pages(user: User) -> None:
    segmenter = user.workspace / "layout.mlmodel"
    segmenter.write_bytes(segmentation_weights(BLLA, accuracy=0.9))
    listed = table(user.workspace / "trained.tsv", ["image"], ["f03.png"])
    words = ["segmentation_model=file", f"segmentation_model.path={segmenter}"]
    said = user.evaluate(*words, f"segmentation_model.trained_on={listed}")
    assert said.code == 2
    assert "leakage: segmentation_model: f03.xml (test) and f03.png (train of the segmentation model" in said.err


def test_two_scans_of_one_page(user: User) -> None:
    pages = user.workspace.parent / "scans"
    texts = [text_of(seed) for seed in range(5)]
    for number, text in enumerate([*texts, noisy(texts[0], 0.06)]):
        write_image(pages / f"f{number}.png", shade=100 + number)
        words = text.split()
        lines = [page_line(at + 1, " ".join(words[at : at + 8])) for at in range(0, len(words), 8)]
        (pages / f"f{number}.xml").write_text(page_xml("".join(lines), image=f"f{number}.png"), encoding="utf-8")
    sides = {"f0": "train", "f1": "train", "f2": "validation", "f5": "test"}
    given = table(user.workspace / "split.csv", ["page", "split"], *sides.items(), delimiter=",")
    said = user.dry(f"dataset.path={pages}", "split=table", f"split.table={given}")
    assert said.code == 2
    assert "leakage: near_text: f0.xml (train) and f5.xml (test)" in said.err
    drawn = user.dry(f"dataset.path={pages}", "split.validation=0.17", "split.test=0.17")
    assert drawn.code == 0, drawn.err
    assert "f0.xml and f5.xml" in " ".join(drawn.out.split())  # kept on one side


# shown in every table


def test_kill_until_the_score_pleases(user: User, scenario: Scenario) -> None:
    scenario.play(epoch_seconds=0.4)
    words = changed(user.words, ["seed=7", "training.epochs=3"])
    line = CommandLine(words, user.workspace)
    process = line.start("train", *words)
    found = lambda: [run for run in user.runs if run.path != user.first.path and run.epochs()]
    (run,) = until(found, "the first epoch")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    scenario.play()
    said = user.train("seed=7", "training.epochs=3")
    assert said.code == 0, said.err
    assert user.row(run)["resumed_at"]
    for shown in (*user.tables(run).values(), " ".join(said.out.split())):
        assert "the scores differ a little from those of an uninterrupted run" in shown
    assert all("resumed at" in shown for shown in user.tables(run).values())
    assert read_json(run.results)["resumed_exactly"] is False
    run.starts.write_text(run.starts.read_text().replace('"exact": false', '"exact": true'))
    assert user.row(run)["resumed_exactly"] is False
    run.starts.unlink()
    assert user.row(run)["resumed_at"] == read_json(run.results)["resumed_at"]
    assert user.in_mlflow(run)["htr_exp.resumed_exactly"] == "False"


def test_accept_a_leak_afterwards(user: User) -> None:
    listed = f"model.trained_on={table(user.workspace / 'trained.tsv', ['page'], [user.page_of('test')])}"
    assert user.train(listed).code == 2
    assert "leakage" not in user.tables()["compare"]
    before = run_view.fingerprint(user.first.path)
    said = user.train(listed, "leakage.accept=[base_model]")
    assert said.code == 0, said.err
    assert [run.path for run in user.runs] == [user.first.path]  # the run that was there
    assert "leakage accepted: base_model" in " ".join(said.out.split())
    assert user.train().code == 0  # and asked for without
    for shown in user.tables().values():
        assert "leakage" in shown
        assert "base_model" in shown
    assert user.in_mlflow(user.first)["htr_exp.leakage"] == "base_model"
    assert run_view.fingerprint(user.first.path) != before  # so that it is recorded again
    assert user.row(user.first)["seals"] == "ok"
    user.first.judgements.unlink()  # and accepted no more
    for shown in (*user.tables().values(), " ".join(user.train().out.split())):
        assert "changed since it was written: live/judgements.jsonl" in shown
    seal_of(user.first.judgements).unlink()
    assert user.row(user.first)["seals"] == ["live/judgements.jsonl"]


@pytest.mark.parametrize("where", ["words", "file"])
def test_loosen_thresholds_in_words_or_in_a_file(user: User, where: str) -> None:
    if where == "file":
        shipped = (CHECKOUT / "conf" / "leakage" / "default.yaml").read_text(encoding="utf-8")
        own = user.workspace / "conf" / "leakage" / "default.yaml"
        own.parent.mkdir(parents=True)
        own.write_text(shipped.replace("near_text: 0.7", "near_text: 0.95"), encoding="utf-8")
    said = user.train(*["leakage.near_text=0.95"] * (where == "words"))
    assert said.code == 0, said.err
    assert "leakage.near_text=0.95: weaker than 0.7, as shipped" in said.err
    for shown in (*user.tables().values(), user.in_mlflow(user.first)["htr_exp.leakage"]):
        assert "near_text=0.95" in shown


def test_swap_a_model_in_a_run_folder(user: User) -> None:
    user.first.best.write_bytes(weights(accuracy=0.99))
    for shown in user.tables().values():
        assert f"{user.first.name}: changed since it was written: best.mlmodel" in shown
    said = user.evaluate(f"model.path={user.first.best}")  # it does not inherit what the run's model has seen
    assert said.code == 0, said.err
    assert "base model's training data: unknown" in " ".join(said.out.split())
    assert "changed since it was written: best.mlmodel" in " ".join(user.train().out.split())


def test_edit_results_predictions_or_the_cache(user: User) -> None:
    results = user.first.results.read_text()
    cer = read_json(user.first.results)["test"]["best"]["cer"]
    user.first.results.write_text(results.replace(f'"cer": {cer}', '"cer": 0.0'))
    predictions = user.first.predictions_of("test")
    predictions.write_text(predictions.read_text().replace("#", "a"))
    for shown in user.tables().values():
        assert "changed since it was written: results.json, predictions/test.jsonl" in shown
    truth = {(row["page"], row["line"]): row["reference"] for side in ("test", "validation") for row in read_jsonl(user.first.predictions_of(side))}  # fmt: skip
    texts = {line: text for (_, line), text in truth.items()}
    edited = list((user.workspace / "cache").glob("predictions/*/*.jsonl"))
    for file in edited:
        write_jsonl(file, [row | {"text": texts[row["line"]]} for row in read_jsonl(file)])
    run = user.evaluated()
    assert read_json(run.results)["test"]["model"]["cer"] > 0.4
    assert "changed since it was written; it is made again" in run.log.read_text()


@pytest.mark.parametrize("side", ["test", "train"])
def test_correct_ground_truth_between_compared_runs(user: User, side: str) -> None:
    pages = user.copied_pages("pages")  # the same name
    page = pages / f"{user.page_of(side)}.xml"
    page.write_text(page.read_text().replace("erat", "fuit"))
    run = user.trained(f"dataset.path={pages}")
    compared = user.tables()["compare"]
    if side == "test":
        assert all("scores on different test pages do not compare" in shown for shown in user.tables().values())
        assert user.row(run)["test_digest"] != user.row(user.first)["test_digest"]
        assert user.row(run)["test_scored_in_part"] == 1
    else:
        assert "data: the ground truth of runs with different numbers differs" in compared
    assert user.in_mlflow(run)["htr_exp.dataset_digest"] != user.in_mlflow(user.first)["htr_exp.dataset_digest"]


def test_put_runs_of_different_pages_in_one_table(user: User) -> None:
    runs = [user.evaluated(), user.evaluated("dataset.pattern=f0[1-3].xml")]
    for shown in user.tables(*runs).values():
        assert "test 1: pages of pages (digest " in shown
        assert "test 2: pages of pages (digest " in shown
        assert "scores on different test pages do not compare" in shown
    assert len({user.in_mlflow(run)["htr_exp.test_digest"] for run in runs}) == 2


# counted in the record


def test_sweep_seeds_and_report_the_best_test_score(user: User) -> None:
    run = user.trained("seed=2")
    assert read_json(run.results)["test_scored"] == {"times": 2, "runs": 2, "in_part": 0, "incomplete": False}
    assert user.in_mlflow(run)["htr_exp.test_scored"] == "scored 2 times by 2 runs"
    assert all("scored 2 times by 2 runs" in shown for shown in user.tables().values())
    shutil.rmtree(run.path)  # the one that lost
    assert all("scored 2 times by 2 runs" in shown for shown in user.tables().values())
    assert user.row(user.first)["test_scored"] == 2
    ledger = ledger_of(user.workspace / "runs")
    ledger.write_text("".join(ledger.read_text().splitlines(keepends=True)[:-1]))  # nor remembered
    for shown in user.tables().values():
        assert "scored once, or more often: scorings.jsonl was changed by hand" in shown
    assert user.row(user.first)["test_scored_incomplete"] is True


@pytest.mark.parametrize("how", ["excluded", "deleted", "not matched", "on no side"])
def test_exclude_bad_test_pages_after_looking(user: User, how: str) -> None:
    bad = user.page_of("test")
    words: list[str] = []
    if how == "excluded":
        words = [f"dataset.exclude=[{bad}.xml]"]
    elif how == "deleted":
        pages = user.copied_pages()
        (pages / f"{bad}.xml").unlink()
        words = [f"dataset.path={pages}", "dataset.name=another"]
    elif how == "not matched":
        words = [f"dataset.pattern=f0[!{bad[-1]}].xml"]
    said = f"leaves out 1 page that an earlier run was scored on: {bad}.xml ({user.first.name})"
    if how == "on no side":
        others = [page for page in sorted(path.stem for path in user.pages.glob("*.xml")) if page != bad]
        sides = dict(zip(others, ["train", "train", "train", "validation", "test"]))
        given = table(user.workspace / "split.csv", ["page", "split"], *sides.items(), delimiter=",")
        dry = user.dry("split=table", f"split.table={given}")
        assert said in " ".join(dry.out.split())
        return
    run: RunDir = user.evaluated(*words)
    assert run.facts()["left_out"] == {
        "excluded": [f"{bad}.xml"] * (how == "excluded"),
        "scored_before": [{"page": f"{bad}.xml", "run": user.first.name}],
    }
    for shown in user.tables(run).values():
        assert said in shown
        assert "left out" in shown
        assert "1 scored before" in shown
        assert ("1 excluded" in shown) is (how == "excluded")
    assert user.in_mlflow(run)["htr_exp.left_out_scored"] == f"{bad}.xml ({user.first.name})"
