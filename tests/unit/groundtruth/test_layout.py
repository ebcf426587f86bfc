"""Ground truth as segmentation needs it: baselines, regions and their types; text does not matter."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from helpers.in_process import Call, in_process
from helpers.layout_files import layout_region, layout_xml
from helpers.page_files import SIZE, alto_line, alto_xml, codes, page_line, page_xml, put, write_image
from htr_exp.audit.classes import ClassNames, audit
from htr_exp.config.schema import Classes
from htr_exp.core.task import SEGMENTATION
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.model import Dataset, GroundTruthPage, Page
from htr_exp.groundtruth.xml import read_page
from htr_exp.groundtruth.xml_for_kraken import staged_xml

BOX = (10, 10, 390, 290)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "gt"
    write_image(path / "1.jpg")
    return path


def looked(folder: Path) -> Dataset:
    return examine_folders([folder], task=SEGMENTATION)


def only(folder: Path) -> GroundTruthPage:
    (page,) = looked(folder).pages
    return page


def of_regions(*regions: str, image: str = "1.jpg") -> str:
    return layout_xml(*regions, image=image, size=SIZE)


def line(number: int, baseline: str | None, kind: str | None = "DefaultLine", **more: str | None) -> str:
    custom = f"structure {{type:{kind};}}" if kind else None
    return page_line(number, None, baseline=baseline, custom=custom, **more)


def staged(page: GroundTruthPage, tmp_path: Path, settings: Classes | None = None) -> Page:
    path = tmp_path / "staged.xml"
    path.write_bytes(staged_xml(page, ClassNames(settings or Classes())))
    return read_page(path)


def test_a_line_needs_a_baseline_and_neither_polygon_nor_text(folder: Path) -> None:
    put(folder, page_xml(line(1, "10,50 200,50", coords=None) + line(2, None)))
    assert [one.id for one in only(folder).lines] == ["l1"]
    assert codes(folder, task=SEGMENTATION) == {"line_without_baseline": 1}
    assert "page_without_text" in codes(folder)  # recognition could use none of it


@pytest.mark.parametrize("baseline", ["-50,50 200,50", "300,50 900,50", "10,-30 200,50", "10,280 200,320", "-9,150 500,150"])  # fmt: skip
def test_a_line_that_leaves_the_image_in_part_is_kept(folder: Path, baseline: str) -> None:
    put(folder, page_xml(line(1, baseline)))
    assert len(only(folder).lines) == 1
    assert codes(folder, task=SEGMENTATION) == {}


@pytest.mark.parametrize("baseline", ["-90,50 -5,50", "400,50 900,50", "10,-30 200,-1", "10,300 200,310"])
def test_a_line_wholly_outside_the_image_is_dropped(folder: Path, baseline: str) -> None:
    put(folder, page_xml(line(1, baseline) + line(2, "10,50 200,50")))
    assert [one.id for one in only(folder).lines] == ["l2"]
    assert codes(folder, task=SEGMENTATION) == {"line_outside_image": 1}


def test_a_polygon_outside_the_image_does_not_matter(folder: Path) -> None:
    put(folder, page_xml(line(1, "10,50 200,50", coords="-10,10 -10,600 900,600")))
    assert len(only(folder).lines) == 1
    assert codes(folder, task=SEGMENTATION) == {}


@pytest.mark.parametrize("baseline", ["10,50", "10,50 10,50 10,50"])
def test_a_baseline_of_one_point_is_dropped(folder: Path, baseline: str) -> None:
    put(folder, page_xml(line(1, baseline) + line(2, "10,50 200,50")))
    assert [one.id for one in only(folder).lines] == ["l2"]
    assert codes(folder, task=SEGMENTATION) == {"line_too_small": 1}


def test_a_short_baseline_and_one_that_turns_back_can_be_learnt(folder: Path) -> None:
    put(folder, page_xml(line(1, "10,50 12,50") + line(2, "10,90 200,90 100,90")))
    assert len(only(folder).lines) == 2


def test_a_region_without_a_shape_is_dropped_and_its_lines_are_kept(folder: Path, tmp_path: Path) -> None:
    shapeless = layout_region("r1", "MarginTextZone", None, line(1, "10,50 200,50"))
    put(folder, of_regions(shapeless, layout_region("r2", "MainZone", BOX, line(2, "10,90 200,90"))))
    page = only(folder)
    assert (len(page.lines), page.regions) == (2, ("MainZone",))
    assert codes(folder, task=SEGMENTATION) == {"region_without_polygon": 1}
    found = staged(page, tmp_path)
    assert [one.id for one in found.lines] == ["l1", "l2"]
    assert [region.type for region in found.regions if region.polygon] == ["MainZone"]


@pytest.mark.parametrize("points", ["10,10 20,20", "10,10 20,20 30,30 40,40", "10,10", "5,5 5,5 5,5"])
def test_a_region_without_an_area_has_no_shape(folder: Path, tmp_path: Path, points: str) -> None:
    flat = f'<TextRegion id="r1"><Coords points="{points}"/>{line(1, "10,50 200,50")}</TextRegion>'
    put(folder, of_regions(flat))
    page = only(folder)
    assert page.regions == ()
    assert codes(folder, task=SEGMENTATION) == {"region_without_polygon": 1, "region_without_type": 1}
    found = staged(page, tmp_path)
    assert [one.id for one in found.lines] == ["l1"]
    assert not any(region.polygon for region in found.regions)


def test_recognition_does_not_ask_for_the_shape_of_regions(folder: Path) -> None:
    put(folder, of_regions(layout_region("r1", "MainZone", None, page_line(1, "text"))))
    assert "region_without_polygon" not in codes(folder)


def test_a_page_of_regions_alone_is_a_page(folder: Path, tmp_path: Path) -> None:
    put(folder, of_regions(layout_region("r1", "MainZone", BOX), layout_region("r2", "GraphicZone", (1, 1, 9, 9))))
    page = only(folder)
    assert (page.lines, page.regions) == ((), ("MainZone", "GraphicZone"))
    found = staged(page, tmp_path)
    assert [region.type for region in found.regions] == ["MainZone", "GraphicZone"]


def test_a_page_whose_lines_have_no_baseline_is_learnt_for_its_regions(folder: Path) -> None:
    put(folder, page_xml(line(1, None) + line(2, None)))
    page = only(folder)
    assert (page.lines, page.regions) == ((), ("MainZone",))
    assert codes(folder, task=SEGMENTATION) == {"line_without_baseline": 2}


def test_a_page_without_regions_is_learnt_for_its_lines(folder: Path, tmp_path: Path) -> None:
    put(folder, of_regions(layout_region("r1", None, None, line(1, "10,50 200,50"))))
    page = only(folder)
    assert (len(page.lines), page.regions) == (1, ())
    found = staged(page, tmp_path)
    assert [one.id for one in found.lines] == ["l1"]
    assert not any(region.polygon for region in found.regions)  # a made-up one would be learnt


def test_a_page_with_nothing_to_learn_is_dropped(folder: Path) -> None:
    write_image(folder / "2.jpg", shade=90)
    put(folder, of_regions())
    put(folder, page_xml(line(1, "10,50 200,50"), image="2.jpg"), "2.xml")
    assert [page.name for page in looked(folder).pages] == ["2.xml"]
    assert codes(folder, task=SEGMENTATION) == {"page_without_text": 1}


def test_a_page_with_nothing_but_regions_without_a_shape_is_dropped(folder: Path) -> None:
    write_image(folder / "2.jpg", shade=90)
    put(folder, of_regions(layout_region("r1", "MainZone", None, line(1, None))))
    put(folder, page_xml(line(1, "10,50 200,50"), image="2.jpg"), "2.xml")
    assert [page.name for page in looked(folder).pages] == ["2.xml"]
    assert "page_without_text" in codes(folder, task=SEGMENTATION)


def test_regions_within_regions_are_learnt_side_by_side(folder: Path, tmp_path: Path) -> None:
    inner = layout_region("r3", "DropCapitalZone", (20, 20, 60, 60), line(2, "20,50 60,50"))
    middle = layout_region("r2", "MainZone", (15, 15, 200, 200), line(1, "15,100 190,100"), inner)
    put(folder, of_regions(layout_region("r1", "GraphicZone", BOX, middle), layout_region("r4", "SealZone", BOX)))
    page = only(folder)
    assert page.regions == ("GraphicZone", "MainZone", "DropCapitalZone", "SealZone")
    found = staged(page, tmp_path)
    text = (tmp_path / "staged.xml").read_text()
    assert text.count("<TextRegion") == text.count("</TextRegion>") == 4
    assert "</TextRegion>\n</TextRegion>" not in text
    shapes = {region.type: region.polygon[0] for region in found.regions}
    assert shapes == {"GraphicZone": (10, 10), "MainZone": (15, 15), "DropCapitalZone": (20, 20), "SealZone": (10, 10)}
    of_region = {region.id: region.type for region in found.regions}
    assert {one.id: of_region[str(one.region)] for one in found.lines} == {"l1": "MainZone", "l2": "DropCapitalZone"}


def test_every_kind_of_region_of_page_is_learnt(folder: Path) -> None:
    kinds = ["ImageRegion", "TableRegion", "GraphicRegion", "SeparatorRegion"]
    drawn = "".join(f'<{kind} id="{kind}"><Coords points="1,1 1,50 50,50 50,1"/></{kind}>' for kind in kinds)
    put(folder, of_regions(drawn, layout_region("r", "MainZone", BOX, line(1, "10,50 200,50"))))
    assert len(only(folder).regions) == 5


def test_alto_is_learnt_from_like_page(folder: Path, tmp_path: Path) -> None:
    put(folder, alto_xml(alto_line(1, content="")))
    page = only(folder)
    assert ([one.type for one in page.lines], page.regions) == (["DefaultLine"], ("MainZone",))
    assert staged(page, tmp_path).regions[0].polygon == ((0, 0), (0, 200), (300, 200), (300, 0))


def test_an_image_that_exif_turns_is_measured_upright(folder: Path) -> None:
    image = Image.new("L", (300, 400), 180)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(folder / "1.jpg", exif=exif)
    put(folder, page_xml(line(1, "350,50 390,50") + line(2, "10,350 200,350")))
    page = only(folder)
    assert ((page.width, page.height), [one.id for one in page.lines]) == ((400, 300), ["l1"])
    assert codes(folder, task=SEGMENTATION) == {"image_rotated": 1, "line_outside_image": 1}


def test_images_of_mixed_sizes_are_one_dataset(folder: Path) -> None:
    write_image(folder / "2.jpg", size=(1200, 900))
    put(folder, page_xml(line(1, "10,50 200,50")))
    put(folder, page_xml(line(1, "500,850 1100,850"), image="2.jpg", size=(1200, 900)), "2.xml")
    assert [(page.width, len(page.lines)) for page in looked(folder).pages] == [(400, 1), (1200, 1)]
    assert codes(folder, task=SEGMENTATION) == {}


def test_what_training_sees_of_a_page_decides_its_digest(folder: Path) -> None:
    def digest(xml: str) -> str:
        put(folder, xml)
        return only(folder).digest

    plain = digest(page_xml(line(1, "10,50 200,50")))
    assert digest(page_xml(page_line(1, "a text", baseline="10,50 200,50"))) == plain
    others = [
        digest(page_xml(line(1, "10,51 200,50"))),
        digest(page_xml(line(1, "10,50 200,50", kind="HeadingLine"))),
        digest(page_xml(line(1, "10,50 200,50")).replace("MainZone", "SealZone")),
        digest(page_xml(line(1, "10,50 200,50")).replace("0,0 0,200", "1,0 0,200")),
    ]
    assert len({plain, *others}) == 5


def test_staged_pages_have_exactly_the_classes_that_are_counted(folder: Path, tmp_path: Path) -> None:
    lines = [line(1, "10,50 200,50", "HeadingLine"), line(2, "10,90 200,90", "DefaultLine:verse"), line(3, "10,130 200,130", None),
             line(4, "10,170 200,170", "InterlinearLine"), line(5, "10,210 200,210", "a b é&quot;&lt;")]  # fmt: skip
    put(folder, of_regions(layout_region("r1", "MainZone:column#1", BOX, *lines[:3]), layout_region("r2", "StampZone", BOX, lines[3]),
                           layout_region("r3", None, (1, 1, 9, 9), lines[4])))  # fmt: skip
    page = only(folder)
    settings = Classes(
        lines={"Interlinear*": None, "HeadingLine": "heading"}, regions={"StampZone": None}, subtypes=False
    )
    found = staged(page, tmp_path, settings)
    counted = audit({"train": [page], "validation": [], "test": []}, settings, None, "new")
    assert sorted(one.type or "" for one in found.lines) == sorted(counted.counts["lines"])
    assert [one.type for one in found.lines] == ["heading", "DefaultLine", "default", 'a b é"<']
    assert [region.type for region in found.regions if region.polygon] == ["MainZone", "text"]
    assert sorted(counted.counts["regions"]) == ["MainZone", "text"]


def test_a_region_that_is_left_out_leaves_its_lines(folder: Path, tmp_path: Path) -> None:
    put(folder, page_xml(line(1, "10,50 200,50")))
    found = staged(only(folder), tmp_path, Classes(regions={"*": None}))
    assert [one.id for one in found.lines] == ["l1"]
    assert not any(region.polygon for region in found.regions)


def test_baselines_are_staged_point_by_point(folder: Path, tmp_path: Path) -> None:
    put(folder, page_xml(line(1, "-5,50 100,52 450,50", coords=None)))
    (found,) = staged(only(folder), tmp_path).lines
    assert (found.baseline, found.polygon) == (((-5, 50), (100, 52), (450, 50)), ())


@pytest.fixture
def check(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `check` for segmentation in this process."""
    call = in_process(capsys)
    return lambda *words: call("check", *words, "task=segmentation")


