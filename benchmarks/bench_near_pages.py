"""Measures which altered copies of a page the leakage check finds, and which different pages it takes for one.

    HTR_EXP_REAL_DATA=FOLDER python benchmarks/bench_near_pages.py [FOLDER ...] [leakage.KEY=VALUE ...]

Pages are those of HTR_EXP_REAL_DATA (dev, demo, dirty) and of the folders named. Each is copied: its text with letters
changed, in another order, in part, in other lines or by another convention, with no image; its image cropped, framed,
turned or saved anew, with no text. A copy is found if the check pairs it with its page. Prints a line of JSON for each kind
of copy, and one for the pairs of different pages.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "tests")]

from helpers.guarded_pages import Line, Page
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import HtrExpError
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.splits.similar_pages import find_similar

IMAGES = 24
"""Pages whose images are altered, evenly chosen: decoding takes its time."""
SIDE = 800  # pixels of the images that are altered
NOWHERE = Path("/nowhere")
SIGNS = {"ꝗ": "que", "ꝙ": "quod", "ꝑ": "per", "ꝓ": "pro", "⁊": "et", "ꝰ": "us", "ꝯ": "con", "ꝫ": "et", "&": "et", "ꝝ": "rum"}  # fmt: skip
STROKES = "\u0303\u0304\u0305\u033e\u035b\u0363\u0364\u0365\u0366\u036b\u036c"
LETTERS_ALIKE = {"u": "v", "v": "u", "i": "j", "j": "i"}


Lines = list[str]


def noisy(lines: Lines, share: float, chance: random.Random) -> Lines:
    def changed(letter: str) -> str:
        if chance.random() >= share:
            return letter
        return chance.choice(["", letter * 2, chance.choice("abcdefghilmnopqrstu")])

    return ["".join(map(changed, line)) for line in lines]


def written_out(lines: Lines, chance: random.Random) -> Lines:
    """Another convention: abbreviations resolved, and half of u and v, i and j exchanged."""
    out = []
    for line in lines:
        letters = []
        for letter in unicodedata.normalize("NFD", line):
            if letter in STROKES:
                letter = chance.choice(["m", "n", "er", "en", "ri"])
            elif chance.random() < 0.5:
                letter = LETTERS_ALIKE.get(letter, letter)
            letters.append(SIGNS.get(letter, letter))
        out.append("".join(letters))
    return out


def rewrapped(lines: Lines, factor: float) -> Lines:
    width = factor * sum(map(len, lines)) / len(lines)
    out = [""]
    for word in " ".join(lines).split():
        if len(out[-1]) > width:
            out.append("")
        out[-1] = f"{out[-1]} {word}".strip()
    return out


def halves(lines: Lines) -> Lines:
    return lines[len(lines) // 2 :] + lines[: len(lines) // 2]


def columns(lines: Lines) -> Lines:
    """Two columns that were read across."""
    half = (len(lines) + 1) // 2
    return [line for start in range(half) for line in lines[start::half]]


TEXTS: dict[str, Callable[[Lines, random.Random], Lines]] = {
    **{f"{share:.0%} of the letters changed": lambda lines, chance, share=share: noisy(lines, share, chance) for share in (0, 0.05, 0.1, 0.15, 0.2)},
    **{f"halves exchanged, {share:.0%} changed": lambda lines, chance, share=share: noisy(halves(lines), share, chance) for share in (0, 0.05, 0.1)},
    **{f"columns read across, {share:.0%} changed": lambda lines, chance, share=share: noisy(columns(lines), share, chance) for share in (0, 0.05, 0.1)},
    **{f"half a page, {share:.0%} changed": lambda lines, chance, share=share: noisy(halves(lines)[: (len(lines) + 1) // 2], share, chance) for share in (0, 0.05, 0.1, 0.2)},
    "other line breaks, 10% changed": lambda lines, chance: noisy(rewrapped(lines, 0.7), 0.1, chance),
    "other line breaks, halves exchanged, 5% changed": lambda lines, chance: noisy(rewrapped(halves(lines), 0.7), 0.05, chance),
    "other line breaks, half a page, 10% changed": lambda lines, chance: noisy(rewrapped(halves(lines)[: (len(lines) + 1) // 2], 1.4), 0.1, chance),
    "other line breaks, columns read across, 5% changed": lambda lines, chance: noisy(rewrapped(columns(lines), 0.7), 0.05, chance),
    "abbreviations resolved, u and v exchanged": lambda lines, chance: written_out(lines, chance),
    "abbreviations resolved, 10% changed": lambda lines, chance: noisy(written_out(lines, chance), 0.1, chance),
}  # fmt: skip


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop((int(left * width), int(top * height), int((1 - right) * width), int((1 - bottom) * height)))


def saved_anew(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.resize((image.width // 2, image.height // 2)).save(file, "JPEG", quality=30)
    return Image.open(file)


LOOKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved anew": lambda image: image,
    "half the size, JPEG of quality 30": saved_anew,
    **{f"cropped {share:.0%} on each side": lambda image, share=share: cropped(image, share, share, share, share) for share in (0.01, 0.03, 0.05, 0.1)},
    "cropped 6, 1, 2 and 5%": lambda image: cropped(image, 0.06, 0.01, 0.02, 0.05),
    **{f"cropped {share:.0%} at the left": lambda image, share=share: cropped(image, share, 0, 0, 0) for share in (0.04, 0.08)},
    "cropped 8% at the bottom": lambda image: cropped(image, 0, 0, 0, 0.08),
    "upper half": lambda image: cropped(image, 0, 0, 0, 0.5),
    "mirrored": ImageOps.mirror,
    "a negative": ImageOps.invert,
    "turned by 3 degrees": lambda image: image.rotate(3, Image.Resampling.BICUBIC, expand=True, fillcolor=(40, 40, 40)),
    "border of 5%": lambda image: ImageOps.expand(image, image.width // 20, (30, 25, 20)),
    "turned by 2 degrees": lambda image: image.rotate(2, Image.Resampling.BICUBIC, expand=True, fillcolor=(40, 40, 40)),
    "turned by 1 degree": lambda image: image.rotate(1, Image.Resampling.BICUBIC, expand=True, fillcolor=(40, 40, 40)),
    "turned by 90 degrees": lambda image: image.rotate(90, expand=True),
}  # fmt: skip


def main() -> int:
    words = sys.argv[1:]
    settings = compose_experiment([word for word in words if "=" in word]).experiment.leakage
    real = os.environ.get("HTR_EXP_REAL_DATA")
    roots = [*(Path(real, name) for name in ("dev", "demo", "dirty") if real), *(Path(word) for word in words if "=" not in word)]  # fmt: skip
    pages = read(roots)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        for what, seen in (("text and image", pages), ("image alone", [replace(page, lines=()) for page in pages])):
            pairs = find_similar(seen, settings, cache).pairs
            tell(f"different pages, {what}", pages=len(pages), pairs=len(pairs),
                 first=[(pair.first, pair.second, pair.measure) for pair in pairs[:10]])  # fmt: skip
        texts = [replace(page, image=NOWHERE) for page in pages]
        for kind, alter in TEXTS.items():
            chance = random.Random(0)
            copies = [altered(page, alter([line.text for line in page.lines], chance)) for page in texts]
            tell(kind, **found(texts, copies, settings, None))
        chosen = [page for page in pages if page.image.exists()]
        chosen = chosen[:: max(1, len(chosen) // IMAGES)]
        for number, (kind, alter_image) in enumerate(LOOKS.items()):
            copies = []
            for place, page in enumerate(chosen):
                file = Path(folder, f"{number}-{place}.png")
                with Image.open(page.image) as image:
                    image.draft("RGB", (SIDE, SIDE))
                    shown = (ImageOps.exif_transpose(image) or image).convert("RGB")
                    shown.thumbnail((SIDE, SIDE))
                    alter_image(shown).save(file, compress_level=1)
                copies.append(replace(altered(page, []), image=file))
            tell(kind, **found([replace(page, lines=()) for page in pages], copies, settings, cache))
    return 0


def read(roots: Sequence[Path]) -> list[Page]:
    """Read every page with text once: the second of two with one image would be found, and rightly."""
    pages: dict[str, Page] = {}
    for folder in sorted({file.parent for root in roots for file in root.rglob("*.xml")}):
        try:
            dataset = examine_folders([folder])
        except HtrExpError:
            continue
        for page in dataset.pages:
            lines = tuple(Line(line.id, line.text) for line in page.lines)
            name = f"{folder.name}/{page.name}"
            pages.setdefault(page.image_digest, Page(name, page.image, page.image_digest, page.xml_digest, page.digest, lines))  # fmt: skip
    return list(pages.values())


def altered(page: Page, lines: Lines) -> Page:
    return Page(
        f"copy of {page.name}", NOWHERE, f"copy {page.image_digest}", f"copy {page.xml_digest}", f"copy {page.digest}",
        tuple(Line(str(number), line) for number, line in enumerate(lines)),
    )  # fmt: skip


def found(pages: Sequence[Page], copies: Sequence[Page], settings: object, cache: Path | None) -> dict[str, object]:
    pairs = {(pair.first, pair.second) for pair in find_similar([*pages, *copies], settings, cache).pairs}
    of_copies = {(name.removeprefix("copy of "), name) for name in (copy.name for copy in copies)}
    missed = sorted(name for name, copy in of_copies - pairs)
    one = {frozenset(name.removeprefix("copy of ") for name in pair) for pair in pairs}
    false = sorted(sorted(pair) for pair in one if len(pair) == 2)
    return {"copies": len(copies), "found": len(of_copies & pairs), "false": len(false), "missed": missed[:5]}


def tell(name: str, **values: object) -> None:
    print(json.dumps({"name": f"near pages: {name}", **values}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
