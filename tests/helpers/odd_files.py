"""Files of ground truth with every oddity that kraken's parsers are known to meet, each of one kind."""

from __future__ import annotations

from pathlib import Path

from helpers.page_files import BASE, BOX, alto_line, alto_xml, page_line, page_xml, write_image

LINE = page_line(1)
TWO = page_line(1) + page_line(2)


def region(inside: str, name: str = "TextRegion", rest: str = 'id="r2"') -> str:
    return f'<{name} {rest}><Coords points="0,0 0,200 300,200 300,0"/>{inside}</{name}>'


def beside(more: str, lines: str = LINE) -> str:
    """A page with something after its region."""
    return page_xml(lines).replace("</TextRegion></Page>", f"</TextRegion>{more}</Page>")


def order(inside: str) -> str:
    return page_xml(TWO).replace("<TextRegion", f"<ReadingOrder>{inside}</ReadingOrder><TextRegion", 1)


def words(*, glyphs: str = "", text: str | None = None) -> str:
    parts = "".join(f"<Word>{glyphs}<TextEquiv><Unicode>{w}</Unicode></TextEquiv></Word>" for w in ("unus", "duo"))
    return page_line(1, text).replace("</TextLine>", f"{parts}</TextLine>")


PAGE = {
    "plain": page_xml(TWO),
    "no lines": page_xml(""),
    "no page": page_xml(LINE).replace("<Page ", "<Pages ").replace("</Page>", "</Pages>"),
    "two pages": page_xml(LINE).replace(
        "</PcGts>", f'<Page imageFilename="1.jpg">{region(page_line(7))}</Page></PcGts>'
    ),
    "no image name": page_xml(LINE).replace(' imageFilename="1.jpg"', ""),
    "empty image name": page_xml(LINE, image=""),
    "image is missing": page_xml(LINE, image="none.jpg"),
    "image is missing, no size": page_xml(LINE, image="none.jpg", size=(0, 0)),
    "no width": page_xml(LINE).replace(' imageWidth="400"', ""),
    "width with decimals": page_xml(LINE).replace('imageWidth="400"', 'imageWidth="400.0"'),
    "size zero": page_xml(LINE, size=(0, 0)),
    "namespace of 2010": page_xml(LINE, year="2010-03-19"),
    "no namespace": page_xml(LINE).replace(
        ' xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"', ""
    ),
    "points of 2010": page_xml(
        LINE.replace(f'<Coords points="{BOX}"/>', '<Coords><Point x="1" y="2"/><Point x="9" y="9"/></Coords>')
    ),
    "baseline of 2010": page_xml(
        LINE.replace(f'<Baseline points="{BASE}"/>', '<Baseline><Point x="1" y="2"/></Baseline>')
    ),
    "region with points of 2010": beside('<TextRegion id="r2"><Coords><Point x="1" y="2"/></Coords></TextRegion>'),
    "region without shape": beside(f'<TextRegion id="r2">{page_line(5)}</TextRegion>'),
    "region with an empty shape": beside('<TextRegion id="r2"><Coords points=""/></TextRegion>'),
    "decimals in baseline": page_xml(page_line(1, baseline="10.5,50 200.5,50") + page_line(2)),
    "decimals in polygon": page_xml(page_line(1, coords=BOX.replace("10,10", "10.0,10")) + page_line(2)),
    "two blanks": page_xml(page_line(1, baseline="10,50  200,50") + page_line(2)),
    "blank at the end": page_xml(page_line(1, baseline="10,50 200,50 ") + page_line(2)),
    "blank behind the comma": page_xml(page_line(1, baseline="10, 50 200,50") + page_line(2)),
    "blank behind one comma": page_xml(page_line(1, baseline="10, 50,200,50") + page_line(2)),
    "line break between": page_xml(page_line(1, baseline="10,50&#10;200,50") + page_line(2)),
    "line break at the end": page_xml(page_line(1, baseline="10,50 200,50&#10;") + page_line(2)),
    "blanks for commas": page_xml(page_line(1, baseline="10 50 200 50") + page_line(2)),
    "odd number": page_xml(page_line(1, baseline="10,50 200") + page_line(2)),
    "one number": page_xml(page_line(1, baseline="10") + page_line(2)),
    "one point": page_xml(page_line(1, baseline="10,50") + page_line(2)),
    "polygon of one point": page_xml(page_line(1, coords="10,50") + page_line(2)),
    "polygon of one number": page_xml(page_line(1, coords="10") + page_line(2)),
    "empty baseline": page_xml(page_line(1, baseline="") + page_line(2)),
    "blank baseline": page_xml(page_line(1, baseline=" ") + page_line(2)),
    "words for numbers": page_xml(page_line(1, baseline="a,b c,d") + page_line(2)),
    "negative": page_xml(page_line(1, baseline="-10,50 200,50") + page_line(2)),
    "underscores and signs": page_xml(page_line(1, baseline="1_0,+50 200,50") + page_line(2)),
    "other digits": page_xml(page_line(1, baseline="١٠,50 200,50") + page_line(2)),
    "superscript digits": page_xml(page_line(1, baseline="1²,50 200,50") + page_line(2)),
    "huge number": page_xml(page_line(1, baseline="9" * 400 + ",50 200,50") + page_line(2)),
    "too huge a number": page_xml(page_line(1, baseline="9" * 5000 + ",50 200,50") + page_line(2)),
    "right to left": page_xml(page_line(1, baseline="200,50 10,50")),
    "no baseline": page_xml(page_line(1, baseline=None) + page_line(2)),
    "no polygon": page_xml(page_line(1, coords=None) + page_line(2)),
    "neither": page_xml(page_line(1, baseline=None, coords=None) + page_line(2)),
    "no custom": page_xml(page_line(1, custom=None)),
    "empty custom": page_xml(LINE.replace('custom="structure {type:DefaultLine;}"', 'custom=""')),
    "custom without braces": page_xml(page_line(1, custom="something") + page_line(2)),
    "custom with a brace too many": page_xml(page_line(1, custom="structure {type:a;}}") + page_line(2)),
    "custom with braces in braces": page_xml(page_line(1, custom="structure {type:{a};}") + page_line(2)),
    "custom left open": page_xml(page_line(1, custom="structure {type:a;") + page_line(2)),
    "odd custom of a line without baseline": page_xml(page_line(1, custom="a", baseline=None) + page_line(2)),
    "odd custom of a region": beside(region(page_line(5), rest='id="r2" custom="structure type"')),
    "odd custom of a region with a type": beside(region(page_line(5), rest='id="r2" type="x" custom="structure"')),
    "odd custom of a region without shape": beside('<TextRegion id="r2" custom="structure"/>'),
    "odd custom of the page": page_xml(LINE).replace("<Page ", '<Page custom="a" '),
    "reading order index": page_xml(page_line(1, custom="readingOrder {index:0;} structure {type:a;}")),
    "odd reading order index": page_xml(page_line(1, custom="readingOrder {index:x;}") + page_line(2)),
    "odd reading order index of a region": beside(region("", rest='id="r2" custom="readingOrder {index:x;}"')),
    "reading order index of a region without shape": beside('<TextRegion id="r2" custom="readingOrder {index:x;}"/>'),
    "split": page_xml(page_line(1, custom="split {type:train;}")),
    "split without a type": page_xml(page_line(1, custom="split {kind:train;}") + page_line(2)),
    "two splits": page_xml(page_line(1, custom="split {type:a;} split {type:b;}") + page_line(2)),
    "language": page_xml(page_line(1, custom="language {type:lat;}")),
    "no such language": page_xml(page_line(1, custom="language {type:Küchenlatein;}")),
    "withdrawn language": page_xml(page_line(1, custom="language {type:prv;}") + page_line(2)),
    "withdrawn language of the page": page_xml(LINE).replace("<Page ", '<Page primaryLanguage="mo" '),
    "second language of a region": beside(region(page_line(5), rest='id="r2" secondaryLanguage="gsc"')),
    "language of PAGE": page_xml(LINE).replace("<Page ", '<Page primaryLanguage="Latin" '),
    "nested region": page_xml(TWO + region(page_line(5))),
    "nested region alone": page_xml(region(TWO)),
    "table": beside(region(f'<TableCell id="c">{page_line(5)}</TableCell>', "TableRegion")),
    "cell without a table": beside(f'<TableCell id="c">{page_line(5)}</TableCell>'),
    "unknown region": beside(region(page_line(5), "OtherRegion")),
    "region with a longer name": beside(region(page_line(5), "MyTextRegion")),
    "region with a longer name and a type": beside(region(page_line(5), "MyTextRegion", 'id="r2" type="x"')),
    "lines of an image": beside(region(page_line(5), "ImageRegion")),
    "line below the page": beside(page_line(5)),
    "line below nothing known": beside(f"<Group>{page_line(5)}</Group>"),
    "same ids": page_xml(page_line(1) + page_line(1, "Alter") + page_line(2)),
    "same ids, the last empty": page_xml(page_line(1) + page_line(1, "") + page_line(2)),
    "same ids, the last without polygon": page_xml(page_line(1) + page_line(1, coords=None) + page_line(2)),
    "no ids": page_xml(page_line(1, id=None) + page_line(2, id=None)),
    "region without id": page_xml(LINE).replace(' id="r1"', ""),
    "empty text": page_xml(page_line(1, "") + page_line(2)),
    "no text": page_xml(page_line(1, None) + page_line(2)),
    "blank text": page_xml(page_line(1, "  \u00a0\u2003") + page_line(2)),
    "zero-width text": page_xml(page_line(1, "\u200b\u200d") + page_line(2)),
    "zero-width text with a blank": page_xml(page_line(1, "\u200b \u200d") + page_line(2)),
    "soft hyphen": page_xml(page_line(1, "\u00ad") + page_line(2)),
    "marks of direction": page_xml(page_line(1, "\u202a\u202c") + page_line(2)),
    "isolates alone": page_xml(page_line(1, "\u2067\u2069") + page_line(2)),
    "isolates around": page_xml(page_line(1, "a \u2067b\u2069") + page_line(2)),
    "combining marks alone": page_xml(page_line(1, "\u0363\u0304") + page_line(2)),
    "private use": page_xml(page_line(1, "\ue8bf\uf1ac")),
    "newer than Unicode 13": page_xml(page_line(1, "amen\u2e5b") + page_line(2)),
    "newer than Unicode 14": page_xml(page_line(1, "\U0001fadf") + page_line(2)),
    "no such character": page_xml(page_line(1, "a\u0378") + page_line(2)),
    "noncharacter": page_xml(page_line(1, "\ufdd0") + page_line(2)),
    "noncharacter of plane 1": page_xml(page_line(1, "\U0001ffff") + page_line(2)),
    "tags of plane 14": page_xml(page_line(1, "\U000e0002\U000e0100") + page_line(2)),
    "newer and without polygon": page_xml(page_line(1, "\u2e5b", coords=None) + page_line(2)),
    "newer and without baseline": page_xml(page_line(1, "\u2e5b", baseline=None) + page_line(2)),
    "newer, but the image is missing": page_xml(page_line(1, "\u2e5b"), image="none.jpg"),
    "right-to-left text": page_xml(page_line(1, "בראשית abc 123")),
    "several texts": page_xml(
        page_line(1, "").replace("</TextLine>", "<TextEquiv><Unicode>b</Unicode></TextEquiv></TextLine>")
    ),
    "words only": page_xml(words() + page_line(2)),
    "words and glyphs": page_xml(words(glyphs="<Glyph><TextEquiv><Unicode>u</Unicode></TextEquiv></Glyph>")),
    "words below an empty text": page_xml(words(text="") + page_line(2)),
    "text without Unicode": page_xml(
        page_line(1).replace("<Unicode>Incipit liber</Unicode>", "<PlainText>a</PlainText>")
    ),
    "text below": page_xml(
        page_line(1).replace("<Unicode>", "<Other><Unicode>").replace("</Unicode>", "</Unicode></Other>")
    ),
    "reading order": order('<OrderedGroup id="o"><RegionRefIndexed index="0" regionRef="r1"/></OrderedGroup>'),
    "empty reading order": order(""),
    "reading order of nothing": order(
        '<OrderedGroup id="o"><RegionRefIndexed index="0" regionRef="r9"/></OrderedGroup>'
    ),
    "reading order without a reference": order("<RegionRef/>"),
    "reading order without a reference below": order(
        '<OrderedGroup id="o"><RegionRefIndexed index="0"/></OrderedGroup>'
    ),
    "unordered group": order('<UnorderedGroup id="o"><RegionRef regionRef="r1"/></UnorderedGroup>'),
    "unordered group without a reference": order('<UnorderedGroup id="o"><RegionRef/></UnorderedGroup>'),
    "reading order by lines": order(
        '<OrderedGroup id="o"><RegionRefIndexed regionRef="l2"/><RegionRefIndexed regionRef="l2"/></OrderedGroup>'
    ),
    "BOM": "\ufeff" + page_xml(TWO),
    "DOCTYPE": page_xml(TWO).replace("?>\n", "?>\n<!DOCTYPE PcGts>\n", 1),
    "not well-formed": page_xml(TWO)[:-9],
}


