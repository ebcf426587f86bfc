"""The XML that kraken is given, read back by ourselves and by kraken."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.page_files import BOX, page_line, page_xml, put, write_image
from htr_exp.core.errors import DatasetError
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.model import GroundTruthPage, Line
from htr_exp.groundtruth.xml import read_page
from htr_exp.groundtruth.xml_for_kraken import page_xml as page_xml_of
from htr_exp.groundtruth.xml_for_kraken import staged_xml


@pytest.fixture
def page(tmp_path: Path) -> GroundTruthPage:
    """A page with text, ids and types that need care, in two regions whose lines alternate, and one without region."""
    folder = tmp_path / "gt & <é>"
    write_image(folder / "a b.jpg")
    inner = f'<TextRegion id="r&quot;2"><Coords points="{BOX}"/>{page_line(2, "a < b & c > d")}</TextRegion>'
    lines = page_line(1, " two  blanks\t\n ") + inner + page_line(3, "e\u0303 \uf1ac ₰ \U0001f600") + page_line(4, "")
    xml = page_xml(lines, "a b.jpg").replace("</Page>", f"<TextRegion>{page_line(5, 'alone')}</TextRegion></Page>")
    put(folder, xml.replace('id="l2"', 'id="l&lt;2"').replace("MainZone", "Main:Zone"))
    (found,) = examine_folders([folder]).pages
    return found


def read_back(page: GroundTruthPage, path: Path):
    path.write_bytes(staged_xml(page))
    return read_page(path)


def test_staged_lines_are_exactly_the_used_ones_in_their_order(page: GroundTruthPage, tmp_path: Path) -> None:
    staged = read_back(page, tmp_path / "staged.xml")
    assert [line.id for line in page.lines] == ["l1", "l<2", "l3", "l5"]
    read = {line.id: replace(line, region=None) for line in read_page(page.xml).lines}
    assert [replace(line, region=None) for line in staged.lines] == [read[line.id] for line in page.lines]
    assert Path(staged.image_name) == page.image
    assert page.image.is_absolute()
    assert (staged.version, staged.width, staged.height) == ("2019-07-15", 400, 300)


def test_a_region_is_given_once_where_lines_alternate(page: GroundTruthPage, tmp_path: Path) -> None:
    staged = read_back(page, tmp_path / "staged.xml")
    drawn = [(region.id, region.type, region.polygon) for region in staged.regions if region.polygon]
    read = read_page(page.xml).regions
    assert drawn == [(region.id, region.type, region.polygon) for region in read if region.polygon]


def test_staged_bytes_are_the_same_every_time(page: GroundTruthPage) -> None:
    assert staged_xml(page) == staged_xml(page)
    assert staged_xml(page) != staged_xml(replace(page, lines=page.lines[:1]))


def test_a_type_cannot_break_out_of_its_attribute(tmp_path: Path) -> None:
    line = Line("l1", ((1, 1), (9, 1)), ((1, 0), (9, 0), (9, 2)), "text", 'a}b{c;"d', None)
    (tmp_path / "page.xml").write_bytes(page_xml_of("1.jpg", 10, 10, [], [line]))
    assert read_page(tmp_path / "page.xml").lines[0].type == 'a_b_c_"d'


def test_a_file_that_changed_since_it_was_read_is_not_staged(page: GroundTruthPage) -> None:
    page.xml.write_text(page.xml.read_text().replace("alone", "together"))
    with pytest.raises(DatasetError, match="has changed"):
        staged_xml(page)


def test_a_path_that_xml_cannot_hold_is_refused(page: GroundTruthPage) -> None:
    with pytest.raises(DatasetError, match="rename"):
        staged_xml(replace(page, image=Path("/x\x01.jpg")))


@pytest.mark.kraken
def test_kraken_reads_the_staged_page_and_compiles_every_line(page: GroundTruthPage, tmp_path: Path) -> None:
    pytest.importorskip("kraken", reason="needs kraken 7: pip install 'htr-exp[kraken]'")
    (tmp_path / "staged.xml").write_bytes(staged_xml(page))
    script = (
        "import json, sys; from kraken.lib.xml import XMLPage; c = XMLPage(sys.argv[1]).to_container();"
        "print(json.dumps([[l.id, l.baseline, l.boundary, l.text, l.tags['type'][0]['type']] for l in c.lines]))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "staged.xml")]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    import json

    lines = {line.id: line for line in read_page(page.xml).lines}
    used = [lines[line.id] for line in page.lines]
    ours = [[line.id, line.baseline, line.polygon, line.text, line.type] for line in used]
    assert json.loads(read.splitlines()[-1]) == json.loads(json.dumps(ours))
    ketos = Path(sys.executable).with_name("ketos")
    arrow = tmp_path / "out.arrow"
    command = [str(ketos), "compile", "-f", "xml", "-o", str(arrow), str(tmp_path / "staged.xml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    import pyarrow

    with pyarrow.memory_map(str(arrow)) as source:
        rows = pyarrow.ipc.open_file(source).read_all().column("lines").to_pylist()
    assert [row["text"] for row in rows] == [line.text for line in page.lines]
