"""Pages of a ruled register: the same frame, rulings and gutter on every page, and different words in pale ink."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image, ImageDraw

from helpers.page_files import page_line, page_xml

SIZE = (600, 700)
LETTERS = "abcdefghilmnoprstu"


def words_of(number: int, lines: int = 16) -> list[str]:
    chance = random.Random(number)

    def word() -> str:
        return "".join(chance.choices(LETTERS, k=chance.randint(3, 8)))

    return [" ".join(word() for _ in range(6)) for _ in range(lines)]


def picture(lines: list[str]) -> Image.Image:
    image = Image.new("L", SIZE, 40)
    draw = ImageDraw.Draw(image)
    draw.rectangle((12, 8, SIZE[0] - 12, SIZE[1] - 12), fill=225)
    draw.rectangle((296, 0, 305, SIZE[1]), fill=90)
    for ruling in (54, 132, 334, 426):
        draw.line((ruling, 28, ruling, SIZE[1] - 28), fill=120, width=2)
    for number, line in enumerate(lines):
        draw.text((20, 20 + 41 * number), line, fill=140, font_size=15)
    return image


def ruled_register(folder: Path, pages: int, formula: str = "", *, with_text: bool = True) -> Path:
    """Write so many different pages of one register; each begins with the formula, if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(pages):
        lines = [*filter(None, formula.split("\n")), *words_of(number)]
        picture(lines[:16]).save(folder / f"p{number:03}.png", compress_level=1)
        xml = "".join(page_line(at, line if with_text else "Amen") for at, line in enumerate(lines))
        (folder / f"p{number:03}.xml").write_text(page_xml(xml, image=f"p{number:03}.png", size=SIZE), encoding="utf-8")
    return folder
