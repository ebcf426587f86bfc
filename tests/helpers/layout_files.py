"""Small pages with regions and types of lines, for segmentation."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from helpers.page_files import page_line, page_xml


def layout_region(name: str, kind: str | None, box: tuple[int, int, int, int] | None, *lines: str) -> str:
    """A region of a PAGE file, a rectangle (left, top, right, bottom) or without a shape."""
    custom = f' custom="structure {{type:{kind};}}"' if kind else ""
    coords = ""
    if box is not None:
        left, top, right, bottom = box
        coords = f'<Coords points="{left},{top} {left},{bottom} {right},{bottom} {right},{top}"/>'
    return f'<TextRegion id="{name}"{custom}>{coords}{"".join(lines)}</TextRegion>'


def layout_xml(*regions: str, image: str, size: tuple[int, int]) -> str:
    """A PAGE file of regions."""
    return page_xml("", image=image, size=size).replace(
        '<TextRegion id="r1" custom="structure {type:MainZone;}"><Coords points="0,0 0,200 300,200 300,0"/></TextRegion>',
        "".join(regions),
    )


def make_layout_pages(folder: Path, pages: int = 6, lines: int = 5) -> Path:
    """Write PAGE files and an image each: a heading in the margin, the other lines in the main zone; no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in range(pages):
        name = f"f{page + 1:02d}"
        image = Image.new("L", (420, 60 * lines + 20), 200)
        image.putpixel((0, 0), page)
        image.save(folder / f"{name}.png")
        drawn = [
            page_line(
                number + 1,
                f"linea {number + 1} {page + 1}",  # too short for pages to be alike by their texts
                coords=f"5,{60 * number + 10} 5,{60 * number + 55} 410,{60 * number + 55} 410,{60 * number + 10}",
                baseline=f"5,{60 * number + 45} 410,{60 * number + 45}",
                custom=f"structure {{type:{'DefaultLine' if number else 'HeadingLine'};}}",
            )
            for number in range(lines)
        ]
        xml = layout_xml(
            layout_region("r1", "MarginTextZone", (2, 5, 415, 60), drawn[0]),
            layout_region("r2", "MainZone", (2, 65, 415, 60 * lines + 15), *drawn[1:]),
            image=f"{name}.png",
            size=image.size,
        )
        (folder / f"{name}.xml").write_text(xml, encoding="utf-8")
    return folder


def layout_words(pages: Path, base: Path, ketos: Path) -> list[str]:
    """The words of a small segmentation."""
    return [
        "task=segmentation",
        f"dataset.path={pages}",
        f"model.path={base}",
        f"runtime.ketos={ketos}",
        "tracking=none",
        "split.validation=0.17",
        "split.test=0.17",
        "training.device=cpu",
        "training.quit=fixed",
        "training.epochs=3",
    ]
