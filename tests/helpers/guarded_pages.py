"""Pages as the guard against leaks sees them, made up."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helpers.made_up_texts import page as text_of
from htr_exp.config.compose import compose_experiment
from htr_exp.config.schema import Leakage
from htr_exp.groundtruth.model import LineImage
from htr_exp.splits import leakage, similar_pages
from htr_exp.splits.fingerprints import Lineage

SETTINGS = compose_experiment([]).experiment.leakage


@dataclass(frozen=True)
class Line:
    id: str
    text: str


@dataclass(frozen=True)
class Page:
    """A page as the guard sees one."""

    name: str
    image: Path
    image_digest: str
    xml_digest: str
    digest: str
    lines: tuple[Line, ...]
    line_images: tuple[LineImage, ...] = ()


def a_page(number: int, text: str | None = None, **changes: Any) -> Page:
    words = (text or text_of(number)).split()
    lines = tuple(Line(f"l{start}", " ".join(words[start : start + 6])) for start in range(0, len(words), 6))
    values: dict[str, Any] = {
        "name": f"f{number}.xml",
        "image": Path(f"/nowhere/f{number}.jpg"),
        "image_digest": f"image {number}",
        "xml_digest": f"xml {number}",
        "digest": f"digest {number}",
        "lines": lines,
    }
    return Page(**(values | changes))


def guarded(
    train: Sequence[Page],
    test: Sequence[Page],
    base: Lineage | None = None,
    settings: Leakage = SETTINGS,
    validation: Sequence[Page] = (),
) -> leakage.LeakageReport:
    pages = [*train, *validation, *test]
    sides = {"train": train, "validation": validation, "test": test}
    names = {side: [page.name for page in of] for side, of in sides.items()}
    found = similar_pages.find_similar(pages, settings, None)
    return leakage.guard(
        names, {page.name: page for page in pages}, found, {"base_model": base} if base else {}, settings
    )


def kinds(findings: leakage.LeakageReport) -> list[str]:
    return [leak.kind for leak in findings.leaks]


def accepting(*accepted: str) -> Leakage:
    return replace(SETTINGS, accept=list(accepted))


def table(path: Path, *rows: Sequence[str], delimiter: str = "\t") -> Path:
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path