def block(inside: str, name: str = "TextBlock", rest: str = 'ID="r2" HPOS="1" VPOS="1" WIDTH="9" HEIGHT="9"') -> str:
    return f"<{name} {rest}>{inside}</{name}>"


def among(more: str, lines: str = "") -> str:
    """An ALTO file with something after its block."""
    return alto_xml(lines or alto_line(1)).replace("</TextBlock></PrintSpace>", f"</TextBlock>{more}</PrintSpace>")


def alto_order(inside: str) -> str:
    return alto_xml(alto_line(1)).replace("<Layout>", f"<ReadingOrder>{inside}</ReadingOrder><Layout>")


def baseline(points: str) -> str:
    return alto_xml(alto_line(1).replace('BASELINE="10 50 100 52 200 50"', f'BASELINE="{points}"') + alto_line(2))


def polygon(points: str) -> str:
    return alto_xml(alto_line(1).replace("10 10 10 60 200 60 200 10", points) + alto_line(2))


ALTO = {
    "plain": alto_xml(alto_line(1) + alto_line(2)),
    "ALTO 2": alto_xml(alto_line(1), version=2),
    "no lines": alto_xml(""),
    "no file name": alto_xml(alto_line(1), image=None),
    "image is missing": alto_xml(alto_line(1), image="none.jpg"),
    "mm10": alto_xml(alto_line(1), unit="mm10"),
    "unit with blanks": alto_xml(alto_line(1), unit=" pixel\n"),
    "empty unit": alto_xml(alto_line(1), unit=""),
    "no unit": alto_xml(alto_line(1)).replace("<MeasurementUnit>pixel</MeasurementUnit>", ""),
    "no width": alto_xml(alto_line(1)).replace('<Page WIDTH="400"', "<Page"),
    "width with decimals": alto_xml(alto_line(1)).replace('<Page WIDTH="400"', '<Page WIDTH="400.0"'),
    "size zero": alto_xml(alto_line(1)).replace('<Page WIDTH="400"', '<Page WIDTH="0"'),
    "no page": alto_xml(alto_line(1)).replace("<Page ", "<Pages ").replace("</Page>", "</Pages>"),
    "two pages": alto_xml(alto_line(1)).replace(
        "</Layout>", f'<Page><PrintSpace>{block(alto_line(8))}</PrintSpace></Page></Layout>'),
    "no print space": alto_xml(alto_line(1)).replace("PrintSpace", "TopMargin"),
    "print space without a place": alto_xml(alto_line(1)).replace('<PrintSpace HPOS="0"', "<PrintSpace"),
    "print space with words": alto_xml(alto_line(1)).replace('<PrintSpace HPOS="0"', '<PrintSpace HPOS="left"'),
    "print space with decimals": alto_xml(alto_line(1)).replace('<PrintSpace HPOS="0"', '<PrintSpace HPOS="0.5"'),
    "print space without end": alto_xml(alto_line(1)).replace('<PrintSpace HPOS="0"', '<PrintSpace HPOS="inf"'),
    "margin": alto_xml(alto_line(1)).replace("<PrintSpace", f"<TopMargin>{block(alto_line(8))}</TopMargin><PrintSpace"),
    "composed block": among(block(block(alto_line(8)), "ComposedBlock", 'ID="c1"')),
    "lines in a composed block": among(block(alto_line(8), "ComposedBlock", 'ID="c1"')),
    "lines in an illustration": among(block(alto_line(8), "Illustration")),
    "block with a longer name": among(block(alto_line(8), "MyTextBlock", 'ID="c1"')),
    "block with a longer name and a type": among(block(alto_line(8), "MyTextBlock", 'ID="c1" TYPE="x"')),
    "block with a longer name and a tag": among(block(alto_line(8), "MyTextBlock", 'ID="c1" TAGREFS="BT1"')),
    "block with a longer name and no such tag": among(block(alto_line(8), "MyTextBlock", 'ID="c1" TAGREFS="X"')),
    "unknown block": among(block(alto_line(8), "Block")),
    "block without a place": among(block(alto_line(8), rest='ID="r2"')),
    "block with words for its place": among(block(alto_line(8), rest='ID="r2" HPOS="a" VPOS="1" WIDTH="1" HEIGHT="1"')),
    "block without end": among(block(alto_line(8), rest='ID="r2" HPOS="1e999" VPOS="1" WIDTH="1" HEIGHT="1"')),
    "block with an odd polygon": among(block('<Shape><Polygon POINTS="1 2 3"/></Shape>' + alto_line(8))),
    "block with an empty polygon": among(block('<Shape><Polygon POINTS=""/></Shape>' + alto_line(8))),
    "block with a polygon of nothing": among(block("<Shape><Polygon/></Shape>" + alto_line(8))),
    "block with a circle": among(block('<Shape><Circle HPOS="1"/></Shape>' + alto_line(8), rest='ID="r2"')),
    "illustration with an odd polygon": among(block('<Shape><Polygon POINTS="1 2 3"/></Shape>', "Illustration")),
    "no tags": alto_xml(alto_line(1)).replace("<Tags>", "<Tag>").replace("</Tags>", "</Tag>"),
    "no such tag": alto_xml(alto_line(1, tags="X")),
    "several tags": alto_xml(alto_line(1, tags="LT1 BT1")),
    "tag without a label": alto_xml(alto_line(1)).replace(' LABEL="DefaultLine"', ""),
    "split": alto_xml(alto_line(1)).replace('LABEL="DefaultLine"', 'TYPE="split" LABEL="train"'),
    "language": alto_xml(alto_line(1)).replace("<TextLine ", '<TextLine LANG="mo" '),
    "same ids": alto_xml(alto_line(1) + alto_line(1) + alto_line(2)),
    "same ids, the last empty": alto_xml(alto_line(1) + alto_line(1, "") + alto_line(2)),
    "no ids": alto_xml((alto_line(1) + alto_line(2)).replace('ID="l1"', "").replace('ID="l2"', "")),
    "baseline with commas": baseline("10,50 100,52 200,50"),
    "baseline with brackets": baseline("(10,50) (100,52)"),
    "baseline with decimals": baseline("10.5 50 100 52.25"),
    "baseline with words": baseline("a10b 50 x 100 52"),
    "baseline of words": baseline("left right"),
    "baseline of one number": baseline("50"),
    "baseline of one point": baseline("10 50"),
    "odd baseline": baseline("10 50 100"),
    "empty baseline": baseline(""),
    "baseline without end": baseline("1e999 50 100 52"),
    "baseline of a huge number": baseline("9" * 400 + " 50 100 52"),
    "baseline with exponents": baseline("1e1 50 1E2 52"),
    "negative baseline": baseline("-10 50 100 52"),
    "glued numbers": baseline("10-50 100-52"),
    "right to left": baseline("200 50 10 50"),
    "no baseline": alto_xml(alto_line(1).replace(' BASELINE="10 50 100 52 200 50"', "") + alto_line(2)),
    "odd polygon": polygon("10 10 10"),
    "empty polygon": polygon(""),
    "polygon without end": polygon("1e999 1 2 2"),
    "polygon of nothing": alto_xml(alto_line(1).replace(' POINTS="10 10 10 60 200 60 200 10"', "") + alto_line(2)),
    "no polygon": alto_xml(alto_line(1).replace('<Polygon POINTS="10 10 10 60 200 60 200 10"/>', "") + alto_line(2)),
    "no shape": alto_xml(
        alto_line(1).replace('<Shape><Polygon POINTS="10 10 10 60 200 60 200 10"/></Shape>', "") + alto_line(2)),
    "no strings": alto_xml(alto_line(1, "") + alto_line(2)),
    "empty string": alto_xml(alto_line(1, '<String CONTENT=""/>') + alto_line(2)),
    "string without content": alto_xml(alto_line(1, "<String/>") + alto_line(2)),
    "blanks only": alto_xml(alto_line(1, '<String CONTENT=" "/><SP/>') + alto_line(2)),
    "words": alto_xml(alto_line(1, '<String CONTENT="a"/><SP/><String CONTENT="b"/><HYP CONTENT="-"/>')),
    "strings below": alto_xml(alto_line(1, '<Other><String CONTENT="a"/></Other>')),
    "zero-width text": alto_xml(alto_line(1, '<String CONTENT="\u200b"/>') + alto_line(2)),
    "newer than Unicode 13": alto_xml(alto_line(1, '<String CONTENT="\u2e5b"/>') + alto_line(2)),
    "newer and with an odd baseline": baseline("10 50 100").replace("Incipit", "\u2e5b", 1),
    "newer and without baseline": alto_xml(
        alto_line(1, '<String CONTENT="\u2e5b"/>').replace(' BASELINE="10 50 100 52 200 50"', "") + alto_line(2)),
    "reading order": alto_order('<OrderedGroup ID="o"><ElementRef ID="e" REF="r1"/></OrderedGroup>'),
    "reading order without a reference": alto_order('<ElementRef ID="e"/>'),
    "unordered group without a reference": alto_order('<UnorderedGroup ID="o"><ElementRef ID="e"/></UnorderedGroup>'),
    "unordered group": alto_order('<UnorderedGroup ID="o"><ElementRef ID="e" REF="l1"/></UnorderedGroup>'),
    "BOM": "\ufeff" + alto_xml(alto_line(1)),
    "no namespace": alto_xml(alto_line(1)).replace(' xmlns="http://www.loc.gov/standards/alto/ns-v4#"', ""),
}  # fmt: skip

OTHER = {
    "METS": '<mets xmlns="http://www.loc.gov/METS/"><fileSec/></mets>',
    "TEI": '<TEI xmlns="http://www.tei-c.org/ns/1.0"><text/></TEI>',
    "a name that ends in alto": alto_xml(alto_line(1)).replace("<alto ", "<myalto ").replace("</alto>", "</myalto>"),
    "empty": "",
    "no XML": "unus duo tres",
}


def write(folder: Path) -> list[Path]:
    """Write all of them, with the image that they name, and return them in order."""
    write_image(folder / "1.jpg")
    paths = []
    for kind, files in (("page", PAGE), ("alto", ALTO), ("other", OTHER)):
        for name, xml in files.items():
            paths.append(folder / f"{kind} {name}.xml")
            paths[-1].write_text(xml, encoding="utf-8", newline="")
    return paths
