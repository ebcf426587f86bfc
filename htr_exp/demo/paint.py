"""The pictures of the demo pages: what ink, parchment, light and age make of a leaf. The only module that needs numpy."""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from htr_exp.demo.scribe import HEIGHT, MACRON, WIDTH, Glyph, Hand, Leaf, face, form

FINE = 2  # ink is drawn this many times larger


def _noise(rng: np.random.Generator, cell: int, size: tuple[int, int]) -> np.ndarray:
    """Smooth noise of about unit strength with blots `cell` pixels wide."""
    grid = rng.standard_normal((size[1] // cell + 2, size[0] // cell + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC))


def _pen(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], nib: float) -> None:
    """Draw a stroke with a broad nib held at 40 degrees: thick down, thin up."""
    smooth = [
        tuple(a + (b - a) * part / 6 for a, b in zip(start, end, strict=True))
        for start, end in pairwise(points)
        for part in range(7)
    ]
    x, y = nib / 2 * math.cos(math.radians(40)), nib / 2 * math.sin(math.radians(40))
    for (ax, ay), (bx, by) in pairwise(smooth):
        draw.polygon([(ax - x, ay + y), (ax + x, ay - y), (bx + x, by - y), (bx - x, by + y)], fill=255)
        draw.line([(ax, ay), (bx, by)], fill=255, width=max(2, int(nib / 3)))


def _glyph(hand: Hand, glyph: Glyph) -> tuple[Image.Image, int, int]:
    """The ink of one glyph, FINE times enlarged, and where its upper left corner goes."""
    size = hand.size * FINE
    side, origin = int(3 * size), (1.0 * size, 1.8 * size)
    tile = Image.new("L", (side, side))
    draw = ImageDraw.Draw(tile)
    parts = unicodedata.normalize("NFD", glyph.char)
    base = "" if parts == MACRON else parts[0]
    letter, _, strokes = form(hand, base) if base else ("", 0.0, ())
    if letter:
        draw.text(origin, letter, font=face(hand.font, round(size)), fill=255, anchor="ls")
    if MACRON in parts:
        strokes = (*strokes, ((0.00, 0.56), (0.12, 0.61), (0.27, 0.57), (0.38, 0.62)))
    for stroke in strokes:
        _pen(draw, [(origin[0] + x * size, origin[1] - y * size) for x, y in stroke], hand.nib * size)
    cos, sin = math.cos(math.radians(glyph.turn)) / glyph.scale, math.sin(math.radians(glyph.turn)) / glyph.scale
    wide = 1 / hand.width
    # PIL asks where each pixel comes from: turn, then slant, then width, about the origin on the baseline.
    a, b, c, d = cos * wide, (sin + hand.slant * cos) * wide, -sin, cos - hand.slant * sin
    ox, oy = origin
    tile = tile.transform(
        tile.size,
        Image.Transform.AFFINE,
        (a, b, ox - a * ox - b * oy, c, d, oy - c * ox - d * oy),
        Image.Resampling.BICUBIC,
    )
    return tile, round(glyph.x * FINE - ox), round(glyph.y * FINE - oy)


@lru_cache(maxsize=2)  # a leaf is drawn twice in a row: on its own page, and shining through the next
def ink(hand: Hand, leaf: Leaf) -> tuple[np.ndarray, np.ndarray]:
    """How much ink lies on each pixel of a leaf (0 to 1): of the text and of the rubrics."""
    size = (WIDTH * FINE, HEIGHT * FINE)
    rng = np.random.default_rng([hand.seed, leaf.number, 1])
    layers = (Image.new("L", size), Image.new("L", size))
    for line in leaf.lines:
        for glyph in line.glyphs:
            tile, x, y = _glyph(hand, glyph)
            layers[glyph.rubric].paste(255, (x, y), tile)
    # The wobble of a hand: every stroke is bent a little, differently everywhere.
    rows, columns = np.arange(size[1], dtype=np.float32)[:, None], np.arange(size[0], dtype=np.float32)
    bent_y = rows + hand.loose * (0.9 * _noise(rng, 24, size) + 0.7 * _noise(rng, 9, size))
    bent_x = columns + hand.loose * (1.3 * _noise(rng, 24, size) + 0.7 * _noise(rng, 9, size))
    source = np.clip(bent_y, 0, size[1] - 1).astype(np.int32) * size[0] + np.clip(bent_x, 0, size[0] - 1).astype(
        np.int32
    )
    rough = 0.14 * _noise(rng, 4, size)
    flow = np.clip(0.84 + 0.10 * _noise(rng, 130, size) + 0.07 * _noise(rng, 14, size), 0.45, 1.0)
    covered = []
    for layer in layers:
        soft = np.asarray(layer.filter(ImageFilter.GaussianBlur(1.3))).ravel()[source].astype(np.float32) / 255
        wet = np.clip((soft + rough * (soft > 0.02) - 0.36) * 3.2, 0, 1) * flow
        small = Image.fromarray(wet.astype(np.float32)).resize((WIDTH, HEIGHT), Image.Resampling.BOX)
        covered.append(np.asarray(small))
    return covered[0], covered[1]


def picture(hand: Hand, leaf: Leaf, verso: Leaf) -> Image.Image:
    """The image of a leaf; `verso` is what shines through from its other side."""
    size = (WIDTH, HEIGHT)
    rng = np.random.default_rng([hand.seed, leaf.number, 2])
    tone = (
        5.0 * _noise(rng, 260, size)
        + 3.5 * _noise(rng, 60, size)
        + 2.0 * _noise(rng, 12, size)
        + 2.2 * _noise(rng, 2, size)
    )
    sheet = np.array(hand.parchment, dtype=np.float32) + tone[..., None] * np.array([1.0, 1.05, 1.2], dtype=np.float32)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    for _ in range(rng.integers(1, 4)):  # stains, with the darker rim that a dried drop leaves
        x, y, radius = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(25, 110)
        away = np.hypot(columns - x, rows - y) + 0.16 * radius * _noise(rng, 40, size)
        stain = 9 / (1 + np.exp(np.clip((away - radius) / 5, -50, 50))) + 8 * np.exp(-(((away - radius) / 4) ** 2))
        sheet -= stain[..., None] * np.array([0.8, 1.0, 1.3], dtype=np.float32)
    left, _, right, _ = leaf.zone
    for row in range(-1, len(leaf.lines)):  # ruled in drypoint or lead, one line above the script
        at = leaf.lines[0].baseline[0][1] + 2 + row * hand.pitch + (columns[0] - left) * 0.001
        rule = np.exp(-((rows - at) ** 2) / 0.7) * (columns > left - 20) * (columns < right + 20)
        sheet -= (rule * (9 + 4 * _noise(rng, 50, size)))[..., None]
    for at in (left + 4, right - 4):
        sheet -= (np.exp(-((columns - at - 0.004 * rows) ** 2) / 0.7) * 11)[..., None]
    text, rubrics = ink(hand, verso)
    through = Image.fromarray((np.clip(text + rubrics, 0, 1)[:, ::-1] * 255).astype(np.uint8))
    faint = np.asarray(through.filter(ImageFilter.GaussianBlur(2.2)), dtype=np.float32) / 255
    sheet -= (
        faint[..., None]
        * np.array([16, 19, 22], dtype=np.float32)
        * np.clip(1 + 0.5 * _noise(rng, 200, size), 0.2, 2)[..., None]
    )
    for layer, colour in zip(ink(hand, leaf), (hand.ink, hand.rubric), strict=True):
        shade = np.array(colour, dtype=np.float32) + 7 * _noise(rng, 20, size)[..., None]
        sheet = sheet * (1 - layer[..., None]) + shade * layer[..., None]
    # The leaf's edge against the dark table, the fold on the other side, and light that falls off to the corners.
    outer = columns if leaf.number % 2 else WIDTH - columns
    edge = outer - 16 - 2.0 * _noise(rng, 150, size) - 0.35 * _noise(rng, 8, size)
    top = np.minimum(rows - 13, HEIGHT - 14 - rows) - 2 * _noise(rng, 120, size)
    on_leaf = 1 / (1 + np.exp(-np.clip(np.minimum(edge, top) * 1.6, -50, 50)))
    fold = 1 - 0.45 * np.exp(-(WIDTH - outer) / 22)
    light = 1.02 - 0.13 * (((columns / WIDTH - 0.5) * 1.3) ** 2 + (rows / HEIGHT - 0.5) ** 2)
    table = np.array([38, 34, 31], dtype=np.float32) + 2 * _noise(rng, 3, size)[..., None]
    lit = sheet * (fold * light)[..., None]
    final = lit * on_leaf[..., None] + table * (1 - on_leaf[..., None])
    return Image.fromarray(np.clip(final, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.4))
