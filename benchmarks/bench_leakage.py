"""Measures the search for near-duplicate pages: 10,000 pages of 50 lines, and the looks of as many images.

    python benchmarks/bench_leakage.py [pages]

The pages are made up, letter by letter, from what follows five letters in the pages of HTR_EXP_REAL_DATA, else in those
of htr_exp/demo: they share formulae and vocabulary as real ones do. A hundred are doubles with 8 % of their characters
changed, and have to be found. Looking at an image (decoding it, two perceptual hashes) is measured apart, a page at a
time. Prints a line of JSON each.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from collections import defaultdict
from pathlib import Path

from htr_exp.config.compose import compose_experiment
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.image_hash import BITS, looks
from htr_exp.splits import near_duplicates, similar_pages

SETTINGS = compose_experiment([]).experiment.leakage
LIMIT_S, LIMIT_MB = 120, 1500
LINES, LETTERS = 50, 45
BEFORE = 5  # letters that decide the next one
DOUBLES, CHANGED = 100, 0.08
VIEWS = 46


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    real = os.environ.get("HTR_EXP_REAL_DATA")
    roots = [Path(real, "dev"), Path(real, "demo")] if real else [Path(__file__).parents[1] / "htr_exp" / "demo"]
    folders = sorted({path.parent for root in roots for path in root.rglob("*.xml")})
    pages = [page for folder in folders for page in examine_folders([folder]).pages]
    chance = random.Random(0)
    texts = _made_up("\n".join(line.text for page in pages for line in page.lines), number, chance)
    doubles = [tuple(sorted(chance.sample(range(number), 2))) for _ in range(DOUBLES)]
    doubles = [pair for pair in doubles if sum(bool(set(pair) & set(other)) for other in doubles) == 1]
    for first, second in doubles:
        texts[second] = _noisy(texts[first], chance)
    missed: int = _texts(texts, doubles) + _images(number, 1, chance) + _images(number // 4, VIEWS, chance)
    images = [page.image for page in pages]
    for views, limit in ((False, 0.1), (True, 0.4)):
        start = time.process_time()
        looks(images[:40], None, views=views)
        spent = (time.process_time() - start) / len(images[:40])
        name = f"leakage: looking at an image{', all its views' * views}"
        print(json.dumps({"name": name, "pages": 1, "ours_cpu_s": round(spent, 4), "limit_cpu_s": limit}))
        missed |= spent > limit
    return int(missed)


def _texts(texts: list[str], doubles: list[tuple[int, ...]]) -> bool:
    start = time.process_time()
    compared = [near_duplicates.text_of(_lines(near_duplicates.letters(text))) for text in texts]
    near = near_duplicates.near_texts(compared, **similar_pages.text_limits(SETTINGS))
    found = {(pair.first, pair.second) for pair in near}
    spent = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = {
        "name": f"leakage: near texts among {len(texts)} pages, {len(texts) * LINES} lines",
        "pages": len(texts),
        "doubles": len(doubles),
        "doubles_found": sum(pair in found for pair in doubles),
        "other_pairs": len(found - set(doubles)),
        "ours_cpu_s": round(spent, 2),
        "memory_mb": round(memory),  # of the whole process, the texts too
        "limit_cpu_s": LIMIT_S,
    }
    print(json.dumps(row))
    return spent > LIMIT_S or memory > LIMIT_MB or row["doubles_found"] < len(doubles)


def _lines(text: str) -> list[str]:
    return [text[start : start + LETTERS] for start in range(0, len(text), LETTERS)]


def _images(number: int, views: int, chance: random.Random) -> bool:
    """Compare images by their looks, as pages of much text are, or by all their views."""
    known = [[chance.getrandbits(BITS) for _ in range(views)] for _ in range(number)]
    known[-1][-1] = known[0][0] ^ 0b111
    start = time.process_time()
    found = list(near_duplicates.near_images(known, bits=similar_pages.bits_of(SETTINGS)))
    spent = time.process_time() - start
    row = {
        "name": f"leakage: near images among {number}, {views} views each",
        "ours_cpu_s": round(spent, 2),
        "limit_cpu_s": LIMIT_S,
    }
    print(json.dumps(row))
    return spent > LIMIT_S or len(found) != 1


def _made_up(source: str, number: int, chance: random.Random) -> list[str]:
    following: dict[str, list[str]] = defaultdict(list)
    for start in range(len(source) - BEFORE):
        following[source[start : start + BEFORE]].append(source[start + BEFORE])
    begins = list(following)
    before = begins[0]
    texts = []
    for _ in range(number):
        written = []
        for _ in range(LINES * LETTERS):
            letter = chance.choice(following[before])
            written.append(letter)
            before = (before + letter)[1:]
            if before not in following:
                before = chance.choice(begins)
        texts.append("".join(written))
    return texts


def _noisy(text: str, chance: random.Random) -> str:
    return "".join(
        letter if chance.random() >= CHANGED else chance.choice(["", letter * 2, chance.choice("abcdefghilmnopqrstu")])
        for letter in text
    )


if __name__ == "__main__":
    sys.exit(main())
