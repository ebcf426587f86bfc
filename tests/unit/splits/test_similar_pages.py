"""Pages that are nearly the same are found whatever was done to them; different pages of one register are not."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from helpers.guarded_pages import SETTINGS, Line, Page, a_page
from helpers.made_up_texts import noisy, page
from helpers.registers import SIZE, picture, ruled_register, words_of
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import DatasetError
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.pipeline.sources import Sources
from htr_exp.splits import similar_pages
from htr_exp.splits.similar_pages import Pair, explained, find_similar

DEMO = sorted((Path(similar_pages.__file__).parents[1] / "demo" / "pages").glob("*.jpg"))
Lines = list[str]


def of_lines(number: int, lines: Sequence[str], **changes: Any) -> Page:
    return replace(a_page(number, **changes), lines=tuple(Line(f"l{at}", line) for at, line in enumerate(lines)))


def text(number: int, lines: int = 24) -> Lines:
    words = page(number, 6 * lines).split()
    return [" ".join(words[at : at + 6]) for at in range(0, len(words), 6)]


def named(pages: Sequence[Page]) -> list[tuple[str, str, str]]:
    return [(pair.kind, pair.first, pair.second) for pair in find_similar(pages, SETTINGS, None).pairs]


# registers


def test_pages_of_one_ruled_register_are_different(tmp_path: Path) -> None:
    pages = examine_folders([ruled_register(tmp_path, 10)]).pages
    assert find_similar(pages, SETTINGS, None).pairs == ()


def test_pages_of_one_ruled_register_are_different_without_their_texts(tmp_path: Path) -> None:
    pages = examine_folders([ruled_register(tmp_path, 10, with_text=False)]).pages
    assert find_similar(pages, SETTINGS, None).pairs == ()


def test_long_texts_that_differ_overrule_images_but_not_those_of_the_same_pixels(tmp_path: Path) -> None:
    picture(words_of(1)).save(tmp_path / "one.png")
    picture(words_of(1)).save(tmp_path / "cut.png")
    with Image.open(tmp_path / "one.png") as image:
        image.crop((6, 7, 594, 693)).save(tmp_path / "cut.png")
        image.save(tmp_path / "anew.tif")
    first, second, third = (of_lines(number, words_of(number), image=tmp_path / name)
                            for number, name in enumerate(["one.png", "cut.png", "anew.tif"]))  # fmt: skip
    assert named([first, second]) == []
    assert named([first, third]) == [("near_image", "f0.xml", "f2.xml")]
    assert named([first, replace(second, lines=())]) == [("near_image", "f0.xml", "f1.xml")]


def test_formulae_make_no_two_pages_of_a_register_the_same() -> None:
    formula = text(99, 20)
    pages = [of_lines(number, [*formula, *words_of(number, 8)]) for number in range(40)]
    assert named(pages) == []
    double = of_lines(90, [noisy(line.text, 0.1, seed) for seed, line in enumerate(pages[7].lines)])
    assert named([*pages, double]) == [("near_text", "f7.xml", "f90.xml")]


def test_formulae_that_fill_pages_make_them_not_the_same() -> None:
    formula = text(99, 20)
    pages = [of_lines(number, [*formula[:10], *words_of(number, 5), *formula[10:]]) for number in range(40)]
    assert named(pages) == []
    anew = " ".join(line.text for line in pages[7].lines).replace(" a", "\na").split("\n")
    assert named([*pages, of_lines(90, changed(anew, 0.05))]) == [("near_text", "f7.xml", "f90.xml")]


def test_litanies_of_different_saints_are_different() -> None:
    saints = [
        f"sancte {''.join(random.Random(seed).choices('abdegilmnoprstu', k=9))} ora pro nobis" for seed in range(80)
    ]
    first, second = of_lines(1, saints[:40]), of_lines(2, saints[40:])
    assert named([first, second]) == []
    assert named([first, second, of_lines(3, [noisy(line, 0.05) for line in reversed(saints[:40])])]) == [("near_text", "f1.xml", "f3.xml")]  # fmt: skip


FORM = text(99, 9)
"""What is printed on each copy of a form."""

DIFFERENT: dict[str, Callable[[random.Random, int], Lines]] = {
    "copies of one printed form, filled in": lambda chance, number: [line for pair in zip(FORM, words_of(number, 9)) for line in pair],
    "title pages with one heading": lambda chance, number: ["Incipit liber sancti Augustini episcopi", *words_of(number, 1), "de ciuitate dei contra paganos"],
    "pages of two lines": lambda chance, number: words_of(number, 2),
    "tables of numbers": lambda chance, number: [" ".join(str(chance.randrange(10_000)) for _ in range(8)) for _ in range(30)],
    "interlinear glosses": lambda chance, number: [line for word in words_of(number, 14) for line in (word, "id est scilicet", "uel")],
    "one refrain after each verse": lambda chance, number: [line for verse in words_of(number, 12) for line in (verse, "kyrie eleyson christe eleyson kyrie eleyson")],
}  # fmt: skip


@pytest.mark.parametrize("kind", DIFFERENT)
def test_different_pages_that_have_much_in_common_are_different(kind: str) -> None:
    pages = [of_lines(number, DIFFERENT[kind](random.Random(number), number)) for number in range(12)]
    assert named(pages) == []


def test_blank_pages_of_one_book_are_different(tmp_path: Path) -> None:
    """Nothing is on them but the frame, rulings and the grain of the paper."""
    for number in range(8):
        grain = Image.effect_noise(SIZE, 24 + number)
        Image.blend(picture([]), grain, 0.25).save(tmp_path / f"{number}.png", compress_level=1)
    pages = [of_lines(number, [], image=tmp_path / f"{number}.png") for number in range(8)]
    assert named(pages) == []


def test_a_litany_of_saints_with_short_names_stands_in_no_other() -> None:
    """Among other lines, each invocation is nearly in the other page, but as nearly in its own."""
    names = [
        "petre",
        "paule",
        "andrea",
        "iacobe",
        "thoma",
        "philippe",
        "mathee",
        "symon",
        "luca",
        "marce",
        "stephane",
        "laurenti",
    ]
    litanies = [[f"sancte {name} ora pro nobis" for name in half] for half in (names[:6], names[6:])]
    assert named([of_lines(1, litanies[0]), of_lines(2, [*words_of(5, 6), *litanies[1], *words_of(6, 6)])]) == []


# altered copies of one page


def halves(lines: Lines) -> Lines:
    return lines[len(lines) // 2 :] + lines[: len(lines) // 2]


def changed(lines: Lines, share: float) -> Lines:
    return [noisy(line, share, seed) for seed, line in enumerate(lines)]


def rewrapped(lines: Lines) -> Lines:
    return " ".join(lines).replace(" a", "\na").split("\n")


TEXTS: dict[str, Callable[[Lines], Lines]] = {
    "20 % of the letters changed": lambda lines: changed(lines, 0.2),
    "halves exchanged and 10 % changed": lambda lines: changed(halves(lines), 0.1),
    "columns read across and 10 % changed": lambda lines: changed(lines[::2] + lines[1::2], 0.1),
    "half a page and 20 % changed": lambda lines: changed(lines[:12], 0.2),
    "other line breaks and 10 % changed": lambda lines: changed(rewrapped(lines), 0.1),
    "halves exchanged, other line breaks and 10 % changed": lambda lines: changed(rewrapped(halves(lines)), 0.1),
    "half a page, other line breaks and 5 % changed": lambda lines: changed(rewrapped(lines[:12]), 0.05),
    "columns read across, other line breaks and 5 % changed": lambda lines: changed(
        rewrapped(lines[::2] + lines[1::2]), 0.05
    ),
    "u and v, i and j exchanged": lambda lines: [line.translate(str.maketrans("uvij", "vuji")) for line in lines],
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_page_with_another_text_and_no_image_is_found(kind: str) -> None:
    pages = [of_lines(number, text(number)) for number in range(12)]
    assert named([*pages, of_lines(90, TEXTS[kind](text(3)))]) == [("near_text", "f3.xml", "f90.xml")]


def cropped(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    return image.crop((int(share * width), int(share * height), int((1 - share) * width), int((1 - share) * height)))


def cut(image: Image.Image, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Image.Image:
    width, height = image.size
    return image.crop((int(left * width), int(top * height), int((1 - right) * width), int((1 - bottom) * height)))


def saved_anew(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=30)
    return Image.open(file)


LOOKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped by 3 %": lambda image: cropped(image, 0.03),
    "cropped by 5 %": lambda image: cropped(image, 0.05),
    "cropped by 10 %": lambda image: cropped(image, 0.10),
    "with a border": lambda image: ImageOps.expand(image, 30, 30),
    "with a white border": lambda image: ImageOps.expand(image, 40, "white"),
    "cropped by 4 % at the left": lambda image: cut(image, left=0.04),
    "cropped by 8 % at the top": lambda image: cut(image, top=0.08),
    "cropped by 6 % at the right": lambda image: cut(image, right=0.06),
    "the upper half": lambda image: cut(image, bottom=0.5),
    "the right half": lambda image: cut(image, left=0.5),
    "turned by 3 degrees": lambda image: image.rotate(3, Image.Resampling.BICUBIC, expand=True, fillcolor=40),
    "turned by 3 degrees in its frame": lambda image: image.rotate(-3, Image.Resampling.BICUBIC, fillcolor=235),
    "turned by 180 degrees": lambda image: image.rotate(180),
    "mirrored": ImageOps.mirror,
    "a negative": ImageOps.invert,
    "darker, and saved in grey at quality 30": lambda image: saved_anew(
        image.convert("L").point([int(255 * (at / 255) ** 1.6) for at in range(256)])
    ),
    "turned by 2 degrees": lambda image: image.rotate(2, Image.Resampling.BICUBIC, expand=True, fillcolor=40),
    "turned by 90 degrees": lambda image: image.rotate(90, expand=True),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
}


@pytest.mark.parametrize("kind", LOOKS)
def test_a_page_with_another_image_and_no_text_is_found(kind: str, tmp_path: Path) -> None:
    pages = [of_lines(number, [], image=image) for number, image in enumerate(DEMO[:6])]
    with Image.open(DEMO[3]) as image:
        LOOKS[kind](image).save(tmp_path / "copy.jpg", quality=80)
    copy = of_lines(90, [], image=tmp_path / "copy.jpg")
    assert named([*pages, copy]) == [("near_image", "f3.xml", "f90.xml")]


# what is told


def test_pages_that_count_as_one_are_told_with_how_near_and_the_word_that_parts_them() -> None:
    pairs = [Pair("near_text", "a", "b", "93% of the lines"), Pair("near_image", "b", "c", "97% of their look")]
    assert explained([*pairs, Pair("near_text", "x", "y", "all")]) == [
        "a, b, c count as one, nearly the same page: a and b: 93% of the lines; b and c: 97% of their look. leakage.accept=[near_image,near_text] parts them",
        "x, y count as one, nearly the same page: x and y: all. leakage.accept=[near_text] parts them",
    ]


def test_too_few_pages_name_those_that_count_as_one_and_folds_say_them(tmp_path: Path, experiment: list[str]) -> None:
    folder = ruled_register(tmp_path / "register", 5)
    for number in (1, 2, 3):
        (folder / f"p00{number}.xml").write_bytes(
            (folder / "p000.xml").read_bytes().replace(b"p000.png", b"p00%d.png" % number)
        )
    chosen = compose_experiment([*experiment, f"dataset.path={folder}", "split.test=0.2"]).experiment
    dataset = examine_folders([folder])
    with pytest.raises(DatasetError, match="2 pages with text") as refused:
        Sources().split(chosen, dataset, evaluate=False)
    assert "p000.xml, p001.xml, p002.xml, p003.xml count as one, nearly the same page: p000.xml and p001.xml: 100% of the" in str(refused.value)  # fmt: skip
    assert "leakage.accept=[near_text] parts them" in str(refused.value)
    parted = replace(chosen, leakage=replace(SETTINGS, accept=["near_text"]))
    assert len(Sources().split(parted, dataset, evaluate=False).pages["train"]) == 3


@pytest.mark.seconds
def test_a_fold_of_five_tests_a_fifth_of_a_register_of_a_hundred_pages(tmp_path: Path, experiment: list[str]) -> None:
    kept = [word for word in experiment if not word.startswith("split.")]
    folder = ruled_register(tmp_path / "register", 100, "In nomine domini amen\nAnno eiusdem millesimo")
    dataset = examine_folders([folder])
    sources, tested = Sources(), []
    for fold in range(1, 6):
        words = [*kept, f"dataset.path={folder}", "split=k_fold", "split.folds=5", f"split.fold={fold}"]
        tested.append(sources.split(compose_experiment(words).experiment, dataset, evaluate=False).pages["test"])
    assert [len(pages) for pages in tested] == [20] * 5
    assert len({name for pages in tested for name in pages}) == 100
