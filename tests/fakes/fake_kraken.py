"""A stand-in for the `kraken ... ocr` of 7.1.1 and, where its ketos is 4.3.13's, of that: one JSON line a text line of each page, as our template asks for.

What it "recognises" is the reference with some characters replaced: the fewer, the better the model claims to be. A page that
cannot be read leaves no output file, and the exit code is 0 all the same, as with kraken.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from scenario import accuracy_of, baselines_of, fail_if, lines_of, log_call, scenario


def main() -> None:
    log_call("kraken")
    play = scenario()
    fail_if(play, "ocr")
    argv = sys.argv[1:]
    accuracy = accuracy_of(Path(argv[argv.index("-m") + 1]))
    pages = [(Path(argv[at + 1]), Path(argv[at + 2])) for at, word in enumerate(argv) if word == "-i"]
    for page, output in pages:
        time.sleep(play.get("ocr_seconds", 0))
        if play.get("ocr_missing_page") and play["ocr_missing_page"] in page.read_text():
            print(f"ERROR    Failed processing {page}: no such luck")
            continue
        forgets = os.environ.get("FAKE_RELEASE") == "4.3"
        rows = [
            {"id": None if forgets else line, "baseline": baseline, "text": recognised(text, accuracy)}
            for (line, text), baseline in zip(lines_of(page), baselines_of(page))
        ]
        output.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def recognised(text: str, accuracy: float) -> str:
    wrong = round((1 - accuracy) * len(text))
    every = len(text) / wrong if wrong else 0
    characters = list(text)
    for number in range(wrong):
        characters[int(number * every)] = "#"
    return "".join(characters)


if __name__ == "__main__":
    main()