def test_check_counts_the_types_and_asks_for_no_text(check: Call, layout_pages: Path) -> None:
    found = check(layout_pages, "--json")
    assert found.code == 0
    assert found.json["classes"] == {
        "types": {"lines": {"HeadingLine": 6, "DefaultLine": 24}, "regions": {"MarginTextZone": 6, "MainZone": 6}}
    }
    assert "alphabet" not in found.json
    assert found.json["problems"] == []


def test_check_says_what_a_base_model_has_not_learnt(check: Call, layout_pages: Path, base_segmenter: Path) -> None:
    found = check(layout_pages, f"model.path={base_segmenter}", "--json").json["classes"]["base_model"]
    assert found == {
        "name": "base_layout",
        "new": {"lines": ["DefaultLine", "HeadingLine"], "regions": ["MainZone", "MarginTextZone"]},
        "absent": {"lines": ["default"], "regions": ["text"]},
    }
    said = check(layout_pages, f"model.path={base_segmenter}").out
    assert "base_layout does not know DefaultLine, HeadingLine (lines)" in said


def test_check_names_the_classes_as_training_would(check: Call, layout_pages: Path) -> None:
    found = check(layout_pages, "classes=blla", "classes.lines.HeadingLine=null", "--json").json["classes"]["types"]
    assert found == {"lines": {"default": 24}, "regions": {"text": 12}}


def test_check_refuses_what_training_refuses(check: Call, layout_pages: Path) -> None:
    xml = layout_pages / "f01.xml"
    xml.write_text(xml.read_text().replace("HeadingLine", "textline"))
    assert check(layout_pages, "classes=segmonto", "classes.lines.textline=null").code == 0
    found = check(layout_pages, "classes=segmonto")
    assert "lines of type textline: SegmOnto has none called so" in found.out
    assert found.code == 2


def test_check_counts_regions_without_a_shape_as_regions(check: Call, folder: Path) -> None:
    put(folder, of_regions(layout_region("r1", "MainZone", None, line(1, "10,50 200,50")), layout_region("r2", "A", None)))  # fmt: skip
    said = check(folder).out
    assert "2 regions in 1 file" in said
