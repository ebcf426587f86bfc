"""Small pages of ground truth and their images."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image

from htr_exp.groundtruth.examine import examine_folders, summary

SIZE = (400, 300)
BOX = "10,10 10,60 200,60 200,10"
BASE = "10,50 100,52 200,50"


def page_line(number: int = 1, text: str | None = "Incipit liber", **changes: str | None) -> str:
    values = {"id": f"l{number}", "coords": BOX, "baseline": BASE, "custom": "structure {type:DefaultLine;}", **changes}
    out = "<TextLine" + (f' id="{values["id"]}"' if values["id"] is not None else "")
    out += (f' custom="{values["custom"]}"' if values["custom"] else "") + ">"
    if values["coords"] is not None:
        out += f'<Coords points="{values["coords"]}"/>'
    if values["baseline"] is not None:
        out += f'<Baseline points="{values["baseline"]}"/>'
    if text is not None:
        out += f"<TextEquiv><Unicode>{escape(text)}</Unicode></TextEquiv>"
    return out + "</TextLine>"


def page_xml(lines: str, image: str | None = "1.jpg", year: str = "2019-07-15", size: tuple[int, int] = SIZE) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/{year}">'
        f'<Page imageFilename="{escape(image or "")}" imageWidth="{size[0]}" imageHeight="{size[1]}">'
        '<TextRegion id="r1" custom="structure {type:MainZone;}"><Coords points="0,0 0,200 300,200 300,0"/>'
        f"{lines}</TextRegion></Page></PcGts>"
    )


def alto_line(number: int = 1, content: str = '<String CONTENT="Incipit liber"/>', tags: str = "LT1") -> str:
    return (
        f'<TextLine ID="l{number}" TAGREFS="{tags}" BASELINE="10 50 100 52 200 50">'
        f'<Shape><Polygon POINTS="10 10 10 60 200 60 200 10"/></Shape>{content}</TextLine>'
    )


def alto_xml(lines: str, image: str | None = "1.jpg", version: int = 4, unit: str = "pixel") -> str:
    named = f"<sourceImageInformation><fileName>{image}</fileName></sourceImageInformation>" if image else ""
    return (
        f'<alto xmlns="http://www.loc.gov/standards/alto/ns-v{version}#"><Description>'
        f"<MeasurementUnit>{unit}</MeasurementUnit>{named}</Description>"
        '<Tags><OtherTag ID="BT1" LABEL="MainZone"/><OtherTag ID="LT1" LABEL="DefaultLine"/></Tags>'
        f'<Layout><Page WIDTH="{SIZE[0]}" HEIGHT="{SIZE[1]}"><PrintSpace HPOS="0" VPOS="0" WIDTH="400" HEIGHT="300">'
        '<TextBlock ID="r1" TAGREFS="BT1"><Shape><Polygon POINTS="0 0 0 200 300 200 300 0"/></Shape>'
        f"{lines}</TextBlock></PrintSpace></Page></Layout></alto>"
    )


def write_image(path: Path, shade: int = 200, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, shade).save(path)
    return path


def put(folder: Path, xml: str, name: str = "1.xml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(xml, encoding="utf-8")
    return path


def codes(folder: Path, **options) -> dict[str, int]:
    return summary(examine_folders([folder], **options).problems)


def make_pages(folder: Path, pages: int = 6, lines: int = 3) -> Path:
    """Write PAGE files and an image each, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in range(pages):
        name = f"f{page + 1:02d}"
        image = Image.new("L", (220, 40 * lines + 20), 200)
        image.putpixel((0, 0), page)
        image.save(folder / f"{name}.png")
        text = [f"in principio erat verbum {page + 1} linea {line + 1}" for line in range(lines)]
        drawn = "".join(
            page_line(
                number + 1,
                words,
                coords=f"5,{40 * number + 10} 5,{40 * number + 45} 210,{40 * number + 45} 210,{40 * number + 10}",
                baseline=f"5,{40 * number + 40} 210,{40 * number + 40}",
            )
            for number, words in enumerate(text)
        )
        xml = page_xml(drawn, image=f"{name}.png", size=image.size)
        (folder / f"{name}.xml").write_text(xml, encoding="utf-8")
    return folder


def put_pair(folder: Path, image: str, text: str | bytes, ending: str = ".gt.txt", shade: int | None = None) -> Path:
    """Write a line pair: a picture, no two alike, and what it says beside it."""
    known = sum(1 for _ in folder.rglob("*"))
    path = write_image(folder / image, shade if shade is not None else known % 250, (120 + known, 30))
    stem = path.name.split(".")[0]
    (path.parent / f"{stem}{ending}").write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())
    return path
