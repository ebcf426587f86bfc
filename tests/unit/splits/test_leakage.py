"""The guard of every run: nothing is on two sides of a split, nothing held out was learnt from before."""

from __future__ import annotations

import csv
import json
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fakes.scenario import weights
from helpers.page_files import page_line, page_xml
from helpers.real_data import only
from helpers.sentences import sentences
from htr_exp.config.compose import compose_experiment
from htr_exp.config.schema import Leakage
from htr_exp.core.errors import ConfigError, DatasetError
from htr_exp.core.files import sha256_file
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.pipeline.plan import Plan, make_plan
from htr_exp.pipeline.write import write_run
from htr_exp.runs import table as runs_table
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.table import compared
from htr_exp.splits import leakage, seen_pages
from unit.splits.test_near_duplicates import noisy
from unit.splits.test_near_duplicates import page as text_of

DEMO = sorted((Path(leakage.__file__).parents[1] / "demo" / "pages").glob("*.jpg"))
SETTINGS = Leakage(near_image=0.15, near_text=0.7, contained_text=0.8, text_letters=120)


@dataclass(frozen=True)
class Line:
    id: str
    text: str


@dataclass(frozen=True)
class Page:
    """A page as the guard sees one."""

    name: str
    image: Path
    image_digest: str
    xml_digest: str
    digest: str
    lines: tuple[Line, ...]


def a_page(number: int, text: str | None = None, **changes: Any) -> Page:
    words = (text or text_of(number)).split()
    lines = tuple(Line(f"l{start}", " ".join(words[start : start + 6])) for start in range(0, len(words), 6))
    values: dict[str, Any] = {
        "name": f"f{number}.xml",
        "image": Path(f"/nowhere/f{number}.jpg"),
        "image_digest": f"image {number}",
        "xml_digest": f"xml {number}",
        "digest": f"digest {number}",
        "lines": lines,
    }
    return Page(**(values | changes))


def guarded(
    train: Sequence[Page],
    test: Sequence[Page],
    base: seen_pages.Lineage | None = None,
    settings: Leakage = SETTINGS,
    validation: Sequence[Page] = (),
) -> leakage.LeakageReport:
    pages = [*train, *validation, *test]
    sides = {"train": train, "validation": validation, "test": test}
    names = {side: [page.name for page in of] for side, of in sides.items()}
    found = leakage.similar(pages, settings, None)
    return leakage.guard(names, {page.name: page for page in pages}, found, base, settings)


def kinds(findings: leakage.LeakageReport) -> list[str]:
    return [leak.kind for leak in findings.leaks]


def accepting(*accepted: str) -> Leakage:
    return Leakage(list(accepted), SETTINGS.near_image, SETTINGS.near_text, SETTINGS.contained_text, SETTINGS.text_letters)  # fmt: skip


def test_different_pages_pass() -> None:
    assert not guarded([a_page(1), a_page(2)], [a_page(3)], validation=[a_page(4)]).leaks


def test_one_page_on_two_sides_is_told_once() -> None:
    twin = a_page(1, name="twin.xml")
    findings = guarded([a_page(1), a_page(2)], [twin])
    assert kinds(findings) == ["same_page"]
    assert "same_page: f1.xml (train) and twin.xml (test)" in sentences(findings.problems())[0]
    assert "leakage.accept=[same_page]" in sentences(findings.problems())[-1]


def test_one_image_on_two_sides_is_told() -> None:
    shared = a_page(3, image_digest="image 1")
    assert kinds(guarded([a_page(1)], [shared])) == ["same_image"]
    assert not guarded([a_page(1), shared], [a_page(2)]).leaks


def test_an_image_transcribed_twice_has_to_be_accepted_twice() -> None:
    again = a_page(3, noisy(text_of(1), 0.05), image_digest="image 1")
    assert set(kinds(guarded([a_page(1)], [again]))) == {"same_image", "near_text"}
    assert sentences(guarded([a_page(1)], [again], settings=accepting("same_image")).problems())
    assert not sentences(guarded([a_page(1)], [again], settings=accepting("same_image", "near_text")).problems())


def test_near_texts_on_two_sides_are_told_with_measure_and_threshold() -> None:
    again = a_page(3, noisy(text_of(1), 0.08))
    findings = guarded([a_page(1), a_page(2)], [], validation=[again])
    assert kinds(findings) == ["near_text"]
    assert "f1.xml (train) and f3.xml (validation)" in str(findings.leaks[0])
    assert "leakage.near_text=0.7" in findings.leaks[0].measure
    assert not guarded([a_page(1), again], [a_page(2)]).leaks


