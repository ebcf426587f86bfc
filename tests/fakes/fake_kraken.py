"""A stand-in for `kraken` of 7.1.1 and, where its ketos is 4.3.13's, of that; nothing is recognised or segmented.

- `-f page ... ocr`: one JSON line a text line of each page, as our template asks for. What it "recognises" is the reference
  with some characters replaced: the fewer, the better the model claims to be.
- `-I GLOB -o SUFFIX ... ocr --no-segmentation`: one such line of each picture, beside it.
- `-a ... segment -bl -i MODEL`: an ALTO file of each image, as kraken's template writes it: tags for types, lines without a
  region in a block without a shape. What it "finds" is the layout of the PAGE file beside the image, less
  the last of its lines: the fewer, the better the model claims to be. Types are those of that file, by what the outputs of
  the model were trained as and what they are called: where a model's names were given to the wrong outputs, types are wrong,
  too. A model with one class finds everything as that, other models what they have no class for not at all.
- `-x ... ocr` and `-n ... ocr`, with `-f page` or `segment`: a PAGE file or a text of each page, for people; in an image it finds one line.
- `-t TEMPLATE ... segment -bl -i SEG ocr -m MODEL`: both, one JSON line a line that it found, with ids of its own (4.3.13: none).

A page that fails leaves no output file, and the exit code is 0 all the same, as with kraken. The scenario may give, besides
what fake_ketos.py says: `fail` (ocr or segment), `ocr_seconds` and `segment_seconds` a page, `ocr_missing_page` and
`segment_missing_page` (part of a file's text, or of an image's name); of a transcription also `ocr_killed_page`, at which it is
killed, and `ocr_half_page`, of which it writes half (likewise).
"""

from __future__ import annotations

import glob
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape as escaped

from fakes.scenario import (
    RUBBISH,
    Classes,
    accuracy_of,
    baselines_of,
    classes_of_model,
    fail_if,
    lines_of,
    log_call,
    metadata_of,
    say_rubbish,
    scenario,
    swap,
    type_of,
)


def main() -> None:
    log_call("kraken")
    play = scenario()
    say_rubbish(play)
    group, segmenting, recognising = commands(sys.argv[1:])
    pages = [(Path(group[at + 1]), Path(group[at + 2])) for at, word in enumerate(group) if word == "-i"]
    if recognising is None:
        if segmenting is None or "-a" not in group or "-bl" not in segmenting:
            sys.exit("Error: this kraken only plays `-a segment -bl` and `ocr`")
        fail_if(play, "segment")
        segment(pages, Path(segmenting[segmenting.index("-i") + 1]), play)
        return
    fail_if(play, "ocr")
    swap(play, "before ocr")
    if "--no-segmentation" in recognising and "-t" in group and "-f" not in group and not pages:
        recognise_pictures(group, Path(recognising[recognising.index("-m") + 1]), play)
        swap(play, "after ocr")
        return
    if {"-x", "-n"} & set(group):
        transcribe(pages, Path(recognising[recognising.index("-m") + 1]), "-x" in group, play)
        return
    if "-t" not in group or (segmenting is None) != ("-f" in group):
        sys.exit("Error: page files are read with -f page, images with segment; the output is by a template")
    found = Path(segmenting[segmenting.index("-i") + 1]) if segmenting is not None else None
    recognise(pages, Path(recognising[recognising.index("-m") + 1]), found, play)
    swap(play, "after ocr")


def commands(argv: list[str]) -> tuple[list[str], list[str] | None, list[str] | None]:
    """The words of the group, of `segment` and of `ocr`."""
    ends = {name: argv.index(name) for name in ("segment", "ocr") if name in argv}
    ocr = argv[ends["ocr"] :] if "ocr" in ends else None
    found = argv[ends["segment"] : ends.get("ocr")] if "segment" in ends else None
    return argv[: min(ends.values(), default=len(argv))], found, ocr


