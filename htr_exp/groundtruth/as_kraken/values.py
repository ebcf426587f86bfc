"""The values in a file of ground truth as kraken 4.3.13 and 7.1.1 take them: points, `custom`, languages, texts.

Sources: kraken/lib/xml.py of 4.3.13; kraken/lib/xml/{common,alto,page}.py and kraken/lib/bidi of 7.1.1; python-bidi
0.4.2, which 4.3.13 uses; iso639-lang 2.6.3, which 7.1.1 uses.
"""

from __future__ import annotations

import re
import unicodedata

_DIGITS = b"0123456789"
_SEPARATORS = b", " * 20_000
_LONGEST = 300  # digits; a longer number may be infinite to a float, or too long for Python to read at all
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


class Unreadable(ValueError):
    """kraken cannot read this value."""


def page_points(text: str) -> int:
    """How many points kraken reads from PAGE's `points`.

    Raises:
        Unreadable: it reads none at all: a decimal, two blanks in a row, a blank at an end ...
    """
    plain = text.encode("ascii", "replace").translate(None, _DIGITS)
    if (
        plain == _SEPARATORS[: len(plain)]
        and text[:1].isdigit()
        and text[-1:].isdigit()
        and ", " not in text  # without the digits, `1, 2,3` looks like `1,2 3,4`
        and " ," not in text
        and (len(text) <= _LONGEST or max(map(len, text.replace(",", " ").split())) <= _LONGEST)
    ):
        return (len(plain) + 1) // 2
    try:
        return len([int(number) for point in text.split(" ") for number in point.split(",")]) // 2
    except ValueError:
        raise Unreadable(text) from None


def alto_points(text: str, *, whole: bool) -> int:
    """How many points kraken reads from ALTO's `POINTS` or `BASELINE`; whatever is no number is passed over.

    Args:
        text: the attribute.
        whole: round to integers, as 7.1 does.

    Raises:
        Unreadable: the number of coordinates is odd.
        OverflowError: a number is infinite, which 7.1 does not expect.
    """
    if text.encode("ascii", "replace").translate(None, _DIGITS + b" ,"):
        numbers = [number.group() for number in _NUMBER.finditer(text)]
    else:
        numbers = text.replace(",", " ").split()
    huge = len(text) > _LONGEST and max(map(len, numbers), default=0) > _LONGEST
    if whole and (huge or "e" in text or "E" in text):
        for number in numbers:
            int(float(number))
    if len(numbers) % 2:
        raise Unreadable(text)
    return len(numbers) // 2


