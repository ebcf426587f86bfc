"""What is added to a page that kraken has written, and what is no page yet."""

from __future__ import annotations

import pytest

from helpers.page_files import alto_line, alto_xml, page_line, page_xml
from htr_exp.groundtruth.xml import page_of, parse
from htr_exp.transcribe.forms import NotWhole, Software, finished

SOFTWARE = Software("htr_exp 1", "kraken 7.1.1", "sbb & co (sha256 ab)", "blla (sha256 cd)")
PAGE = page_xml(page_line(1) + page_line(2), image="/far/away/1.jpg").replace(
    "<Page", "<Metadata><Creator>kraken</Creator></Metadata><Page", 1
)
HOCR = """<!DOCTYPE html><html><head></head><body><div class="ocr_page" title="bbox 0 0 9 9; image /far/a&amp;b/1.jpg">
<span class="ocr_line">Incipit</span><span class="ocr_line">liber</span></div></body></html>
"""


def done(content: str, form: str, lines: tuple[str, ...] = (), written_for: str = "/far/a&b/1.jpg") -> tuple[str, int]:
    given = [(line, ((10, 50 + place), (200, 50))) for place, line in enumerate(lines)]
    made, number = finished(
        content.encode(), form, written_for=written_for, image="1.jpg", lines=given, software=SOFTWARE  # type: ignore[arg-type]
    )  # fmt: skip
    return made.decode(), number


def test_page_and_alto_name_their_image_alone_and_what_read_them() -> None:
    page, lines = done(PAGE, "page", ("l1", "l2"))
    assert ('imageFilename="1.jpg"' in page, lines) == (True, 2)
    steps = [line for line in page.splitlines() if 'type="processingStep"' in line]
    for step, words in zip(
        steps, ('"htr_exp 1"', '"kraken 7.1.1"', '"sbb &amp; co (sha256 ab)"', '"blla (sha256 cd)"'), strict=True
    ):
        assert f"value={words}" in step
    alto, lines = done(alto_xml(alto_line(1) + alto_line(2), image="/far/away/1.jpg"), "alto", ("l1",))
    assert ("<fileName>1.jpg</fileName>" in alto, lines) == (True, 2)
    assert "htr_exp 1; kraken 7.1.1; model sbb &amp; co (sha256 ab); segmentation model blla (sha256 cd)" in alto
    assert "<softwareName>kraken</softwareName><softwareVersion>7.1.1</softwareVersion>" in alto


def test_hocr_and_text_are_counted_too() -> None:
    hocr, lines = done(HOCR, "hocr")
    assert ("image 1.jpg" in hocr, lines) == (True, 2)
    assert 'content="htr_exp 1; kraken 7.1.1; model sbb &amp; co (sha256 ab)' in hocr
    assert done("Incipit\nliber\n", "text") == ("Incipit\nliber\n", 2)


@pytest.mark.parametrize(
    ("content", "form", "why"),
    [
        (PAGE[:-30], "page", "not well-formed"),
        (PAGE, "page", "1 of 2 lines are not in it: l3"),
        (page_xml(page_line(1)), "page", "1 of 2 lines"),
        (alto_xml(alto_line(1)), "alto", "1 of 2 lines"),
        (alto_xml(alto_line(1) + alto_line(3), image=None), "alto", "fileName is not in it"),
        (page_xml(page_line(1) + page_line(3)), "page", "Metadata is not in it"),
        (HOCR[:-10], "hocr", "cut short"),
        ("<x/>", "page", "root element"),
    ],
)
def test_what_lacks_a_part_is_no_page(content: str, form: str, why: str) -> None:
    with pytest.raises(NotWhole, match=why):
        done(content, form, ("l1", "l3"))


def test_text_that_is_none_is_no_page() -> None:
    with pytest.raises(NotWhole):
        finished(b"\xff\xfe", "text", written_for="", image="", lines=(), software=SOFTWARE)


@pytest.mark.parametrize("form", ["page", "alto"])
def test_lines_get_back_their_ids_by_their_baselines(form: str) -> None:
    """kraken 4.3 calls them line_0, line_1, which may be those of other lines."""
    baselines = ["10,50 200,50", "10,51 200,50", "10,50 200,50"]
    if form == "page":
        drawn = "".join(page_line(number, id="abc"[number], baseline=points) for number, points in enumerate(baselines))
        content = page_xml(drawn).replace("<Page", "<Metadata/><Page", 1)
    else:
        drawn = "".join(
            alto_line(number)
            .replace(f"l{number}", "abc"[number])
            .replace("10 50 100 52 200 50", points.replace(",", " "))
            for number, points in enumerate(baselines)
        )
        content = alto_xml(drawn)
    given = [("b", ((10, 51), (200, 50))), ("a", ((10, 50), (200, 50))), ("c", ((10, 50), (200, 50)))]
    made, _ = finished(content.encode(), form, written_for="", image="1.jpg", lines=given, software=SOFTWARE)  # type: ignore[arg-type]
    assert [line.id for line in page_of(parse(made)).lines] == ["a", "b", "c"]