def segment(pages: list[tuple[Path, Path]], model: Path, play: dict[str, Any]) -> None:
    named = Names(model)
    for image, output in pages:
        time.sleep(play.get("segment_seconds", 0))
        if fails(image.name, play, "segment"):
            continue
        if play.get("rubbish") == "predict":
            output.write_bytes(RUBBISH)
            continue
        page = image.with_suffix(".xml")
        lost, types = missed(lines_of(page), model), Types()
        blocks: list[str] = []
        for region in [one for one in ElementTree.parse(page).iter() if one.tag.endswith("TextRegion")]:
            kind = named.of("regions", type_of(region, "text"))
            lines = [child for child in region if child.tag.endswith("}TextLine") and child.attrib["id"] not in lost]
            drawn: list[str] = []
            for line in lines:
                of_line = named.of("baselines", type_of(line, "default"))
                if of_line is not None:
                    drawn.append(text_line(f"line_{len(blocks)}_{len(drawn)}", line, types.tag(of_line)))
            shape = points(region, "Coords") if kind is not None else ""
            if shape or drawn:
                tagged = f' TAGREFS="{types.tag(kind)}"' if shape and kind is not None else ""
                polygon = f'<Shape><Polygon POINTS="{shape}"/></Shape>' if shape else ""
                blocks.append(f'<TextBlock ID="block_{len(blocks)}"{tagged}>{polygon}{"".join(drawn)}</TextBlock>')
        output.write_text(
            ALTO.format(image=escape(image.name), tags=types.xml(), blocks="".join(blocks)), encoding="utf-8"
        )


ALTO = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>{image}</fileName></sourceImageInformation></Description><Tags>{tags}</Tags>
<Layout><Page WIDTH="0" HEIGHT="0" PHYSICAL_IMG_NR="0" ID="page_0"><PrintSpace HPOS="0" VPOS="0" WIDTH="0" HEIGHT="0">
{blocks}</PrintSpace></Page></Layout></alto>
"""


class Types:
    """The types of one page, each with the tag that stands for it."""

    def __init__(self) -> None:
        self.named: dict[str, str] = {}

    def tag(self, kind: str) -> str:
        return self.named.setdefault(kind, f"TYPE_{len(self.named) + 1}")

    def xml(self) -> str:
        return "".join(f'<OtherTag ID="{tag}" LABEL="{escape(kind)}"/>' for kind, tag in self.named.items())


def text_line(name: str, line: ElementTree.Element, tag: str) -> str:
    polygon = f'<Shape><Polygon POINTS="{points(line, "Coords")}"/></Shape>'
    baseline = f'BASELINE="{points(line, "Baseline")}" TAGREFS="{tag}"'
    return f'<TextLine ID="{name}" {baseline}>{polygon}<String CONTENT=""/></TextLine>'


def points(element: ElementTree.Element, name: str) -> str:
    """The points of a shape as ALTO writes them."""
    found = next((child.attrib["points"] for child in element if child.tag.endswith(f"}}{name}")), "")
    return found.replace(",", " ")


class Names:
    """What a model calls what it finds."""

    def __init__(self, model: Path) -> None:
        self.called = classes_of_model(model)
        self.learnt: Classes = self.called
        if "_full_class_mapping" in metadata_of(model):
            self.learnt = classes_of_model(model, "_full_class_mapping")

    def of(self, sort: str, kind: str) -> str | None:
        """Its name of a type: the type's output, called as its file says; None where it has none."""
        learnt, called = self.learnt[sort], {number: name for name, number in self.called[sort].items()}
        if kind not in learnt and len(learnt) == 1:
            (kind,) = learnt
        return called.get(learnt[kind]) if kind in learnt else None


def escape(text: str) -> str:
    return escaped(text, {'"': "&quot;"})


def missed(lines: list[tuple[str, str]], model: Path) -> set[str]:
    """The ids of the lines that a segmenter does not find: the last ones of a page."""
    found = round(accuracy_of(model) * len(lines))
    return {line for line, _ in lines[found:]}


