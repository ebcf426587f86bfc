"""The guard of every run: nothing is on two sides of a split, nothing held out was learnt from before."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image

from helpers.guarded_pages import SETTINGS, a_page, accepting, guarded, kinds
from helpers.made_up_texts import noisy
from helpers.made_up_texts import page as text_of
from helpers.real_data import only
from helpers.sentences import sentences
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ConfigError
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.pipeline.plan import make_plan
from htr_exp.splits import leakage, similar_pages

DEMO = sorted((Path(leakage.__file__).parents[1] / "demo" / "pages").glob("*.jpg"))


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
    assert "of their look (leakage." in findings.leaks[0].measure


def test_images_that_were_not_compared_are_told() -> None:
    (warning,) = guarded([a_page(1)], [a_page(2)]).warnings
    assert "2 images were not compared" in warning


def test_many_pairs_are_shown_up_to_a_limit() -> None:
    train = [a_page(number, text_of(1), image_digest="one") for number in range(30)]
    problems = sentences(guarded(train, [a_page(99, image_digest="one")]).problems())
    assert len(problems) == 22
    assert problems[-2] == "leakage: same_image: and 10 more"


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
        ("leakage.shared_lines=0.4", "leakage.shared_lines=0.4: it must be from 0.5 to 1"),
        ("leakage.near_line=1.1", "leakage.near_line=1.1: it must be from 0.5 to 1"),
        ("leakage.copied_image=0.2", "leakage.copied_image=0.2: it must be from 0 to 0.1"),
        ("leakage.differing_text=100", "leakage.differing_text=100: it must be at least leakage.text_letters=120"),
        ("leakage.text_letters=1", "leakage.text_letters=1: it must be at least 50"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(words: str, said: str, experiment: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        make_plan(compose_experiment([*experiment, words]))
    assert any(said in problem for problem in sentences(refused.value))


def test_pages_that_belong_together_are_joined() -> None:
    pairs = [similar_pages.Pair("near_text", first, second, "") for first, second in ("ab", "cd", "bc", "ef")]
    assert sorted(map(sorted, similar_pages.together(pairs))) == [["a", "b", "c", "d"], ["e", "f"]]


# real pages


def test_of_the_clean_sets_and_the_charters_only_pages_with_one_text_are_near(real_data: Path) -> None:
    """The charter of Guarda of 1411 is a copy of that of 1222; that of Castreição of 1217 stands in that of 1222."""
    folders = [real_data / "dev", real_data / "demo", only(real_data, "dirty/09*")]
    pages = [page for folder in folders for page in examine_folders([folder]).pages]
    assert len(pages) > 100
    found = [{pair.first, pair.second} for pair in similar_pages.find_similar(pages, SETTINGS, None).pairs]
    towns = [sorted(name.rpartition("foral_de_")[2] for name in pair) for pair in found]
    assert sorted(towns) == [
        ["castreicao_1217/1.xml", "castreicao_1222/1.xml"],
        ["guarda_1222/2.xml", "guarda_1411/5.xml"],
    ]


def test_a_real_page_transcribed_twice_is_near_itself(real_data: Path) -> None:
    chance = random.Random(1)
    dataset = examine_folders([real_data / "demo" / "page-foral-santarem-1347"])
    for page in dataset.pages:
        text = "".join(line.text for line in page.lines)
        if len(text) > 200:
            again = a_page(1, noisy(text, 0.08, chance.randrange(1000)))
            assert kinds(guarded([a_page(2, text)], [again])) == ["near_text"]
