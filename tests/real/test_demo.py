from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image

from htr_exp.demo.generate import PAGES, ground_truth, main, write_pages
from htr_exp.demo.scribe import DRAWN, HANDS, MACRON, Hand, face, leaves

XML = sorted(PAGES.glob("*.xml"))


def points(text: str) -> list[tuple[int, int]]:
    numbers = [int(number) for number in text.replace(",", " ").split()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def read(path: Path) -> tuple[str, tuple[int, int], list[tuple[str, str, str, str]]]:
    """Image name, size and (id, baseline, polygon, text) of each line, with a reader that is not the package's."""
    root = ET.parse(path).getroot()
    page = root.find(".//{*}Page")
    assert page is not None
    if "alto" in root.tag:
        image, size = root.findtext(".//{*}fileName"), (page.get("WIDTH"), page.get("HEIGHT"))
        lines = [
            (
                line.get("ID"),
                line.get("BASELINE"),
                line.find(".//{*}Polygon").get("POINTS"),
                line.find("{*}String").get("CONTENT"),
            )
            for line in root.iter("{http://www.loc.gov/standards/alto/ns-v4#}TextLine")
        ]
    else:
        image, size = page.get("imageFilename"), (page.get("imageWidth"), page.get("imageHeight"))
        lines = [
            (
                line.get("id"),
                line.find("{*}Baseline").get("points"),
                line.find("{*}Coords").get("points"),
                line.findtext(".//{*}Unicode"),
            )
            for line in root.findall(".//{*}TextLine")
        ]
    return image, (int(size[0]), int(size[1])), lines


def texts(hand: str) -> list[str]:
    return [line.text for leaf in leaves(HANDS[hand]) for line in leaf.lines]


def test_the_generator_writes_the_committed_xml_byte_for_byte() -> None:
    made = {name: xml.encode() for name, xml in ground_truth("a").items()}
    assert made == {path.name: path.read_bytes() for path in XML}


def test_half_of_the_pages_are_page_and_half_are_alto() -> None:
    assert Counter("alto" in ET.parse(path).getroot().tag for path in XML) == {True: 9, False: 9}


@pytest.mark.parametrize("path", XML, ids=lambda path: path.stem)
def test_every_page_has_its_image_of_the_stated_size_and_whole_lines(path: Path) -> None:
    image, size, lines = read(path)
    assert image == f"{path.stem}.jpg"
    with Image.open(PAGES / image) as opened:
        assert opened.size == size
    assert len({line[0] for line in lines}) == len(lines) == 15
    for _, baseline, polygon, text in lines:
        base, outline = points(baseline), points(polygon)
        assert len(base) >= 2
        assert len(outline) >= 3
        assert text == text.strip() != ""
        assert all(0 <= x < size[0] and 0 <= y < size[1] for x, y in base + outline)
        assert (
            min(y for _, y in outline) < min(y for _, y in base) <= max(y for _, y in base) < max(y for _, y in outline)
        )


def test_the_pages_stay_small() -> None:
    assert sum(path.stat().st_size for path in PAGES.rglob("*")) <= 3_000_000


def test_there_are_no_images_without_xml() -> None:
    assert {path.stem for path in PAGES.glob("*.jpg")} == {path.stem for path in XML}


@pytest.mark.parametrize(("hand", "lines"), [("a", 270), ("b", 480)])
def test_no_line_is_written_twice_and_pages_differ(hand: str, lines: int) -> None:
    written = texts(hand)
    assert len(written) == lines
    assert len(set(written)) >= 0.98 * lines
    pages = [set(" ".join(line.text for line in leaf.lines).split()) for leaf in leaves(HANDS[hand])]
    assert max(len(one & other) / len(one | other) for one, other in combinations(pages, 2)) < 0.6


def test_text_is_nfc_and_hand_b_lacks_the_signs_that_hand_a_has() -> None:
    a, b = "".join(texts("a")), "".join(texts("b"))
    assert unicodedata.is_normalized("NFC", a)
    assert unicodedata.is_normalized("NFC", b)
    assert {"ꝗ", "ꝝ", "ꝫ"} <= set(a) - set(b)
    assert set("⁊ꝑꝓꝙꝯꝰſāēīōū") <= set(a) & set(b)


@pytest.mark.parametrize("hand", HANDS.values(), ids=HANDS)
def test_every_character_is_in_the_font_or_drawn(hand: Hand) -> None:
    font = face(hand.font, 100)
    missing = bytes(font.getmask("\U0010fffd"))
    for char in set(unicodedata.normalize("NFD", "".join(line.text for leaf in leaves(hand) for line in leaf.lines))):
        letter = char if char in hand.native or char not in DRAWN else DRAWN[char][0]
        if letter.strip() and letter != MACRON:
            assert bytes(font.getmask(letter)) not in (b"", missing), f"U+{ord(char):04X} {char}"


def test_an_image_is_drawn_the_same_twice() -> None:
    pytest.importorskip("numpy", reason="the demo pages are drawn with numpy, which kraken brings: pip install numpy")
    from htr_exp.demo.paint import ink, picture

    hand = HANDS["a"]
    recto, verso = (leaf for leaf in leaves(hand) if leaf.number < 2)
    once = picture(hand, recto, verso).tobytes()
    ink.cache_clear()
    assert picture(hand, recto, verso).tobytes() == once


def test_hand_b_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--hand", "b"])
    assert "needs a folder" in capsys.readouterr().err


def test_write_pages_puts_each_image_beside_its_xml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htr_exp.demo.paint.picture", lambda *_, **__: Image.new("RGB", (8, 8)))
    assert write_pages("b", tmp_path / "new") == 32
    assert len(list((tmp_path / "new").glob("*.jpg"))) == len(list((tmp_path / "new").glob("*.xml"))) == 32