def recognise(pages: list[tuple[Path, Path]], model: Path, segmenter: Path | None, play: dict[str, Any]) -> None:
    accuracy = accuracy_of(model)
    for page, output in pages:
        time.sleep(play.get("ocr_seconds", 0))
        layout = page if segmenter is None else page.with_suffix(".xml")
        if fails(page.name if segmenter else page.read_text(), play, "segment" if segmenter else "ocr"):
            continue
        if play.get("rubbish") == "predict":
            output.write_bytes(RUBBISH)
            continue
        forgets = os.environ.get("FAKE_RELEASE") == "4.3"
        lost = missed(lines_of(layout), segmenter) if segmenter else set()
        rows = [
            {"id": None if forgets else f"_{line}" if segmenter else line, "baseline": baseline, "text": recognised(text, accuracy)}
            for (line, text), baseline in zip(lines_of(layout), baselines_of(layout))
            if line not in lost
        ]  # fmt: skip
        output.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def transcribe(pages: list[tuple[Path, Path]], model: Path, as_page: bool, play: dict[str, Any]) -> None:
    accuracy = accuracy_of(model)
    for page, output in pages:
        time.sleep(play.get("ocr_seconds", 0))
        said = page.read_text() if page.suffix == ".xml" else page.name
        if fails(said, play, "ocr", page):
            continue
        if (part := play.get("ocr_killed_page")) and part in said:
            os.kill(os.getpid(), signal.SIGKILL)
        found = lines_of(page) if page.suffix == ".xml" else [("of_kraken", "")]
        texts = [recognised(f"in principio {line}", accuracy) for line, _ in found]
        if as_page:
            lines = zip(found, texts)
            drawn = "".join(
                f'<TextLine id="{line}"><Coords points="0,0 9,0 9,9"/><Baseline points="0,5 9,5"/>'
                f'<TextEquiv conf="0.9"><Unicode>{escape(text)}</Unicode></TextEquiv></TextLine>'
                for (line, _), text in lines
            )
            content = PAGE.format(image=escape(str(page)), lines=drawn)
        else:
            content = "".join(f"{text}\n" for text in texts)
        half = (part := play.get("ocr_half_page")) and part in said
        output.write_text(content[: len(content) // 2] if half else content, encoding="utf-8")


PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"><Metadata><Creator>kraken 7.1.1</Creator>
<Created>2026-01-02T03:04:05+00:00</Created><LastChange>2026-01-02T03:04:05+00:00</LastChange></Metadata>
<Page imageFilename="{image}" imageWidth="9" imageHeight="9"><TextRegion id="r"><Coords points="0,0 9,0 9,9"/>{lines}</TextRegion></Page></PcGts>
"""


def recognise_pictures(group: list[str], model: Path, play: dict[str, Any]) -> None:
    """Recognise each picture of a glob as one line; what it says is beside the file that it is a link to."""
    suffix = group[group.index("-o") + 1]
    for picture in map(Path, glob.glob(group[group.index("-I") + 1])):
        name = picture.resolve()
        text = name.with_name(f"{name.name.split('.')[0]}.gt.txt").read_text(encoding="utf-8").strip()
        if not fails(text, play, "ocr"):
            row = {"id": "of its own", "baseline": [], "text": recognised(text, accuracy_of(model))}
            picture.with_suffix(suffix).write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")


def fails(said: str, play: dict[str, Any], doing: str, page: Path | None = None) -> bool:
    """Tell of a page that cannot be done, where the scenario says so."""
    part = play.get(f"{doing}_missing_page")
    if part and part in said:
        print(f"ERROR    Failed processing {page or said[:80]}: no such luck")
    return bool(part) and part in said


def recognised(text: str, accuracy: float) -> str:
    wrong = round((1 - accuracy) * len(text))
    every = len(text) / wrong if wrong else 0
    characters = list(text)
    for number in range(wrong):
        characters[int(number * every)] = "#"
    return "".join(characters)


if __name__ == "__main__":
    main()
