"""What another system reads on the pages of `make_pages`, in every form in which it may give it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from helpers.page_files import alto_line, alto_xml

Given = Mapping[str, list[str]]
"""The lines of each page."""

TEXTS = {
    f"f{page:02d}": [f"in principio erat verbum {page} linea {line}" for line in (1, 2, 3)] for page in range(1, 7)
}
"""What the pages of `make_pages` say."""


def misread(texts: Given = TEXTS) -> dict[str, list[str]]:
    """A system that reads one letter of each page wrongly, and leaves one line out."""
    found = {page: list(lines) for page, lines in texts.items()}
    for lines in found.values():
        lines[0] = lines[0].replace("erat", "etat")
    found["f02"][1] = ""
    return found


def as_text(folder: Path, texts: Given) -> Path:
    folder.mkdir()
    for page, lines in texts.items():
        (folder / f"{page}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def as_json(file: Path, texts: Given) -> Path:
    rows = [
        {"page": page, "line": f"l{number}", "text": text}
        for page, lines in texts.items()
        for number, text in enumerate(lines, 1)
    ]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def as_page(folder: Path, texts: Given, pages: Path, *, ids: str = "l", moved: int = 0) -> Path:
    """PAGE as the system of the ground truth's lines writes it; with other ids, or baselines and polygons elsewhere."""
    folder.mkdir()
    for page, lines in texts.items():
        xml = (pages / f"{page}.xml").read_text(encoding="utf-8").replace("<PcGts", "<!-- Transkribus --><PcGts")
        for number, line in enumerate(lines, 1):
            xml = xml.replace(f"<Unicode>{TEXTS[page][number - 1]}<", f"<Unicode>{line}<").replace(
                f'id="l{number}"', f'id="{ids}{number}"'
            )
        if moved:
            xml = xml.replace("210,", f"{210 + moved},")
        (folder / f"{page}.xml").write_text(xml, encoding="utf-8")
    return folder


def as_alto(folder: Path, texts: Given) -> Path:
    """ALTO of another segmentation, in files that are not called as the pages: only the image and the order tell."""
    folder.mkdir()
    for number, (page, lines) in enumerate(texts.items()):
        drawn = "".join(alto_line(40 + place, f'<String CONTENT="{line}"/>') for place, line in enumerate(lines))
        (folder / f"scan_{number}.xml").write_text(alto_xml(drawn, image=f"scans\\{page}.png"), encoding="utf-8")
    return folder
