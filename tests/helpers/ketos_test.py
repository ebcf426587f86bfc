"""What `ketos test` counts, beside what we do."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from rapidfuzz.distance import Levenshtein

from htr_exp.scoring.text_order import blanks


def ketos_test(*words: str) -> tuple[int, int]:
    """The errors and characters that `ketos ... test ...` reports."""
    environment = os.environ | {"COLUMNS": "200"}
    said = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, env=environment)
    found = [re.search(rf"(\d+)\s+{word}", said.stdout) for word in ("Errors", "Characters")]
    assert all(found), said.stdout + said.stderr
    errors, characters = (int(one[1]) for one in found if one)
    return errors, characters


def counted_by_4_3(rows: Iterable[Mapping[str, Any]], model: str) -> tuple[tuple[int, int], int]:
    """The errors and characters of `ketos test` of 4.3.13 for predictions of a run, and by how much `cer_raw` may count otherwise.

    It leaves the blanks at the ends of predictions where they are, though not those of the references; each is one error
    more, or takes the place of a letter that was not read.
    """
    pairs = [(blanks(shown["reference"]), shown[model]) for shown in (row.get("display", row) for row in rows)]
    errors = sum(Levenshtein.distance(*pair) for pair in pairs)
    at_ends = sum(len(read) - len(read.strip()) for _, read in pairs)
    return (errors, sum(len(reference) for reference, _ in pairs)), at_ends
