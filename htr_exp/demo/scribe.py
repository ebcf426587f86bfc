"""The hands of the demo pages: how each one writes, and where every letter falls on the leaf."""

from __future__ import annotations

import math
import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import ImageFont

from htr_exp.demo.text import words

FONTS = Path(__file__).parent / "fonts"
WIDTH, HEIGHT = 800, 1120  # of an image, pixels
MACRON = "\u0304"

Stroke = tuple[tuple[float, float], ...]

TALL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZbdfhklſ")  # a macron above them is raised

# Characters that a font may lack: a letter to start from, an advance (0: the letter's), strokes of the pen.
# The unit is the size of the script, x to the right, y up from the baseline.
DRAWN: dict[str, tuple[str, float, tuple[Stroke, ...]]] = {
    "⁊": ("", 0.42, (((0.02, 0.42), (0.20, 0.45), (0.36, 0.42), (0.30, 0.20), (0.16, -0.16)),)),
    "ꝛ": ("", 0.40, (((0.04, 0.36), (0.16, 0.45), (0.27, 0.36), (0.22, 0.20), (0.05, 0.02), (0.36, 0.03)),)),
    "ꝝ": ("", 0.46, (((0.04, 0.36), (0.16, 0.45), (0.27, 0.36), (0.22, 0.20), (0.05, 0.02), (0.30, 0.03), (0.41, 0.18)),
                     ((0.22, -0.18), (0.42, 0.10)),)),
    "ꝫ": ("", 0.36, (((0.04, 0.36), (0.28, 0.38), (0.12, 0.20), (0.27, 0.06), (0.20, -0.14), (0.02, -0.20)),)),
    "ꝯ": ("", 0.42, (((0.20, 0.20), (0.06, 0.30), (0.16, 0.44), (0.32, 0.36), (0.31, 0.12), (0.12, -0.12)),)),
    "ꝰ": ("", 0.30, (((0.14, 0.50), (0.05, 0.56), (0.13, 0.66), (0.24, 0.58), (0.22, 0.44), (0.09, 0.32)),)),
    "ꝑ": ("p", 0.0, (((-0.08, -0.15), (0.12, -0.13), (0.40, -0.15)),)),
    "ꝓ": ("p", 0.0, (((0.10, 0.02), (-0.10, -0.02), (-0.14, -0.14), (0.04, -0.17), (0.26, -0.10)),)),
    "ꝗ": ("q", 0.0, (((0.20, -0.16), (0.40, -0.14), (0.60, -0.16)),)),
    "ꝙ": ("q", 0.0, (((0.16, -0.26), (0.38, -0.14), (0.58, -0.02), (0.64, 0.12), (0.54, 0.15)),)),
    "Y": ("", 0.54, (((0.02, 0.60), (0.11, 0.67), (0.19, 0.56), (0.27, 0.34)), ((0.50, 0.66), (0.40, 0.52), (0.27, 0.34), (0.22, -0.01)))),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hand:
    """One scribe and what he writes on."""

    font: str
    seed: int
    pages: int
    lines: int  # on a page
    size: float  # of the script, pixels
    pitch: float  # from baseline to baseline, pixels
    without: str  # signs he does not use
    native: str  # those of DRAWN that his font has; the others are drawn
    slant: float  # tangent of the angle to the right
    width: float  # of the letters, 1 is the font's
    loose: float  # unsteadiness of letters, 1 is a hasty writer
    nib: float  # width of the pen in drawn strokes, in sizes
    ink: tuple[int, int, int]
    rubric: tuple[int, int, int]
    parchment: tuple[int, int, int]


HANDS = {
    "a": Hand(
        font="Rusch-GoticoAntiqua100G.otf", seed=1215, pages=18, lines=15, size=47, pitch=62, without="", native="ꝓꝫꝯꝰ", slant=0.20,
        width=0.90, loose=1.0, nib=0.075, ink=(62, 42, 26), rubric=(158, 44, 30), parchment=(222, 205, 172),
    ),
    "b": Hand(
        font="Subiaco-ProtoRoman120R.otf", seed=1140, pages=32, lines=15, size=47, pitch=62, without="ꝗꝝꝫ", native="Yꝑꝙꝰ", slant=0.0,
        width=1.0, loose=0.8, nib=0.065, ink=(48, 40, 34), rubric=(170, 60, 36), parchment=(231, 221, 197),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Glyph:
    """One written character: where its origin is (pixels), and how far it strays from the font."""

    char: str
    x: float
    y: float
    turn: float  # degrees
    scale: float
    rubric: bool


@dataclass(frozen=True, slots=True)
class WrittenLine:
    text: str
    baseline: tuple[tuple[int, int], ...]
    polygon: tuple[tuple[int, int], ...]
    glyphs: tuple[Glyph, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One page as laid out: everything the ground truth says, before any ink."""

    number: int
    zone: tuple[int, int, int, int]  # left, top, right, bottom of the written space
    lines: tuple[WrittenLine, ...]


@cache
def face(font: str, size: int) -> ImageFont.FreeTypeFont:
    """A font without shaping: ligatures and kerning would depend on how Pillow was built."""
    return ImageFont.truetype(FONTS / font, size, layout_engine=ImageFont.Layout.BASIC)


def form(hand: Hand, char: str) -> tuple[str, float, tuple[Stroke, ...]]:
    """The letter of the font, the advance (0: the letter's) and the strokes that make a character without marks."""
    return (char, 0.0, ()) if char in hand.native or char not in DRAWN else DRAWN[char]


def advance(hand: Hand, char: str) -> float:
    """How far the pen moves for a character, in sizes; its macron takes no room."""
    base = unicodedata.normalize("NFD", char)[0]
    if base == MACRON:
        return 0.0
    letter, drawn, _ = form(hand, base)
    # At 1000 units to the em an advance is a whole number, the same with every FreeType.
    return drawn or face(hand.font, 1000).getlength(letter) / 1000 * hand.width


def leaves(hand: Hand) -> Iterator[Leaf]:
    """Yield the pages of a hand, in order; a text runs on from line to line and from page to page."""
    rng = random.Random(hand.seed)  # noqa: S311 (reproducible, not secret)
    text = words(rng, hand.without)
    waiting: list[tuple[str, bool]] = []
    for number in range(hand.pages):
        left, top = rng.randint(92, 118), rng.randint(110, 130)
        measure = WIDTH - left - rng.randint(92, 112)
        tilt = rng.uniform(-0.007, 0.007)
        lines = []
        for row in range(hand.lines):
            chosen: list[tuple[str, bool]] = []
            room = measure / hand.size
            while True:
                word, rubric = waiting.pop() if waiting else next(text)
                need = sum(advance(hand, char) for char in word) + (advance(hand, " ") if chosen else 0.0)
                if need > room:
                    cut = _division(word)
                    head = word[:cut] + "-"
                    if cut and sum(advance(hand, char) for char in head) + advance(hand, " ") < room:
                        chosen.append((head, rubric))
                        word = word[cut:]
                    waiting.append((word, rubric))
                    break
                chosen.append((word, rubric))
                room -= need
            y = top + row * hand.pitch + rng.uniform(-2, 2)
            lines.append(
                _line(hand, chosen, left + rng.uniform(-3, 3), y, tilt + rng.uniform(-0.002, 0.002), measure, rng)
            )
        zone = (
            left - 12,
            top - int(hand.size),
            left + measure + 12,
            top + int((hand.lines - 1) * hand.pitch + hand.size / 2),
        )
        yield Leaf(number, zone, tuple(lines))


def _division(word: str) -> int:
    """Where a word may be divided at the end of a line (0: nowhere)."""
    vowels = "aeiouāēīōū"
    for cut in range(len(word) - 3, 2, -1):
        if word[cut - 1] in vowels and word[cut] in "bcdfglmnprſt" and word[cut + 1] in vowels:
            return cut
    return 0


def _line(
    hand: Hand, chosen: list[tuple[str, bool]], left: float, y: float, tilt: float, measure: float, rng: random.Random
) -> WrittenLine:
    wave, phase, length = rng.uniform(0.5, 1.8), rng.uniform(0, 2 * math.pi), rng.uniform(300, 700)

    def height(x: float) -> float:
        return y + tilt * (x - left) + wave * math.sin(phase + 2 * math.pi * x / length)

    natural = sum(advance(hand, char) for word, _ in chosen for char in word) * hand.size
    blanks = len(chosen) - 1
    blank = min((measure - natural) / blanks, 1.5 * advance(hand, " ") * hand.size) if blanks else 0.0
    glyphs: list[Glyph] = []
    x = left
    stray = hand.loose
    for word, rubric in chosen:
        red_initial = rng.random() < 0.3
        for char in word:
            if char == MACRON:
                bearer = glyphs[-1]
                lift = 0.22 * hand.size if bearer.char in TALL else 0.0
                glyphs.append(Glyph(char, bearer.x, bearer.y - lift, 0.0, 1.0, rubric))
                continue
            touched = char.isupper() and red_initial
            glyphs.append(
                Glyph(
                    char, x, height(x) + rng.gauss(0, 0.5 * stray), rng.gauss(0, 1.5 * stray),
                    1 + rng.gauss(0, 0.025 * stray) + (0.08 if char.isupper() else 0.0), rubric or touched,
                )
            )  # fmt: skip
            x += advance(hand, char) * hand.size + rng.gauss(0, 0.35 * stray)
        x += blank * rng.uniform(0.85, 1.15)
    right = x - blank
    stations = [left - 6 + (right + 12 - left) * part / 6 for part in range(7)]
    above, below = 0.90 * hand.size, 0.34 * hand.size
    upper = [(round(at), round(height(at) - above)) for at in stations]
    lower = [(round(at), round(height(at) + below)) for at in reversed(stations)]
    baseline = tuple((round(at), round(height(at))) for at in stations[::2])
    return WrittenLine(" ".join(word for word, _ in chosen), baseline, (*upper, *lower), tuple(glyphs))
