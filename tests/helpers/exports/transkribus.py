"""Exports of Transkribus: pages in `page`, their pictures above, and whatever else one ticked."""

from __future__ import annotations

import unicodedata
import zipfile
from pathlib import Path

from helpers.exports.abbyy import alto_file
from helpers.exports.sheets import Row, draw, equiv, mets, page_file, page_lines, page_region, sheet, write

CUSTOM = "readingOrder {index:{};} structure {type:paragraph;} textStyle {offset:0; length:4;bold:true;}"


def _metadata(number: int) -> str:
    return (
        f'<TranskribusMetadata docId="1001" pageId="{number}" pageNr="{number}" tsid="7{number}" status="GT" userId="5" '
        f'imgUrl="https://files.transkribus.eu/Get?id=ABC{number}&amp;fileType=view" imageId="9{number}"/>'
    )


def _page(image: str, number: int, lines: str, more: str = "") -> str:
    return page_file(
        image,
        page_region(lines, "tr_1", ' custom="readingOrder {index:0;}"', more) if lines else "",
        year="2013-07-15",
        metadata=_metadata(number),
    )


def _words_of(row: Row) -> str:
    """A line of Transkribus' ALTO: a baseline with commas, words, and no polygon."""
    words = "<SP/>".join(f'<String CONTENT="{word}"/>' for word in row.words)
    return f'<TextLine ID="l{row.top}" {row.box} BASELINE="{row.baseline}">{words}</TextLine>'


def page_and_alto(folder: Path) -> Path:
    """A document with PAGE and ALTO of the same pages, one of which is half transcribed, and one not at all.

    Four pages of four lines.
    """
    document = folder / "1001" / "Urbar"
    groups: dict[str, list[str]] = {"IMG": [], "PAGEXML": [], "ALTO": []}
    for number, done in ((1, 4), (2, 2), (3, 4), (4, 0)):
        rows, name = sheet(80 + number), f"{number:04}_p{number:03}"
        draw(document / f"{name}.jpg", rows)

        def inside(row: Row, done: list[Row] = rows[:done]) -> str:
            return equiv(row.text if row in done else "")

        whole = equiv("\n".join(row.text for row in rows[:done]))
        write(
            document / "page" / f"{name}.xml",
            _page(f"{name}.jpg", number, page_lines(rows, inside, custom=CUSTOM), whole),
        )
        alto = alto_file(f"{name}.jpg", "".join(map(_words_of, rows[:done])), unit="pixel")
        write(document / "alto" / f"{name}.xml", alto)
        groups["IMG"].append(f"{name}.jpg")
        groups["PAGEXML"].append(f"page/{name}.xml")
        groups["ALTO"].append(f"alto/{name}.xml")
    write(document / "mets.xml", mets(groups, "ns3:"))
    write(document / "metadata.xml", "<trpDocMetadata><docId>1001</docId></trpDocMetadata>")
    return document


def collection(folder: Path) -> Path:
    """Two documents in one export: names with blanks, accents and parentheses, other endings, a table, a blank page.

    Four pages of four lines, one without any; the pages of both documents have the same names.
    """
    place = folder / "export_job_42"
    for document in (1, 2):
        home = place / f"{document}_Règlement (original)" / "Règlement (original)"
        for number in (1, 2):
            blank = (document, number) == (2, 2)
            rows = [] if blank else sheet(90 + 10 * document + number)
            name = f"Archives (carton {number}) – né"
            on_disk = unicodedata.normalize("NFD", name)  # as a Mac unpacks it
            draw(home / f"{on_disk}.{'JPG' if document == 1 else 'jpeg'}", rows)
            lines = page_lines(rows, lambda row: equiv(row.text), custom=CUSTOM)
            xml = _page(f"{name}.jpg", number, lines)
            if (document, number) == (2, 1):
                cell = f'<TableCell id="c1" row="0" col="0"><Coords points="5,5 9,5 9,9"/>{lines}<CornerPts>0 1 2 3</CornerPts></TableCell>'
                table = f'<TableRegion id="t"><Coords points="5,5 470,5 470,320 5,320"/>{cell}</TableRegion>'
                xml = page_file(f"{name}.jpg", table, year="2013-07-15", metadata=_metadata(number))
            write(home / "page" / f"{on_disk}.xml", xml)
        write(home / "metadata.xml", "<trpDocMetadata/>")
        write(home / "mets.xml", mets({"PAGEXML": []}, ""))
    write(place / "log.txt", "exported")
    return place


def pages_without_pictures(folder: Path) -> Path:
    """A zip of which the box for pictures was not ticked. Two pages of four lines."""
    path = folder / "export_job_7.zip"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number in (1, 2):
            lines = page_lines(sheet(120 + number), lambda row: equiv(row.text), custom=CUSTOM)
            archive.writestr(f"1002/Brief/page/{number:04}.xml", _page(f"{number:04}.jpg", number, lines))
        archive.writestr("1002/Brief/metadata.xml", "<trpDocMetadata/>")
    return path
