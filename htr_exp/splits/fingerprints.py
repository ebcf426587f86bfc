"""What is needed to recognise a page that a model has seen, as runs keep it and as it is written into their models.

A run's own `fingerprints.json` holds the letters of each page. A model is given away: it holds nothing of the texts but a
sketch, by which a copy of a page can be recognised and from which nothing can be read. Inside `kraken_meta` it is kept by
`ketos convert`, and by every copy:

    "htr_exp": {"form": 2, "known": "known", "sources": ["the run", ...], "weights": "...", "count": 2, "pages": "..."}

`known` says whether these are all pages that the model has seen (else: `in part`), `weights` is the digest of the weights
that this was written for (`kraken.model_weights`), and `pages` is base64 of zlib of JSON, one row for each page:

    [role ("t" train, "v" validation), name, place of its source in `sources`, image, xml, look, sketch]

`image` and `xml` are the first 16 digits of a SHA-256, `look` is hexadecimal, and so is the sketch, six digits a number;
what is not known is "". That is about 400 bytes a page.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from htr_exp.splits.near_duplicates import BREAK
from htr_exp.splits.shingle_index import hashes_of

Known = Literal["known", "in part", "unknown"]

FORM = 3  # of fingerprints.json

MODEL_KEY = "htr_exp"
"""The key of `kraken_meta`."""

DIGITS = 16
"""Hexadecimal digits of a digest that are compared: equal by chance for none of ten thousand pages and ten thousand others."""

_MODEL_FORM = 2
_ROLE_LETTERS = {"train": "t", "validation": "v"}
_LETTERS = 4 << 20  # of a page in fingerprints.json at most; a larger one was made to fill the memory
_ROWS = 256 << 20  # bytes of a model's pages at most: half a million pages
_NAME = 200  # characters of a name that a model says

_SKETCH = 64
_HASH = 0xFFFFFF  # of a page's 2,000 shingles, one in ten thousand has the hash of one in a sketch by chance
_ENOUGH = 24  # numbers that must be there to be compared: the share is then right within 0.08


@dataclass(frozen=True)
class Fingerprint:
    """A page that a model has seen: what is needed to recognise it, as far as it is known.

    Attributes:
        role: `train`: learnt from; `validation`: the model was selected by it.
        name: as its run or list calls it.
        source: the run or the list that says so; in a run's own fingerprints empty for itself.
        page_digest: of what training saw.
        xml_digest: of the XML file.
        image_digest: of the image file.
        look: of the image, see `groundtruth.image_hash`.
        letters: of its text, see `near_duplicates.text_of`.
        sketch: of its letters, where they are not known themselves; see `sketch_of`.
        listed: whether a list of the user says so: then it may be recognised by the names of its files, too.
        names: of its files, as a list says them.
    """

    role: str
    name: str
    source: str
    page_digest: str | None = None
    xml_digest: str | None = None
    image_digest: str | None = None
    look: int | None = None
    letters: str = ""
    sketch: tuple[int, ...] = ()
    listed: bool = False
    names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Itself as fingerprints.json holds it."""
        return {
            "role": self.role,
            "page": self.name,
            "source": self.source,
            "digest": self.page_digest,
            "xml": self.xml_digest,
            "image": self.image_digest,
            "look": None if self.look is None else f"{self.look:x}",
            "letters": base64.b64encode(zlib.compress(self.letters.encode(), 9)).decode() if self.letters else "",
            "sketch": _written(self.sketch),
            "listed": self.listed,
            "names": list(self.names),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fingerprint:
        """What `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, zlib.error: it did not.
        """
        look, packed = value["look"], base64.b64decode(value["letters"])
        letters = zlib.decompressobj().decompress(packed, _LETTERS).decode(errors="ignore") if packed else ""
        return cls(
            value["role"],
            value["page"],
            value["source"],
            value["digest"],
            value["xml"],
            value["image"],
            None if look is None else int(look, 16),
            letters,
            _numbers(value["sketch"]),
            bool(value["listed"]),
            tuple(value["names"]),
        )

    @property
    def digests(self) -> set[str]:
        """What is compared of its digests."""
        return {digest[:DIGITS] for digest in (self.page_digest, self.xml_digest, self.image_digest) if digest}


@dataclass(frozen=True)
class Lineage:
    """What is known of a model's training data.

    Attributes:
        known: whether `pages` are all.
        sources: the runs and lists that say so.
        pages: that it has seen.
        notes: what to know of it, in words.
        listed: how the user named a list of them; None without one.
    """

    known: Known
    sources: tuple[str, ...] = ()
    pages: tuple[Fingerprint, ...] = ()
    notes: tuple[str, ...] = ()
    listed: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The form in which the record holds it, without the pages."""
        return {"trained_on": self.known, "sources": list(self.sources), "pages": len(self.pages)}


def of_run(pages: Iterable[Fingerprint], base: Lineage | None) -> dict[str, Any]:
    """fingerprints.json: what a model of this run will have seen, through all the models it comes from.

    Args:
        pages: those that the run itself trains on and selects by.
        base: of its base model; None if it starts from scratch.
    """
    return {
        "form": FORM,
        "known": ("known" if base.known == "known" else "in part") if base else "known",
        "sources": list(base.sources) if base else [],
        "pages": [page.to_json() for page in (*pages, *(base.pages if base else ()))],
    }


def read(said: Mapping[str, Any], run: str) -> Lineage:
    """What a run's fingerprints.json says.

    Args:
        said: its content.
        run: the run's name.

    Raises:
        KeyError, TypeError, ValueError, zlib.error: it says nothing.
    """
    pages = (Fingerprint.from_json(page) for page in said["pages"])
    known: Known = "known" if said["known"] == "known" else "in part"
    return Lineage(known, (run, *said["sources"]), tuple(replace(page, source=page.source or run) for page in pages))


def for_model(lineage: Lineage) -> dict[str, Any]:
    """What is written into a model, all but the digest of its weights."""
    sources = list(dict.fromkeys([*lineage.sources, *(page.source for page in lineage.pages)]))
    place = {source: number for number, source in enumerate(sources)}
    rows = [
        [
            _ROLE_LETTERS.get(page.role, "t"),
            page.name,
            place[page.source],
            (page.image_digest or "")[:DIGITS],
            (page.xml_digest or "")[:DIGITS],
            "" if page.look is None else f"{page.look:x}",
            _written(sketch_of(page.letters) or page.sketch),
        ]
        for page in lineage.pages
    ]
    packed = zlib.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode(), 9)
    return {
        "form": _MODEL_FORM,
        "known": lineage.known,
        "sources": sources,
        "count": len(rows),
        "pages": base64.b64encode(packed).decode(),
    }


def of_model(said: Any, weights: str) -> Lineage:
    """What a model says of the pages it has seen.

    Args:
        said: the value of its key; whoever made the model wrote it.
        weights: digest of the weights that the model has.
    """
    try:
        if said["form"] != _MODEL_FORM:
            return Lineage("unknown", notes=(f"it names them in form {_plain(said['form'])}, which this version cannot read",))  # fmt: skip
        sources = tuple(_plain(source) for source in said["sources"])
        unpacking = zlib.decompressobj()
        rows = json.loads(unpacking.decompress(base64.b64decode(said["pages"], validate=True), _ROWS))
        pages = tuple(_page(row, sources) for row in rows)
    except (KeyError, IndexError, TypeError, ValueError, RecursionError, zlib.error):
        return Lineage("unknown", notes=("what it says of them cannot be read",))
    if said.get("weights") != weights:
        note = "it has other weights than when they were written down: it was trained on more pages since"
        return Lineage("in part", sources, pages, (note,))
    return Lineage("known" if said.get("known") == "known" else "in part", sources, pages)


def _page(row: list[Any], sources: tuple[str, ...]) -> Fingerprint:
    role, name, source, image, xml, look, sketch = row
    return Fingerprint(
        "validation" if role == "v" else "train",
        _plain(name),
        sources[source],
        xml_digest=str(xml) or None,
        image_digest=str(image) or None,
        look=int(look, 16) if look else None,
        sketch=_numbers(sketch),
    )


def _plain(text: Any) -> str:
    """A text of a foreign file that a terminal can show."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(text)[:_NAME])


def sketch_of(letters: str) -> tuple[int, ...]:
    """The smallest hashes of a text's shingles: a sample by which two texts are compared, as in `shared_share`."""
    return tuple(sorted(short_hashes_of(letters))[:_SKETCH])


def short_hashes_of(letters: str) -> set[int]:
    """The hashes of all shingles of a text, as short as a sketch has them."""
    return {found & _HASH for found in hashes_of(letters.replace(BREAK, ""))}


def shared_share(sketch: tuple[int, ...], hashes: set[int]) -> float:
    """Which share of the shorter text's shingles is in the other, estimated; 0 where too few can be compared.

    Both are sampled alike: by their hashes up to the largest of the sketch (A. Z. Broder: On the resemblance and
    containment of documents, 1997).

    Args:
        sketch: of one text.
        hashes: all of the other.
    """
    if not sketch:
        return 0.0
    largest = max(sketch) if len(sketch) == _SKETCH else _HASH
    sampled = {found for found in hashes if found <= largest}
    fewer = min(len(sketch), len(sampled))
    return len(sampled.intersection(sketch)) / fewer if fewer >= _ENOUGH else 0.0


def _written(sketch: Iterable[int]) -> str:
    return "".join(f"{number:06x}" for number in sketch)


def _numbers(sketch: str) -> tuple[int, ...]:
    return tuple(int(sketch[start : start + 6], 16) for start in range(0, len(sketch), 6))