def custom(text: str) -> dict[str, list[dict[str, str]]]:
    """The `custom` attribute of Transkribus as 7.1 reads it: the properties of each tag, as often as it occurs.

    Raises:
        Unreadable: a brace too many or too few, which no release expects.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for chunk in text.strip().split("}"):
        if not chunk.strip():
            continue
        if chunk.count("{") != 1:
            raise Unreadable(text)
        tag, values = chunk.split("{")
        properties = {}
        for value in values.split(";"):
            if value.strip():
                key, _, said = value.strip().partition(":")
                properties[key] = said.strip()
        found.setdefault(tag.strip(), []).append(properties)
    return found


_WITHDRAWN = """
aam aay acc adp aex agp ahe ais aiz ajp ajt akn amd aoh arf asd atf aue auv ayx ayy azr baz bbz bcx bgh bgm bh bhk
bic bii bij bjd bjq bkb bke blg blu bmy bnh boc bpb bqe bsd bsz btb btl bvs bwv bxt bxx byu byy cbe cbh cbm cca
ccq ccx ccy cdg chs cit cjr cka ckc ckd cke ckf cki ckj ckk ckw cmk cnm coy cqu cru cti cug cum cun daf dap dat
dek dgu dha dit djl dkl drh drr drw dud duj dwl dyk ekc elp eml emo eni eur fiz flm gav gbc gen gfx ggh ggm ggn
ggo ggr gio gji gli gmo gsc gti guv hrr hsf hva iap ibi ill ilw ime in itu iw ixi ixj izi jai jap jar jaw jeg ji
jw kbf kds kdv kgc kgd kgh kgm kjf knh kob koj kox kpp krg krm krq ksa ktr kvs kwq kxe kxg kxl kxu kzh kzj kzt lak
lba leg lii llo lmm lms lmt lmz lnc lno lnt lod lsg mbg mdo meg mgx mhh mhv miv mja mld mly mms mnt mo mob mof mol
mpf mqd mst mtz muw mvc mvj mvm mwd mwj mwx mwy myd myi myq myt mzf nad nbf nbx ncp nfg nfk ngo nhj nhs nky nln
nlr nns nnx nom noo nte nts nxj nxu occ ogn ome ope ork oun paj pat pbz pcr pec pen pgy pii plj plm plp pmc pmk
pmu poa pob pod poj pou ppa ppr ppv prb prp prv pry puk pun puz quj qut quu qxi rae rie rjb rmr rna rsi rws sap
sca scc scr sdd sdi sdm sgl sgo sh sic skk skl slb slq smd snb snh srj stc suf suh sul sum suu svr szd szk tbb tdu
tgg thc thw thx tid tie tkk tle tlw tlz tmk tmp tmx tne tnf tnj toe tot tpw tsf ttx tzb tzc tze tzs tzt tzu tzz
ubm unp uok uun vki vky vlr vmo wgw wit wiw wra wrd wre wya xah xba xbx xia xip xkh xkm xmi xrq xsk xss xst xtz
xuf ybd yds yen yib yio yiy yma ymj ymt ynh yos ypl ypw yri yus yuu ywm yym zir zkb ztc zua
"""
_withdrawn = frozenset(_WITHDRAWN.split())
"""Identifiers of languages that ISO 639 has withdrawn (its names of languages are left out: nobody writes them)."""


def withdrawn(language: str | None) -> bool:
    """Tell whether 7.1 loses the page over this language, which ISO 639 had and has no more."""
    return language in _withdrawn


_REMOVED = frozenset(("BN", "LRE", "RLE", "LRO", "RLO", "PDF"))
_ISOLATES = frozenset("\u2066\u2067\u2068\u2069")
_IGNORABLE = re.compile("[\u2065\ufdd0-\ufdef\ufff0-\ufff8\U000e0000-\U000e0fff]")  # Default_Ignorable or no character


def vanishes(text: str, release: str) -> bool:
    """Tell whether nothing is left of a text once kraken has stripped it and put it into display order.

    That order knows no invisible formatting characters: zero-width spaces and joiners, soft hyphens, direction marks.
    """
    stripped = text.strip()
    return not stripped or (not stripped[0].isalnum() and all(_removed(character, release) for character in stripped))


def _removed(character: str, release: str) -> bool:
    kind = unicodedata.bidirectional(character)
    if kind in _REMOVED:
        return True
    if release == "4.3" or kind not in ("", "LRI", "RLI", "FSI", "PDI"):
        return False
    return bool(kind) or _IGNORABLE.match(character) is not None or ord(character) & 0xFFFE == 0xFFFE


def _ranges(text: str) -> list[range]:
    pairs = [word.partition("-") for word in text.split()]
    return [range(int(first, 16), int(last or first, 16) + 1) for first, _, last in pairs]


_NEWER = _ranges("""
558 58b-58c 5c8-5c9 61d 870-89f 8b5 8c8-8d2 b53-b54 c3c c5c-c5d cdc-cdd cf3 ece 170d 1715-171f 180f 1ac1-1af0
1b4c-1b4f 1b7d-1b7f 1c89-1c8a 1dfa 208f 209d-209f 20c0-20c4 2427-2429 2b96 2c2f 2c5f 2e53-2e63 2ffc-2fff 31e4-31ef
9ffd-9fff a7c0-a7c1 a7cb-a7f4 ab6c-ab6d fbc2-fbd2 fd40-fd4f fd90-fd91 fdc8-fdcf fdfe-fdff 10570-105f3 10780-107bf
10940-10959 10d40-10d8f 10ec2-10eff 10f70-10f89 11070-11075 110c2 1123f-11241 11380-113e2 116b9 116d0-116e3
11740-11746 11ab0-11abf 11b00-11bf9 11db0-11df1 11f00-11f5a 1246f 12475-1247f 12550-12ff2 1342f 13439-143fa
16100-16139 16a70-16ac9 16d40-16d79 16ea0-16ed3 16ff2-16ff6 187f8-187ff 18cd6-18cff 18d09-1affe 1b11f-1b132 1b155
1b168 1cc00-1cfc3 1d127-1d128 1d1e9-1d1ff 1d250-1d2d3 1d6a6 1db00-1dfff 1e030-1e08f 1e290-1e2ae 1e4d0-1e7fe 1f1ae
1f6d8-1f6df 1f774-1f77f 1f7d9-1f7db 1f7f0-1f7ff 1f8b2-1f8d8 1f979 1f9cc 1fa54-1fa57 1fa75-1fa77 1fa7b-1fa7c
1fa87-1fa8f 1faa9-1faaf 1fab7-1fabf 1fac3-1facf 1fad7-1fafa 1fbcb-1fbef 1fbfa 2a6de-2a6df 2b735-2b73f 2b81e
2cea2-2cead 2ebf0-2ee5d 31350-3fc3f
""")
"""Code points that Unicode 13 did not have and later versions (to 17) have: the Python under 4.3.13 has Unicode 13."""


class _Refused(dict[str, bool]):
    """Whether python-bidi 0.4.2 ends with an AssertionError at a character, by the character."""

    def __missing__(self, character: str) -> bool:
        number = ord(character)
        refused = (
            character in _ISOLATES
            or unicodedata.bidirectional(character) == ""
            or (number >= 0x558 and any(number in newer for newer in _NEWER))
        )
        if len(self) < 10_000:
            self[character] = refused
        return refused


_refused = _Refused()


def refused(characters: str) -> str | None:
    """The first of these characters over which 4.3.13 stops, or None."""
    if characters.isascii():
        return None
    return min(filter(_refused.__getitem__, set(characters)), default=None)