def test_near_images_on_two_sides_are_told(tmp_path: Path) -> None:
    with Image.open(DEMO[0]) as image:
        image.convert("L").resize((image.width // 2, image.height // 2)).save(tmp_path / "copy.png")
    train, test = a_page(1, image=DEMO[0]), a_page(2, image=tmp_path / "copy.png")
    findings = guarded([train, a_page(3, image=DEMO[1])], [test])
    assert kinds(findings) == ["near_image"]
    assert "leakage.near_image=0.15" in findings.leaks[0].measure


def test_images_that_were_not_compared_are_told() -> None:
    (warning,) = guarded([a_page(1)], [a_page(2)]).warnings
    assert "2 images were not compared" in warning


def test_many_pairs_are_shown_up_to_a_limit() -> None:
    train = [a_page(number, text_of(1), image_digest="one") for number in range(30)]
    problems = sentences(guarded(train, [a_page(99, image_digest="one")]).problems())
    assert len(problems) == 22
    assert problems[-2] == "same_image: and 10 more"


def test_lines_on_two_sides_are_only_warned_of() -> None:
    formula = "in nomine sancte et indiuidue trinitatis"
    first, second = (a_page(number, f"{formula} {text_of(number)}") for number in (1, 2))
    findings = guarded([first], [second])
    assert not findings.leaks
    assert any("1 of 11 lines of test" in warning and formula in warning for warning in findings.warnings)


def test_what_is_accepted_is_recorded_with_its_pages() -> None:
    findings = guarded([a_page(1)], [a_page(2, image_digest="image 1")], settings=accepting("same_image", "near_text"))
    assert not sentences(findings.problems())
    accepted = findings.record()["accepted"]
    assert list(accepted) == ["same_image"]
    assert accepted["same_image"]["count"] == 1
    assert accepted["same_image"]["pairs"][0]["other"] == "f2.xml"
    assert any("near_text does not occur" in warning for warning in findings.warnings)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("leakage.accept=[same_imag]", "leakage.accept: same_imag: there is no such kind; choose of same_page, same_image"),
        ("leakage.near_image=0.5", "leakage.near_image=0.5: it must be from 0 to 0.25"),
        ("leakage.near_text=0.2", "leakage.near_text=0.2: it must be from 0.5 to 1"),
        ("leakage.contained_text=2", "leakage.contained_text=2.0: it must be from 0.5 to 1"),
        ("leakage.text_letters=1", "leakage.text_letters=1: it must be at least 50"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(words: str, said: str, experiment: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        make_plan(compose_experiment([*experiment, words]))
    assert any(said in problem for problem in sentences(refused.value))


def test_pages_that_belong_together_are_joined() -> None:
    pairs = [leakage.Pair("near_text", first, second, "") for first, second in ("ab", "cd", "bc", "ef")]
    assert sorted(map(sorted, leakage.together(pairs))) == [["a", "b", "c", "d"], ["e", "f"]]


# the base model


def learnt(**facts: Any) -> seen_pages.Lineage:
    values: dict[str, Any] = {"role": "train", "name": "old.xml", "source": "old-run"} | facts
    return seen_pages.Lineage("known", ("old-run",), (seen_pages.Fingerprint(**values),))


@pytest.mark.parametrize("facts", [{"page_digest": "digest 2"}, {"image_digest": "image 2"}, {"xml_digest": "xml 2"}])
def test_a_page_that_the_base_model_has_learnt_may_only_be_learnt_again(facts: dict[str, str]) -> None:
    base = learnt(**facts)
    (leak,) = guarded([a_page(1)], [a_page(2)], base).leaks
    assert (leak.kind, leak.measure.startswith("the same ")) == ("base_model", True)
    assert kinds(guarded([a_page(1)], [], base, validation=[a_page(2)])) == ["base_model"]
    assert not guarded([a_page(2)], [a_page(1)], base).leaks


def test_validation_pages_may_have_been_validation_pages_before() -> None:
    base = learnt(role="validation", image_digest="image 2")
    assert not guarded([a_page(1)], [], base, validation=[a_page(2)]).leaks
    assert kinds(guarded([a_page(1)], [a_page(2)], base)) == ["base_model"]


def test_what_the_base_model_has_nearly_learnt_is_told() -> None:
    from htr_exp.splits.near_duplicates import letters

    findings = guarded([a_page(1)], [a_page(2)], learnt(letters=letters(noisy(text_of(2), 0.08))))
    assert kinds(findings) == ["base_model"]
    assert (
        "f2.xml (test) and old.xml (train of the base model, old-run): their texts agree"
        in sentences(findings.problems())[0]
    )


def test_fingerprints_read_back_the_same() -> None:
    page = seen_pages.Fingerprint("train", "a.xml", "run", "d", "x", "i", 5 << 500, "incipitliber")
    assert seen_pages.Fingerprint.from_json(json.loads(json.dumps(page.to_json()))) == page


def table(path: Path, *rows: Sequence[str], delimiter: str = "\t") -> Path:
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_a_list_of_training_data_is_read(tmp_path: Path, delimiter: str) -> None:
    rows = [["train", "a.xml", "A" * 64], ["val", "b.xml", "b" * 64], ["test", "c.xml", "c" * 64], ["", "d.xml", ""]]
    path = table(tmp_path / "list.csv", ["side", "xml", "image_sha256"], *rows, delimiter=delimiter)
    found = seen_pages.read_list(path)
    assert [(page.role, page.name, page.image_digest) for page in found] == [
        ("train", "a.xml", "a" * 64),
        ("validation", "b.xml", "b" * 64),
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["xml"], ["a.xml"]], "no column xml_sha256 or image_sha256; its columns are xml"),
        ([["xml_sha256"], ["abc"]], ":2: xml_sha256=abc: it is no SHA-256"),
        ([["xml_sha256"]], "names no file"),
        ([], "its columns are none"),
    ],
)
def test_a_list_that_says_nothing_is_refused(tmp_path: Path, rows: list[list[str]], said: str) -> None:
    with pytest.raises(DatasetError) as refused:
        seen_pages.read_list(table(tmp_path / "list.tsv", *rows))
    assert said in str(refused.value)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"model.trained_on=.*list.tsv: it cannot be read: No such file"):
        seen_pages.read_list(tmp_path / "list.tsv")


