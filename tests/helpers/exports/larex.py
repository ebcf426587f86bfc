"""Books of LAREX and OCR4all: each page several pictures, and transcriptions of which index 0 is the corrected one."""

from __future__ import annotations

from pathlib import Path

from helpers.exports.sheets import Row, draw, equiv, page_file, page_lines, page_region, sheet, write

MADE = ("bin", "nrm", "desp")
"""What OCR4all makes of a page's picture."""


def guess(row: Row) -> str:
    """What a program takes a line for."""
    return row.text.replace("a", "4").replace("i", "1")


def _guess(row: Row) -> str:
    return equiv(guess(row), ' index="1" conf="0.71"')


def _corrected(row: Row) -> str:
    """LAREX leaves the guess where it is, and appends what the user wrote."""
    return _guess(row) + equiv(row.text, ' index="0"')


def ocr4all_project(folder: Path) -> Path:
    """A project of OCR4all: scans in `input`, pictures and pages in `processing`, half of it corrected.

    Three pages of four lines: of the first all are corrected, of the second two, of the third none.
    """
    project = folder / "Chronicon_1493"
    for number in (1, 2, 3):
        rows = sheet(30 + number)
        draw(project / "input" / f"{number:04}.png", rows)
        for made in MADE:
            draw(project / "processing" / f"{number:04}.{made}.png", rows, "1" if made == "bin" else "L")
        done = {1: 4, 2: 2, 3: 0}[number]
        lines = page_lines(rows, lambda row, r=rows, d=done: _corrected(row) if r.index(row) < d else _guess(row))  # type: ignore[misc]
        xml = page_file(f"{number:04}.png", page_region(lines), year="2017-07-15")
        write(project / "processing" / f"{number:04}.xml", xml)
    write(project / "settings.txt", "")
    return project


def processing_alone(folder: Path) -> Path:
    """The folder of such a project that holds the pages, but not the pictures that they name."""
    return ocr4all_project(folder) / "processing"


def flat_export(folder: Path) -> Path:
    """Pages beside their pictures, with lines drawn by hand, other regions, and transcriptions that were emptied.

    Three pages of four lines. Four lines have no baseline; of one the corrected transcription is empty.
    """
    book = folder / "Leichpredigt (1684), né"
    for number in (1, 2, 3):
        rows = sheet(40 + number)
        draw(book / f"{number:04}.PNG", rows)

        def inside(row: Row, emptied: Row | None = rows[3] if number == 2 else None) -> str:
            return _guess(row) + equiv("", ' index="0"') if row is emptied else _corrected(row)

        lines = page_lines(rows, inside, bare=(0, 1) if number == 1 else (0,))
        picture = '<ImageRegion id="r9"><Coords points="1,1 9,1 9,9"/></ImageRegion>'
        regions = page_region(lines, attributes=' type="signature-mark"') + picture
        write(book / f"{number:04}.xml", page_file(f"{number:04}.png", regions))
    return book
