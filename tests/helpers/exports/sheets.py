"""Pages of invented text, drawn: what every made-up export consists of."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = (480, 330)
WORDS = ("ager", "bona", "campus", "deinde", "ecclesia", "fratres", "gratia", "homines", "iustus", "liber", "manus",
         "nomen", "omnes", "pater", "quod", "rex", "sancti")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A line of a page: its text, and where it is (pixels)."""

    text: str
    left: int
    top: int
    right: int
    bottom: int

    @property
    def words(self) -> list[str]:
        """Its words."""
        return self.text.split(" ")

    @property
    def base(self) -> int:
        """How far down its baseline is."""
        return self.bottom - 10

    @property
    def corners(self) -> list[tuple[int, int]]:
        """Its polygon."""
        return [(self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom)]

    @property
    def coords(self) -> str:
        """Its polygon as PAGE writes it."""
        return " ".join(f"{x},{y}" for x, y in self.corners)

    @property
    def baseline(self) -> str:
        """Its baseline as PAGE writes it."""
        return (
            f"{self.left + 2},{self.base} {(self.left + self.right) // 2},{self.base + 1} {self.right - 2},{self.base}"
        )

    @property
    def box(self) -> str:
        """Its extent as ALTO writes it."""
        return (
            f'HPOS="{self.left}" VPOS="{self.top}" WIDTH="{self.right - self.left}" HEIGHT="{self.bottom - self.top}"'
        )


def sheet(number: int, rows: int = 4) -> list[Row]:
    """The lines of a page: the same for the same number, and no two pages alike."""
    chance = random.Random(number)
    found = []
    for place in range(rows):
        text = " ".join(chance.sample(WORDS, 3))
        found.append(Row(text, 30 + 4 * (number % 5), 20 + 70 * place, 420 + chance.randrange(40), 75 + 70 * place))
    return found


def draw(path: Path, rows: Sequence[Row], mode: str = "RGB") -> Path:
    """Draw a page."""
    image = Image.new("L", SIZE, 235)
    pen = ImageDraw.Draw(image)
    for row in rows:
        pen.text((row.left + 2, row.top + 12), row.text, fill=30, font_size=24)
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF"}
    image.convert(mode).save(path, kinds[path.suffix.lower()])
    return path


def write(path: Path, content: str) -> Path:
    """Write a file of text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def equiv(text: str, attributes: str = "") -> str:
    """A transcription of PAGE."""
    return f"<TextEquiv{attributes}><Unicode>{text}</Unicode></TextEquiv>"


def page_lines(rows: Sequence[Row], inside: Callable[[Row], str], *, bare: Sequence[int] = (), custom: str = "") -> str:
    """The lines of a PAGE file.

    Args:
        rows: the lines.
        inside: what a line holds beside its shape: words, transcriptions.
        bare: the numbers of those without a baseline, as people draw them by hand.
        custom: what each says of itself; `{}` is its number.
    """
    found = []
    for number, row in enumerate(rows):
        said = f' custom="{custom.replace("{}", str(number))}"' if custom else ""
        baseline = "" if number in bare else f'<Baseline points="{row.baseline}"/>'
        found.append(
            f'<TextLine id="l{number}"{said}><Coords points="{row.coords}"/>{baseline}{inside(row)}</TextLine>'
        )
    return "".join(found)


def page_region(lines: str, name: str = "r1", attributes: str = ' type="paragraph"', more: str = "") -> str:
    """A region of a PAGE file, as large as the page."""
    width, height = SIZE
    corners = f"5,5 {width - 5},5 {width - 5},{height - 5} 5,{height - 5}"
    return f'<TextRegion id="{name}"{attributes}><Coords points="{corners}"/>{lines}{more}</TextRegion>'


def page_file(image: str, inside: str, *, year: str = "2019-07-15", metadata: str = "", before: str = "") -> str:
    """A PAGE file."""
    schema = f"http://schema.primaresearch.org/PAGE/gts/pagecontent/{year}"
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<PcGts xmlns="{schema}" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{schema} {schema}/pagecontent.xsd">'
        "<Metadata><Creator>nobody</Creator><Created>2024-05-06T07:08:09</Created>"
        f"<LastChange>2024-05-06T07:08:10</LastChange>{metadata}</Metadata>"
        f'<Page imageFilename="{image}" imageWidth="{SIZE[0]}" imageHeight="{SIZE[1]}">{before}{inside}</Page></PcGts>'
    )


def mets(groups: dict[str, list[str]], prefix: str = "mets:") -> str:
    """A METS file with the references of each group of files."""
    name = prefix.rstrip(":")
    number = 0
    said = ""
    for group, hrefs in groups.items():
        said += f'<{prefix}fileGrp USE="{group}">'
        for href in hrefs:
            number += 1
            kind = "application/vnd.prima.page+xml" if href.endswith(".xml") else "image/png"
            where = 'LOCTYPE="URL"' if "://" in href else 'LOCTYPE="OTHER" OTHERLOCTYPE="FILE"'
            said += f'<{prefix}file MIMETYPE="{kind}" ID="FILE_{number:04}"><{prefix}FLocat {where} xlink:href="{href}"/></{prefix}file>'
        said += f"</{prefix}fileGrp>"
    declared = f'xmlns{":" if name else ""}{name}="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{prefix}mets {declared}><{prefix}fileSec>{said}</{prefix}fileSec></{prefix}mets>'
