"""Writes recorded.jsonl beside this file: what jiwer and dinglehopper count on made-up lines.

In an environment of its own, as dinglehopper brings all of OCR-D:

    pip install jiwer==4.0.0 dinglehopper==0.11.0 && python tests/data/measures/record.py
"""

from __future__ import annotations

import json
import random
import unicodedata
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

WORDS = "in principio erat uerbum ⁊ dñs q\u0303 p\u0304 ꝑ ſanctus cōsul dei, xp\u0303s \ue665 a\u0363 ab e\u0301t\u0323 unus."
LETTERS = "abceinou ꝑ\u0303ſ⁊"


def line(source: random.Random) -> str:
    return unicodedata.normalize("NFC", " ".join(source.choices(WORDS.split(), k=source.randint(1, 9))))


def misread(text: str, source: random.Random) -> str:
    """A text with some of its code points changed, left out or doubled."""
    share = source.choice((0.05, 0.2, 0.6))
    read = [source.choice((source.choice(LETTERS), "", sign * 2)) if source.random() < share else sign for sign in text]
    return " ".join(unicodedata.normalize("NFC", "".join(read)).split())


def main() -> None:
    jiwer: Any = import_module("jiwer")
    rates: Any = import_module("dinglehopper.character_error_rate")
    edits: Any = import_module("dinglehopper.edit_distance")
    source = random.Random(0)
    pairs = [(text, misread(text, source)) for text in (line(source) for _ in range(120))]
    pairs += [("ab", "ba"), ("a", "bcde"), ("abc", "")]
    rows: list[dict[str, Any]] = [{name: version(name) for name in ("jiwer", "dinglehopper", "rapidfuzz")}]
    for reference, read in pairs:
        characters, words = jiwer.process_characters(reference, read), jiwer.process_words(reference, read)
        rate, length = rates.character_error_rate_n(reference, read)
        rows.append(
            {
                "reference": reference,
                "read": read,
                "jiwer": [characters.insertions, characters.deletions, characters.substitutions],
                "jiwer_words": words.insertions + words.deletions + words.substitutions,
                "dinglehopper": edits.distance(reference, read),
                "dinglehopper_characters": length,
                "dinglehopper_cer": rate,
            }
        )
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    Path(__file__).with_name("recorded.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
