"""ALTO as Abbyy's programs write it: words in boxes, one number for a baseline, tenths of a millimetre."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helpers.exports.sheets import SIZE, Row, draw, mets, sheet, write


def _strings(row: Row, hyphen: str = "") -> str:
    """The words of a line; the last may be the first part of a word."""
    found = []
    for number, word in enumerate(row.words):
        parts = ""
        if hyphen and number == len(row.words) - 1:
            parts = f' SUBS_TYPE="HypPart1" SUBS_CONTENT="{word}rum"'
        found.append(
            f'<String ID="s{row.top}_{number}" {row.box} STYLEREFS="TXT_0" WC="0.87" CC="000" CONTENT="{word}"{parts}/>'
        )
    blank = f'<SP WIDTH="9" HPOS="{row.right}" VPOS="{row.top}"/>'
    return blank.join(found) + (f'<HYP WIDTH="7" CONTENT="{hyphen}"/>' if hyphen else "")


def alto_file(image: str, lines: str, *, version: str = "v2", unit: str = "mm10") -> str:
    """An ALTO file of one block."""
    schema = f"http://www.loc.gov/standards/alto/ns-{version}#"
    software = (
        '<OCRProcessing ID="IdOcr"><ocrProcessingStep><processingDateTime>2016-02-03</processingDateTime>'
        "<processingSoftware><softwareCreator>ABBYY</softwareCreator><softwareName>FineReader</softwareName>"
        "<softwareVersion>11</softwareVersion></processingSoftware></ocrProcessingStep></OCRProcessing>"
    )
    width, height = SIZE
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<alto xmlns="{schema}" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f"<Description><MeasurementUnit>{unit}</MeasurementUnit><sourceImageInformation><fileName>{image}</fileName>"
        f"</sourceImageInformation>{software}</Description><Styles>"
        '<TextStyle ID="TXT_0" FONTFAMILY="Times New Roman" FONTSIZE="10"/><ParagraphStyle ID="PAR_0" ALIGN="Block"/></Styles>'
        f'<Layout><Page ID="Page1" PHYSICAL_IMG_NR="1" HEIGHT="{height}" WIDTH="{width}">'
        f'<TopMargin HEIGHT="9" WIDTH="{width}" VPOS="0" HPOS="0"/><PrintSpace HEIGHT="{height}" WIDTH="{width}" VPOS="0" HPOS="0">'
        f'<ComposedBlock ID="c1" TYPE="container" HEIGHT="{height - 9}" WIDTH="{width - 9}" VPOS="4" HPOS="4">'
        f'<TextBlock ID="b1" STYLEREFS="TXT_0 PAR_0" HEIGHT="{height - 9}" WIDTH="{width - 9}" VPOS="4" HPOS="4">{lines}'
        '</TextBlock></ComposedBlock><Illustration ID="i1" HEIGHT="3" WIDTH="3" VPOS="1" HPOS="1"/></PrintSpace></Page></Layout></alto>'
    )


def _boxed(rows: Sequence[Row], hyphens: Sequence[str] = ()) -> str:
    """Lines as Abbyy's programs write them: a box, and how far down the baseline is."""
    lines = ""
    for number, row in enumerate(rows):
        hyphen = hyphens[number] if number < len(hyphens) else ""
        lines += f'<TextLine {row.box} BASELINE="{row.base}.0">{_strings(row, hyphen)}</TextLine>'
    return lines


def _segmented(rows: Sequence[Row], hyphens: Sequence[str]) -> str:
    """The same after a program of the field has found their baselines and polygons."""
    lines = ""
    for number, row in enumerate(rows):
        shape = " ".join(f"{x} {y}" for x, y in row.corners)
        lines += (
            f'<TextLine ID="l{number}" {row.box} BASELINE="{row.baseline.replace(",", " ")}">'
            f'<Shape><Polygon POINTS="{shape}"/></Shape>{_strings(row, hyphens[number])}</TextLine>'
        )
    return lines


def newspaper(folder: Path) -> Path:
    """An issue of a newspaper as a library keeps it: METS and ALTO in tenths of a millimetre. Two pages of four lines."""
    issue = folder / "1893-05-01_01"
    groups: dict[str, list[str]] = {"IMGGRP": [], "ALTOGRP": []}
    for number in (1, 2):
        rows = sheet(50 + number)
        image, page = f"images/{number:05}.tif", f"alto/{number:05}.xml"
        draw(issue / image, rows, "L")
        write(issue / page, alto_file(f"D:\\Jobs\\1893\\{number:05}.tif", _boxed(rows, ("\u00ad",))))
        groups["IMGGRP"].append(f"file://./{image}")
        groups["ALTOGRP"].append(f"file://./{page}")
    write(issue / "1893-05-01_01_mets.xml", mets(groups))
    return issue


def boxes_in_pixels(folder: Path) -> Path:
    """Pages in pixels, whose lines have boxes and no baselines. Two pages of four lines."""
    place = folder / "out"
    for number in (1, 2):
        rows = sheet(60 + number)
        draw(place / f"Scan{number:04}.jpg", rows, "L")
        xml = alto_file(f"Scan{number:04}.jpg", _boxed(rows), version="v3", unit="pixel")
        write(place / f"Scan{number:04}.xml", xml)
    return place


def corrected_pages(folder: Path) -> Path:
    """Pages that were segmented anew, with each sort of hyphen; one was left as it was, and names its picture otherwise.

    Four pages of four lines.
    """
    place = folder / "corrected"
    for number, hyphens in enumerate(
        (("-", "\u00ad", "", ""), ("\u00ac", "\u2e17", "\u00ad", ""), ("", "", "", "")), 1
    ):
        rows = sheet(70 + number)
        draw(place / f"p{number}.jpg", rows)
        xml = alto_file(f"p{number}.jpg", _segmented(rows, hyphens), version="v4", unit="pixel")
        write(place / f"p{number}.xml", xml)
    rows = sheet(74)
    draw(place / "scan_0004.tif", rows)
    write(place / "p4.xml", alto_file("..\\scans\\scan_0004.tif", _boxed(rows)))
    return place
