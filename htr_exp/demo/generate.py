"""Make the demo pages again, or the pages of the other hand: images with PAGE 2019 or ALTO 4 XML, as eScriptorium exports them.

`python -m htr_exp.demo.generate [OUT]` writes the committed pages of hand A; `--hand b OUT` those a base model is trained on.
The same seed gives the same XML everywhere, and the same images with the same versions of Pillow, numpy and libjpeg.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from htr_exp.core.files import write_atomically
from htr_exp.core.text import counted
from htr_exp.demo.scribe import HANDS, HEIGHT, WIDTH, Leaf, leaves

PAGES = Path(__file__).parent / "pages"
QUALITY = 62  # of the JPEG: about 95 KB a page
DATE = "2026-01-01T00:00:00+00:00"  # PAGE demands one; now() would make every copy differ


def leaf_name(hand: str, number: int) -> str:
    """The name of a page, such as fol_001r: two pages to a leaf, recto and verso."""
    return f"{'fol' if hand == 'a' else 'base'}_{number // 2 + 1:03d}{'rv'[number % 2]}"


def _id(kind: str, *place: object) -> str:
    """An id like those of eScriptorium, the same each time."""
    return f"eSc_{kind}_{hashlib.sha256(repr(place).encode()).hexdigest()[:8]}"


def page_xml(name: str, leaf: Leaf) -> str:
    """A page as PAGE XML 2019-07-15."""
    left, top, right, bottom = leaf.zone
    lines = "\n".join(
        f"""      <TextLine id="{_id("line", name, row)}" custom="structure {{type:DefaultLine;}}">
        <Coords points="{_pairs(line.polygon, ",")}"/>
        <Baseline points="{_pairs(line.baseline, ",")}"/>
        <TextEquiv>
          <Unicode>{line.text}</Unicode>
        </TextEquiv>
      </TextLine>"""
        for row, line in enumerate(leaf.lines)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15 \
http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15/pagecontent.xsd">
  <Metadata>
    <Creator>htr_exp.demo</Creator>
    <Created>{DATE}</Created>
    <LastChange>{DATE}</LastChange>
  </Metadata>
  <Page imageFilename="{name}.jpg" imageWidth="{WIDTH}" imageHeight="{HEIGHT}">
    <TextRegion id="{_id("textblock", name)}" custom="structure {{type:MainZone;}}">
      <Coords points="{left},{top} {right},{top} {right},{bottom} {left},{bottom}"/>
{lines}
    </TextRegion>
  </Page>
</PcGts>
"""


def alto_xml(name: str, leaf: Leaf) -> str:
    """A page as ALTO 4 XML."""
    left, top, right, bottom = leaf.zone
    lines = []
    for row, line in enumerate(leaf.lines):
        xs, ys = zip(*line.polygon, strict=True)
        box = f'HPOS="{min(xs)}" VPOS="{min(ys)}" WIDTH="{max(xs) - min(xs)}" HEIGHT="{max(ys) - min(ys)}"'
        lines.append(
            f"""          <TextLine ID="{_id("line", name, row)}" TAGREFS="LT1" BASELINE="{_pairs(line.baseline)}" {box}>
            <Shape><Polygon POINTS="{_pairs(line.polygon)}"/></Shape>
            <String CONTENT={quoteattr(line.text)} {box}/>
          </TextLine>"""
        )
    box = f'HPOS="{left}" VPOS="{top}" WIDTH="{right - left}" HEIGHT="{bottom - top}"'
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.loc.gov/standards/alto/ns-v4# http://www.loc.gov/standards/alto/v4/alto-4-2.xsd">
  <Description>
    <MeasurementUnit>pixel</MeasurementUnit>
    <sourceImageInformation>
      <fileName>{name}.jpg</fileName>
    </sourceImageInformation>
  </Description>
  <Tags>
    <OtherTag ID="BT1" LABEL="MainZone" DESCRIPTION="block type MainZone"/>
    <OtherTag ID="LT1" LABEL="DefaultLine" DESCRIPTION="line type DefaultLine"/>
  </Tags>
  <Layout>
    <Page WIDTH="{WIDTH}" HEIGHT="{HEIGHT}" PHYSICAL_IMG_NR="{leaf.number + 1}" ID="eSc_page_{leaf.number + 1}">
      <PrintSpace HPOS="0" VPOS="0" WIDTH="{WIDTH}" HEIGHT="{HEIGHT}">
        <TextBlock ID="{_id("textblock", name)}" TAGREFS="BT1" {box}>
          <Shape><Polygon POINTS="{left} {top} {right} {top} {right} {bottom} {left} {bottom}"/></Shape>
{chr(10).join(lines)}
        </TextBlock>
      </PrintSpace>
    </Page>
  </Layout>
</alto>
"""


def _pairs(points: Sequence[tuple[int, int]], comma: str = " ") -> str:
    return " ".join(f"{x}{comma}{y}" for x, y in points)


def ground_truth(hand: str) -> dict[str, str]:
    """The XML of every page of a hand by file name: PAGE for rectos, ALTO for versos."""
    return {
        f"{name}.xml": (alto_xml if leaf.number % 2 else page_xml)(name, leaf)
        for leaf in leaves(HANDS[hand])
        for name in (leaf_name(hand, leaf.number),)
    }


def write_pages(hand: str, out: Path) -> int:
    """Write the pages of a hand into a folder, image beside XML, and return how many there are."""
    from htr_exp.demo.paint import picture  # needs numpy; the XML does not

    out.mkdir(parents=True, exist_ok=True)
    written = list(leaves(HANDS[hand]))
    for name, xml in ground_truth(hand).items():
        write_atomically(out / name, xml)
    for leaf in written:
        image = picture(HANDS[hand], leaf, verso=written[leaf.number ^ 1])  # 0 and 1, 2 and 3: two sides of a leaf
        image.save(out / f"{leaf_name(hand, leaf.number)}.jpg", quality=QUALITY, optimize=True, dpi=(150, 150))
    return len(written)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m htr_exp.demo.generate", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("out", nargs="?", type=Path, help="folder to write (hand a: the package's own pages/)")
    parser.add_argument("--hand", choices=sorted(HANDS), default="a", help="a: the demo pages; b: for a base model")
    options = parser.parse_args(arguments)
    if options.out is None and options.hand != "a":
        parser.error(f"--hand {options.hand} needs a folder: its pages are not part of the package")
    out = options.out or PAGES
    print(f"{counted(write_pages(options.hand, out), 'page')} written to {out}")


if __name__ == "__main__":
    main()
