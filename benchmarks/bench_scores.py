"""CPU time of all measures of 100,000 line pairs, beside one plain edit distance per pair over the same raw strings."""

from __future__ import annotations

import json
import random
import time
import unicodedata
from typing import cast

from rapidfuzz.distance import Levenshtein

from htr_exp.config.defaults import shipped
from htr_exp.config.schema import RecognitionScores
from htr_exp.scoring.folding import Folding
from htr_exp.scoring.lines import LinePair, score

LINES = 100_000
LINES_PER_PAGE = 40
LIMIT_CPU_S = 10
ERROR_SHARE = 0.15
WORDS = ("in principio erat uerbum et deus dñs q̃ p̄ cõ ñ ꝑ ꝓ mẽsis aũt quod̃ gr̃a sc̃s oĩb; ⁊ xp̃s ſunt ꝙ regnũ").split()  # noqa: SIM905
LETTERS = "abcdefghilmnopqrstuxy ̃̄"


def line(random_source: random.Random) -> str:
    """About 45 characters in NFD, a third of the lines with abbreviation marks."""
    words = WORDS if random_source.random() < 1 / 3 else WORDS[:6]
    text = ""
    while len(text) < 42:
        text += random_source.choice(words) + " "
    return unicodedata.normalize("NFD", text.strip())


def misread(text: str, random_source: random.Random) -> str:
    """A text in which every character is replaced, dropped or doubled with a chance of ERROR_SHARE."""
    read = []
    for character in text:
        if random_source.random() < ERROR_SHARE:
            read.append(random_source.choice((random_source.choice(LETTERS), "", character + character)))
        else:
            read.append(character)
    return "".join(read)


def main() -> None:
    random_source = random.Random(0)
    references = [line(random_source) for _ in range(LINES)]
    pairs = [
        LinePair(f"page{i // LINES_PER_PAGE:05}", str(i), text, misread(text, random_source))
        for i, text in enumerate(references)
    ]
    scores = cast("RecognitionScores", shipped().scores)
    folding = Folding(scores.folding, case=scores.folding_case, punctuation=scores.folding_punctuation)
    begin = time.process_time()
    score(pairs, folding=folding)
    ours = time.process_time() - begin
    begin = time.process_time()
    sum(Levenshtein.distance(pair.reference, pair.hypothesis or "") for pair in pairs)
    peer = time.process_time() - begin
    result = {
        "name": "all measures of 100,000 lines",
        "ours_cpu_s": round(ours, 3),
        "limit_cpu_s": LIMIT_CPU_S,
        "peer": "rapidfuzz.distance.Levenshtein.distance over raw strings: one distance, no clusters, no words, no pages",
        "peer_cpu_s": round(peer, 3),
        "ratio": round(ours / peer, 1),
    }
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
