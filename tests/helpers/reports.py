"""Run folders whose report is looked at, and what stands in it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from PIL import Image

from htr_exp.core import files
from htr_exp.report.page import report_of
from htr_exp.runs.run_dir import RunDir

LINE = {"cer": 0.0, "cer_raw": 0.0, "wer": 0.0, "errors": 0, "characters": 0, "lines": 1, "pages": 1}


class Page(HTMLParser):
    """An HTML page: its elements, and the text below each of its headings."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.html = content.decode("utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {"": ""}
        self._heading, self._in_heading, self._in_style = "", False, False
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"
        if tag == "h2":
            self._in_heading, self._heading = True, ""

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
        if tag == "h2":
            self._in_heading = False
            self.sections[self._heading] = ""

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self._heading += data
        elif not self._in_style:
            self.sections[self._heading] = f"{self.sections[self._heading]} {data}".strip()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.sections.values()).split())

    def section(self, heading: str) -> str:
        return " ".join(self.sections[heading].split())

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        wanted = attributes.items()
        return [found for name, found in self.tags if name == tag and wanted <= found.items()]

    def pictures(self) -> list[Image.Image]:
        uris = [str(found["src"]) for found in self.all("img")]
        assert all(uri.startswith("data:image/jpeg;base64,") for uri in uris)
        return [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in uris]


def page_of(folder: Path) -> Page:
    return Page(report_of(RunDir(folder)))


def figures(
    errors: int, characters: int, pages: Mapping[str, tuple[int, int]] | None = None, **more: Any
) -> dict[str, Any]:
    """Scores as results.json has them; pages: name -> errors and characters."""
    rate = errors / characters if characters else float(errors > 0)
    per_page = [
        {"page": name, "cer": wrong / of if of else 1.0, "errors": wrong, "characters": of, "lines": 2}
        for name, (wrong, of) in (pages or {}).items()
    ]
    found = {"cer": rate, "cer_raw": rate, "wer": rate, "errors": errors, "characters": characters}
    return found | {"lines": 2 * len(per_page) or 2, "pages": len(per_page) or 1, "per_page": per_page} | more


def jpeg(width: int = 40, height: int = 20) -> str:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (90, 60, 30)).save(out, "JPEG")
    return base64.b64encode(out.getvalue()).decode()


def scored_run(
    folder: Path,
    results: Mapping[str, Any],
    *,
    lines: Sequence[Mapping[str, Any]] = (),
    side: str = "test",
    curve: Sequence[float] = (),
    pictures: Sequence[Mapping[str, Any]] = (),
    split: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Path:
    """Write a run folder as a run leaves it that is scored."""
    (folder / "predictions").mkdir(parents=True)
    (folder / "live").mkdir()
    (folder / "experiment.yaml").write_text("seed: 0\n")
    known: dict[str, Any] = {
        "run": {"uuid": "u", "key": "k" * 64, "name": "odalricus-tridis-0a1b2c3d", "task": "recognition", "verb": "train", "question": "default"},
        "created": "2026-03-01T09:59:00Z",
        "command": ["htr-exp", "train", "dataset=odalricus", "model=tridis"],
        "code": {"commit": "c0ffee", "dirty": False, "version": "0.1.0", "digest": "c" * 64},
        "software": {"python": "3.11", "kraken": "7.1.1", "packages": {}},
        "dataset": {"name": "odalricus", "digest": "d" * 64, "folders": ["Ground_Truth/odalricus"], "pages": 4, "lines": 8},
        "split": {"digest": "e" * 64, "test_digest": "9" * 64, "seed": 0, "kind": "random", "by": "page"},
        "model": {"name": "tridis", "file": "tridis.mlmodel", "sha256": "f" * 64, "doi": None},
        "leakage": {"base_model": {"trained_on": "known"}, "accepted": []},
        "conventions": {},
        "warnings": [],
    }  # fmt: skip
    known["run"] = {**known["run"], **facts.pop("run", {})}
    files.write_json(folder / "provenance.json", known | facts)
    pages = [{"page": f"p{n}.xml", "image": f"p{n}.jpg", "digest": f"{n}" * 64, "lines": 2} for n in range(4)]
    files.write_json(folder / "split.json", split or {"train": pages[:2], "validation": pages[2:3], "test": pages[3:]})
    files.write_json(folder / "results.json", dict(results))
    files.write_json(
        folder / "live" / "state.json",
        {"state": "done", "reason": None, "stage": None, "since": "2026-03-01T11:00:00Z"},
    )
    files.write_jsonl(
        folder / "metrics.jsonl",
        [
            {"epoch": n, "val_cer": cer, "seconds": 5.5, "time": "2026-03-01T10:00:00Z"}
            for n, cer in enumerate(curve, 1)
        ],
    )
    if lines:
        files.write_jsonl(folder / "predictions" / f"{side}.jsonl", lines)
    if pictures:
        files.write_jsonl(folder / "pictures.jsonl", pictures)
    run = RunDir(folder)
    run.seal({})
    run.seal_results()
    return folder
