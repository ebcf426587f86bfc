"""`init EXPORT`: exports of eScriptorium and Transkribus become datasets."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from helpers.in_process import Call, in_process
from helpers.page_files import make_pages, page_line, page_xml, put

pytestmark = pytest.mark.seconds


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], workspace: Path) -> Call:
    return in_process(capsys)


def packed(folder: Path, archive: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(archive, "w") as made:
        for file in folder.iterdir():
            made.write(file, f"{inside}{file.name}")
    return archive


@pytest.mark.parametrize(
    ("archive", "inside", "name"),
    [
        ("export_doc12_decretum_gratiani_pagexml_202611251230.zip", "", "decretum_gratiani"),
        ("export_job_4711.zip", "Décret/page/", "export_job_4711"),
        ("Évangile de Jean.zip", "", "Evangile_de_Jean"),
    ],
)
def test_a_zip_becomes_a_dataset_that_can_be_trained_on(
    archive: str, inside: str, name: str, call: Call, pages: Path, tmp_path: Path, workspace: Path
) -> None:
    said = call("init", packed(pages, tmp_path / archive, inside), "--json")
    assert said.code == 0, said.err
    (dataset,) = said.json["datasets"]
    assert (dataset["name"], dataset["pages"], dataset["lines"], dataset["errors"]) == (name, 6, 18, 0)
    assert Path(dataset["folder"]) == workspace / "ground_truth" / name
    assert "6 pages, 18 lines" in call("options", "dataset").out
    planned = call(
        "train", f"dataset={name}", "model=none", "architecture=small", "--dry-run", "--json", "tracking=none"
    )
    assert planned.code == 0, planned.err


def test_a_folder_stays_where_it_is(call: Call, pages: Path, workspace: Path) -> None:
    inside = shutil.copytree(pages, workspace / "ground_truth" / "jean")
    said = call("init", pages, inside)
    assert said.code == 0, said.err
    assert f"dataset=pages: 6 pages, 18 lines in {pages}" in said.out
    assert (workspace / "conf" / "dataset" / "pages.yaml").read_text().endswith(f'name: pages\npath: "{pages}"\n')
    assert 'path: "${site.ground_truth}/jean"' in (workspace / "conf" / "dataset" / "jean.yaml").read_text()
    assert not (workspace / "ground_truth" / "pages").exists()


def test_again_changes_nothing_that_people_have_written(
    call: Call, pages: Path, tmp_path: Path, workspace: Path
) -> None:
    archive = packed(pages, tmp_path / "jean.zip")
    assert call("init", archive).code == 0
    file = workspace / "conf" / "dataset" / "jean.yaml"
    file.write_text(file.read_text() + "transcription_convention: graphematic\n")
    assert call("init", archive).code == 0
    assert "graphematic" in file.read_text()


def test_another_export_of_the_same_name_is_refused(call: Call, pages: Path, tmp_path: Path, workspace: Path) -> None:
    archive = packed(pages, tmp_path / "jean.zip")
    assert call("init", archive).code == 0
    page = pages / "f01.xml"
    page.write_text(page.read_text().replace("verbum", "uerbum"))  # as many bytes
    packed(pages, archive)
    said = call("init", archive)
    assert said.code == 2
    assert "its files are others than those of jean.zip" in said.err
    assert call("init", archive, "name=jean-2").code == 0
    assert (workspace / "ground_truth" / "jean-2" / "f01.xml").exists()


def test_all_that_is_wrong_is_said_before_anything_is_written(
    call: Call, pages: Path, tmp_path: Path, workspace: Path
) -> None:
    (tmp_path / "text.txt").write_text("no export")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 cut")
    other = make_pages(tmp_path / "other" / "Pages", pages=1)
    said = call("init", "gone.zip", tmp_path / "text.txt", tmp_path / "broken.zip", pages, other)
    assert said.code == 2
    for what in (
        "gone.zip: there is no such folder or file",
        "text.txt: it is no folder and no zip",
        "broken.zip: it is no zip that can be read",
        f"{other}: it would be called Pages, as {pages}",
    ):
        assert what in said.err
    assert [path.name for path in workspace.iterdir()] == []
    for words, what in (
        ((pages, "name=demo"), "demo: a dataset that comes with htr_exp is called so"),
        ((pages, other, "name=one"), "name=one: there are 2 exports"),
    ):
        said = call("init", *words)
        assert (said.code, what in said.err) == (2, True), said.err


def test_errors_of_the_ground_truth_are_counted_and_make_the_exit_code(call: Call, tmp_path: Path) -> None:
    put(tmp_path / "empty", page_xml(page_line(), image="gone.jpg"))
    said = call("init", tmp_path / "empty")
    assert said.code == 2
    assert "training will not start until the errors are corrected" in said.out
    assert "check dataset=empty` shows them" in said.out


def test_conf_of_another_program_is_left_alone(call: Call, pages: Path, workspace: Path) -> None:
    (workspace / "conf").mkdir()
    (workspace / "conf" / "config.yaml").write_text("theirs: 1\n")
    said = call("init", pages)
    assert said.code == 2
    assert "belongs to another program" in said.err
    assert not (workspace / "conf" / "dataset").exists()