# whole runs


def planned_run(words: Sequence[str], *changes: str, evaluate: bool = False) -> Plan:
    taken = {change.partition("=")[0] for change in changes}
    return make_plan(compose_experiment([word for word in words if word.partition("=")[0] not in taken] + list(changes)),
                evaluate=evaluate)  # fmt: skip


def problems_of(words: Sequence[str], *changes: str, evaluate: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        planned_run(words, *changes, evaluate=evaluate)
    return [problem for problem in sentences(refused.value) if problem.startswith("leakage:")]


@pytest.fixture
def long_pages(tmp_path: Path) -> Path:
    """Eight pages with text enough to be compared; the eighth is the first, transcribed again."""
    folder = tmp_path / "long"
    folder.mkdir()
    texts = [text_of(seed) for seed in range(7)]
    for number, text in enumerate([*texts, noisy(texts[0], 0.06)]):
        image = Image.new("L", (400, 300), 200)
        image.putpixel((0, 0), number)
        image.save(folder / f"f{number}.png")
        words = text.split()
        lines = [page_line(at + 1, " ".join(words[at : at + 8])) for at in range(0, len(words), 8)]
        (folder / f"f{number}.xml").write_text(page_xml("".join(lines), image=f"f{number}.png"), encoding="utf-8")
    return folder


@pytest.fixture
def separating(tmp_path: Path) -> Path:
    """A table that puts the first page and its double on two sides."""
    sides = {"f0": "train", "f1": "train", "f2": "validation", "f7": "test"}
    return table(tmp_path / "split.csv", ["page", "split"], *sides.items(), delimiter=",")


@pytest.fixture
def words(experiment: list[str], long_pages: Path, separating: Path) -> list[str]:
    kept = [word for word in experiment if not word.startswith(("dataset.path", "split."))]
    return [*kept, f"dataset.path={long_pages}", "split=table", f"split.table={separating}"]


def test_a_given_split_that_leaks_stops_the_run(words: list[str]) -> None:
    said = problems_of(words)
    assert "near_text: f0.xml (train) and f7.xml (test): their texts agree in" in said[0]
    assert said[1].endswith("leakage.accept=[near_text]")


def test_an_accepted_leak_is_in_the_record_and_in_every_row(words: list[str], capsys: Any) -> None:
    from htr_exp.core.console import console
    from htr_exp.runs import run_table, status_table
    from htr_exp.tracking import run_view

    made = planned_run(words, "leakage.accept=[near_text]")
    run, _ = write_run(made, command=["htr_exp", "train"])
    assert run.facts()["leakage"]["accepted"]["near_text"]["pairs"][0]["page"] == "f0.xml"
    row = runs_table.row(run)
    assert row["leakage"] == ["near_text"]
    assert run_view.read(run.path, made.places.workspace).tags["htr_exp.leakage"] == "near_text"
    rows, varied = compared([run])
    status_table.show_status(console(), [row])
    assert "near_text" in capsys.readouterr().out
    run_table.show_table(console(), rows, varied)
    assert "near_text" in capsys.readouterr().out
    run_table.show_result(console(), row | {"state": "done", "reason": None})
    assert "leakage accepted: near_text" in capsys.readouterr().out


def test_a_clean_run_has_no_mark(planned: Callable[..., RunDir], capsys: Any) -> None:
    from htr_exp.core.console import console
    from htr_exp.runs import status_table

    run = planned()
    assert runs_table.row(run)["leakage"] == []
    status_table.show_status(console(), [runs_table.row(run)])
    assert "leakage" not in capsys.readouterr().out


def finished(run: RunDir, accuracy: float = 0.8) -> Path:
    """Give a run its best model, as if it had trained, and return it."""
    run.best.write_bytes(weights(accuracy=accuracy))
    run.results.write_text(json.dumps({"models": {"best": sha256_file(run.best)}}))
    return run.best


def test_a_model_of_our_own_is_recognised_wherever_its_file_is(words: list[str], tmp_path: Path) -> None:
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    best = finished(first)
    copied = Path(shutil.copy(best, tmp_path / "elsewhere.mlmodel"))
    swapped = table(tmp_path / "swapped.csv", ["page", "split"], ["f3", "train"], ["f4", "validation"], ["f1", "test"],
                    delimiter=",")  # fmt: skip
    for model in (best, copied):
        said = problems_of(words, f"model.path={model}", f"split.table={swapped}")
        assert f"base_model: f1.xml (test) and f1.xml (train of the base model, {first.name})" in said[0]


def test_a_chain_of_models_is_followed_through_runs_that_are_gone(words: list[str], tmp_path: Path) -> None:
    def split(name: str, **sides: str) -> str:
        return f"split.table={table(tmp_path / name, ['page', 'split'], *sides.items(), delimiter=',')}"

    first, _ = write_run(planned_run(words, split("1.csv", f1="train", f2="validation")), command=[])
    second_plan = planned_run(words, f"model.path={finished(first)}", split("2.csv", f3="train", f4="validation"))
    second, _ = write_run(second_plan, command=[])
    best = finished(second, 0.9)
    shutil.rmtree(first.path)
    said = problems_of(words, f"model.path={best}", split("3.csv", f5="train", f6="validation", f1="test"))
    assert f"f1.xml (test) and f1.xml (train of the base model, {first.name})" in said[0]
    # what the small experiment starts from is nobody's: the rest of the chain is not known
    record = planned_run(
        words, f"model.path={best}", split("4.csv", f3="train", f4="validation", f5="test")
    ).leaks.record()
    assert record["base_model"]["trained_on"] == "in part"


def test_going_on_with_the_same_split_is_no_leak(words: list[str]) -> None:
    first, _ = write_run(planned_run(words, "leakage.accept=[near_text]"), command=[])
    made = planned_run(words, f"model.path={finished(first)}", "leakage.accept=[near_text,base_model]")
    assert {leak.page for leak in made.leaks.accepted["base_model"]} == {"f7.xml"}  # only the double in the test set


def test_evaluating_on_what_the_model_was_trained_on_is_refused(
    words: list[str], long_pages: Path, tmp_path: Path
) -> None:
    digests = [[f"f{number}.xml", sha256_file(long_pages / f"f{number}.xml")] for number in range(7)]
    listed = table(tmp_path / "trained.tsv", ["xml", "xml_sha256"], *digests)
    alone = [word for word in words if not word.startswith("split")]
    said = problems_of(alone, f"model.trained_on={listed}", evaluate=True)
    assert len(said) == 9  # seven listed pages, the double of one, what to do
    made = planned_run(alone, f"model.trained_on={listed}", "leakage.accept=[base_model]", evaluate=True)
    assert made.leaks.record()["base_model"] == {"trained_on": "known", "sources": ["trained.tsv"], "pages": 7}


def test_a_base_model_of_unknown_origin_is_recorded_as_that(planned: Callable[..., RunDir]) -> None:
    assert planned().facts()["leakage"]["base_model"] == {"trained_on": "unknown", "sources": [], "pages": 0}


# real pages


def test_no_two_pages_of_the_clean_sets_and_the_charters_are_near(real_data: Path) -> None:
    folders = [real_data / "dev", real_data / "demo", only(real_data, "dirty/09*")]
    pages = [page for folder in folders for page in examine_folders([folder]).pages]
    assert len(pages) > 100
    start = time.process_time()
    assert leakage.similar(pages, SETTINGS, None).pairs == ()
    assert time.process_time() - start < 60


def test_a_real_page_transcribed_twice_is_near_itself(real_data: Path) -> None:
    chance = random.Random(1)
    dataset = examine_folders([real_data / "demo" / "page-foral-santarem-1347"])
    for page in dataset.pages:
        text = "".join(line.text for line in page.lines)
        if len(text) > 200:
            again = a_page(1, noisy(text, 0.08, chance.randrange(1000)))
            assert kinds(guarded([a_page(2, text)], [again])) == ["near_text"]
