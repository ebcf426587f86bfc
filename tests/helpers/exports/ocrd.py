"""Workspaces of OCR-D: image names are relative to the folder of mets.xml, and each step of a workflow has a folder."""

from __future__ import annotations

from pathlib import Path

from helpers.exports.sheets import Row, draw, equiv, mets, page_file, page_lines, page_region, sheet, write

ALTERNATIVE = '<AlternativeImage filename="{}" comments="binarized,cropped"/>'


def _words(row: Row, *, glyphs: bool = False) -> str:
    """The words of a line, each with a second guess, or with nothing but their glyphs."""
    found = ""
    for number, word in enumerate(row.words):
        box = f'<Coords points="{row.coords}"/>'
        if glyphs:
            inside = "".join(f'<Glyph id="g{at}">{box}{equiv(sign)}</Glyph>' for at, sign in enumerate(word))
        else:
            inside = equiv(word, ' index="1" conf="0.98"') + equiv(f"{word}x", ' index="2" conf="0.31"')
        found += f'<Word id="w{row.top}_{number}">{box}{inside}</Word>'
    return found


def ground_truth_bag(folder: Path) -> Path:
    """Ground truth as it is published: a bag, with a group of files for the regions and one for the lines.

    Three pages of four lines. One line, drawn by hand, has no baseline.
    """
    data = folder / "ocrd-gt.ocrd" / "data"
    write(data.parent / "bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    groups: dict[str, list[str]] = {"OCR-D-IMG": [], "OCR-D-GT-SEG-BLOCK": [], "OCR-D-GT-SEG-LINE": []}
    for number in (1, 2, 3):
        names = {group: f"{group}/{group}_{number:04}.{'tif' if group.endswith('IMG') else 'xml'}" for group in groups}
        for group, name in names.items():
            groups[group].append(name)
        rows = sheet(number)
        draw(data / names["OCR-D-IMG"], rows)
        lines = page_lines(
            rows, lambda row: _words(row) + equiv(row.text, ' index="1"'), bare=(2,) if number == 3 else ()
        )
        order = '<ReadingOrder><OrderedGroup id="ro"><RegionRefIndexed index="0" regionRef="r1"/></OrderedGroup></ReadingOrder>'
        for group, inside in (("OCR-D-GT-SEG-BLOCK", ""), ("OCR-D-GT-SEG-LINE", lines)):
            write(data / names[group], page_file(names["OCR-D-IMG"], page_region(inside), before=order))
    write(data / "mets.xml", mets(groups))
    return data.parent


def workspace_after_ocr(folder: Path) -> Path:
    """A workspace after a workflow: pictures made from those of the pages and of the lines, elements with a prefix.

    Four pages of four lines; nobody has read the last.
    """
    place = folder / "ws"
    groups: dict[str, list[str]] = {"OCR-D-IMG": [], "OCR-D-BIN": [], "OCR-D-SEG-LINE": [], "OCR-D-OCR": []}
    for number in (1, 2, 3, 4):
        image, page = f"OCR-D-IMG/FILE_{number:04}_OCR-D-IMG.png", f"OCR-D-OCR/FILE_{number:04}_OCR-D-OCR.xml"
        binary = f"OCR-D-BIN/FILE_{number:04}_OCR-D-BIN.IMG-BIN.png"
        rows = sheet(10 + number)
        draw(place / image, rows)
        draw(place / binary, rows, "1")
        crops = []
        for at, row in enumerate(rows):
            crops.append(f"OCR-D-SEG-LINE/FILE_{number:04}_OCR-D-SEG-LINE_r1_l{at}.IMG-DEWARP.png")
            draw(place / crops[-1], [row], "L")

        def inside(row: Row, crops: list[str] = crops, rows: list[Row] = rows, read: bool = number < 4) -> str:
            made = ALTERNATIVE.format(crops[rows.index(row)])
            return made + (_words(row) + equiv(row.text, ' conf="0.95"') if read else "")

        xml = page_file(image, ALTERNATIVE.format(binary) + page_region(page_lines(rows, inside)))
        write(place / page, _prefixed(xml))
        for group, names in zip(groups, ([image], [binary], crops, [page]), strict=True):
            groups[group] += names
    write(place / "mets.xml", mets(groups))
    return place


def _prefixed(xml: str) -> str:
    """A file with `pc:` before the names of its elements, as OCR-D's own programs write it."""
    head, _, rest = xml.partition("?>")
    for start in ("</", "<"):
        rest = rest.replace(start, f"{start}pc:")
    return head + "?>" + rest.replace("<pc:/pc:", "</pc:").replace("<pc:/", "</").replace("xmlns=", "xmlns:pc=")


def listed_by_mets(folder: Path) -> Path:
    """A METS file that is itself given: addresses of another machine, tables, text in glyphs only, and one page not there.

    Four pages of four lines are listed, three are there; copies that are not listed lie in another folder.
    """
    place = folder / "ws"
    groups: dict[str, list[str]] = {"PRESENTATION": [], "OCR-D-IMG": [], "OCR-D-GT-PAGE": []}
    for number in (1, 2, 3, 4):
        image, page = f"OCR-D-IMG/IMG_{number:04}.JPG", f"OCR-D-GT-PAGE/PAGE_{number:04}.xml"
        groups["PRESENTATION"].append(f"https://content.example.org/dfg/PPN1/{number:04}.jpg")
        groups["OCR-D-IMG"].append(image)
        groups["OCR-D-GT-PAGE"].append(page)
        rows = sheet(20 + number)
        draw(place / image, rows)
        if number == 2:
            continue  # its group was only fetched in part
        cell = page_region(page_lines(rows, lambda row: _words(row, glyphs=True)), "r1_c1", "")
        table = f'<TableRegion id="r1"><Coords points="5,5 470,5 470,320 5,320"/>{cell}</TableRegion>'
        xml = page_file(f"file:///home/ocrd/ws/{image}", table, year="2018-07-15")
        write(place / page, xml)
        write(place / "OCR-D-GT-PAGE.old" / f"PAGE_{number:04}.xml", xml)
    return write(place / "mets.xml", mets(groups, ""))
