from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.page_files import page_line, page_xml, put, write_image
from helpers.sentences import sentences
from htr_exp.audit import alphabet
from htr_exp.audit.allowed_characters import LONGEST_SEARCH_S, CharacterTable, read_table
from htr_exp.audit.alphabet import AlphabetAudit, audit, trained_text
from htr_exp.core.errors import ConfigError
from htr_exp.groundtruth.examine import examine_folders
from htr_exp.groundtruth.model import GroundTruthPage

Pages = Callable[..., tuple[GroundTruthPage, ...]]


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """Read pages that were made of texts: a list of lines for each."""

    def make(*texts: list[str]) -> tuple[GroundTruthPage, ...]:
        folder = tmp_path / "pages"
        for number, lines in enumerate(texts, start=1):
            write_image(folder / f"{number}.png", shade=number)
            drawn = "".join(page_line(line, text) for line, text in enumerate(lines, start=1))
            put(folder, page_xml(drawn, image=f"{number}.png"), f"{number}.xml")
        return examine_folders([folder]).pages

    return make


def twins(found: AlphabetAudit) -> list[tuple[str, str, tuple[int, int], str]]:
    return [(one.twin.rare, one.twin.common, one.twin.counts, one.twin.why) for one in found.twins]


def test_a_text_is_what_kraken_trains_on() -> None:
    as_it_is = trained_text(" a\u00a0e\u0301  b", normalization=None, normalize_whitespace=False)
    assert as_it_is == " a\u00a0e\u0301  b"
    assert trained_text(as_it_is, normalization="NFC", normalize_whitespace=True) == "a é  b"


def test_what_the_model_lacks_is_listed_with_counts_and_places(pages: Pages) -> None:
    found = audit(pages(["ꝑ abc", "ꝑ\u1dd1 ꝑ"], ["ꝯ abc"]), tuple("abcdz "))
    assert [(one.text, one.count, one.examples) for one in found.unknown] == [
        ("ꝑ", 3, ("1.xml:l1", "1.xml:l2")),
        ("\u1dd1", 1, ("1.xml:l2",)),
        ("ꝯ", 1, ("2.xml:l1",)),
    ]
    assert found.lost == ("d", "z")
    assert found.characters["a"] == 2
    said = found.to_json()
    assert said["unknown"][1] == {
        "text": "\u1dd1",
        "codepoints": ["U+1DD1"],
        "count": 1,
        "examples": ["1.xml:l2"],
    }


def test_examples_are_few(pages: Pages) -> None:
    found = audit(pages(*[["ꝑ"]] * 9), ("a",))
    assert (found.unknown[0].count, found.unknown[0].examples) == (9, ("1.xml:l1", "2.xml:l1", "3.xml:l1"))


def test_without_a_model_nothing_is_unknown(pages: Pages) -> None:
    found = audit(pages(["abc"]), None)
    assert (found.unknown, found.lost, found.nearest) == ((), (), None)


def test_the_form_that_the_model_writes_is_proposed(pages: Pages) -> None:
    composed = pages(["ã õ"])
    known = tuple("ao\u0303 ")
    assert audit(composed, known).nearest == ("NFD", 0)
    assert audit(composed, known, normalization="NFD").nearest is None
    assert audit(composed, known, normalization="NFD").unknown == ()
    assert audit(pages(["ꝑ"]), known).nearest is None  # no form helps


def test_a_character_in_two_normal_forms_is_a_twin(pages: Pages) -> None:
    mixed = pages(["ã ã", "a\u0303"])
    assert twins(audit(mixed, None)) == [("a\u0303", "ã", (1, 2), "normal form")]
    assert audit(mixed, None).twins[0].examples == ("1.xml:l1", "1.xml:l2")
    assert twins(audit(mixed, None, normalization="NFC")) == []


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["ꝑ p\u0335 ꝑ"], [("p\u0335", "ꝑ", (1, 2), "one sign")]),
        (["ↄ ꝯ ꝯ"], [("ↄ", "ꝯ", (1, 2), "one sign")]),
        (["\ue665 p\u0304 p\u0304"], [("\ue665", "p\u0304", (1, 2), "one sign")]),
        (["ª ᵃ ᵃ"], [("ª", "ᵃ", (1, 2), "one sign")]),
        (["q\u0303 " * 10 + "q\u0304"], [("\u0304", "\u0303", (1, 10), "drawn alike")]),
        (["q\u0303 " * 9 + "q\u0304"], []),  # nobody knows which is meant
        (["' " * 20 + "’"], [("’", "'", (1, 20), "drawn alike")]),
        (["TRIB UIC\u0399B ITEM"], [("\u0399", "l", (1, 1), "other script")]),
        (["actum \u0399 l"], [("\u0399", "l", (1, 1), "other script")]),  # a numeral
        (["ITE\u039c M l"], [("\u039c", "M", (1, 1), "other script")]),
        (["incipit λόγος colore"], []),  # a Greek word is no slip
        (["l" * 30 + " I 1 | rn m O 0"], []),  # nothing in ASCII
        (["ſ f s ꝛ r"], []),  # letters of their own
        (["ᵃ a\u0363 ⁱ i\u0365"], []),  # a letter above and a letter beside
    ],
)
def test_look_alikes(pages: Pages, texts: list[str], expected: list[tuple[str, str, tuple[int, int], str]]) -> None:
    texts = [*texts, "l"] if expected and expected[0][3] == "other script" else texts
    found = twins(audit(pages(texts), None))
    if expected and expected[0][3] == "other script":
        found = [(rare, common, (counts[0], 1), why) for rare, common, counts, why in found]
    assert found == expected


def test_unicodes_list_is_only_asked_where_there_is_time(pages: Pages) -> None:
    slip = pages(["' " * 20 + "’", "ꝯ ꝯ ↄ"])
    assert [one[0] for one in twins(audit(slip, None))] == ["ↄ", "’"]
    assert [one[0] for one in twins(audit(slip, None, look_alikes=False))] == ["ↄ"]


def table(tmp_path: Path, text: str) -> CharacterTable:
    file = tmp_path / "table.csv"
    file.write_text(text, encoding="utf-8")
    return read_table(file)


CHOCOMUFIN = """char,name,replacement,allow,regex
l’,LATIN SMALL LETTER L WITH STROKE,ł,,
v,LATIN SMALL LETTER V,u,,
\\u036E,Combining V,\\u0367,,true
[a-ik-uw-z],letters,,true,true
ł,L,,true,
\\u0303,tilde,,true,true
♡,gone,,,
",",COMMA,.,,
◌\u0365,i above,◌\u0365,,
"""


def test_a_table_of_chocomufin_is_read_as_it_reads_it(tmp_path: Path, pages: Pages) -> None:
    found = audit(pages(["vita, l’ ♡", "ñ i\u0365 ꝑꝑ", "a\u036e"]), None, allowed=table(tmp_path, CHOCOMUFIN))
    assert [(one.text, one.count, one.examples) for one in found.unlisted] == [("ꝑ", 2, ("1.xml:l2",))]
    assert {one.text: one.instead for one in found.replaced} == {
        "v": "u",
        ",": ".",
        "l’": "ł",
        "♡": "",
        "\u036e": "\\u0367",
    }


OLDER = "char,order,name,replacement\n#r#[a-z],0,letters,#r#[a-z]\n#r#s\u0335,0,S,ẜ\nẏ,0,Y,y\n\u0307,0,dot,\u0307\n"


def test_older_tables_mark_regular_expressions_in_the_character(tmp_path: Path, pages: Pages) -> None:
    found = audit(pages(["as\u0335 ẏ z\u0307"]), None, allowed=table(tmp_path, OLDER))
    assert found.unlisted == ()
    assert {one.text: one.instead for one in found.replaced} == {"s\u0335": "ẜ", "y\u0307": "y"}


@pytest.mark.parametrize("text", ["char\na\nb\n", "char;name\na;A\nb;B\n", "\ufeffchar\tname\r\na\tA\r\nb\tB\r\n"])
def test_a_plain_list_of_characters_is_a_table(tmp_path: Path, pages: Pages, text: str) -> None:
    found = audit(pages(["abc"]), None, allowed=table(tmp_path, text))
    assert ([one.text for one in found.unlisted], found.replaced) == (["c"], ())


def test_held_out_pages_are_held_against_the_table_alone(tmp_path: Path, pages: Pages) -> None:
    first, second = pages(["ab"], ["bc"])
    found = audit([first], ("a",), held_out=[second], allowed=table(tmp_path, "char\na\nb\n"))
    assert ([one.text for one in found.unknown], [one.text for one in found.unlisted]) == (["b"], ["c"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name\na\n", "it has no column `char`; it has name"),
        ("", "it has no column `char`; it has nothing"),
        ("char\n", "it has no rows"),
        ("char,regex\n[a,true\n,true\n(b,true\n", "line 2: [a is not a regular expression"),
        (b"char\n\x81\n", "byte 5 is not UTF-8"),
        (None, "there is no such file"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, content: str | bytes | None, said: str) -> None:
    file = tmp_path / "table.csv"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        read_table(file)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"dataset.characters={file}:")


def test_all_faults_of_a_table_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        table(tmp_path, "char,regex\n[a,true\n,true\n(b,true\n")
    assert [problem.partition(":")[0] for problem in sentences(caught.value)] == ["line 2", "line 3", "line 4"]


def test_an_expression_that_never_ends_is_stopped(
    tmp_path: Path, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htr_exp.audit.allowed_characters.LONGEST_SEARCH_S", 0.2)
    assert LONGEST_SEARCH_S <= 10
    slow = table(tmp_path, "char,regex,replacement\n(a|aa|aaa)+[0-9],true,x\n")
    with pytest.raises(ConfigError, match="takes too long"):
        audit(pages(["a" * 400]), None, allowed=slow)


def test_forms_of_a_table_do_not_matter(tmp_path: Path, pages: Pages) -> None:
    listed = "char\n" + "\n".join("nñ") + "\n"
    for form in ("NFC", "NFD"):
        allowed = table(tmp_path, unicodedata.normalize(form, listed))
        for other in ("NFC", "NFD"):
            text = unicodedata.normalize(other, "ñn")
            assert audit(pages([text]), None, allowed=allowed).unlisted == ()


def test_problems_and_warnings_say_where_and_what_to_do(tmp_path: Path, pages: Pages) -> None:
    found = audit(
        pages(["ꝑ ã a\u0303 v"]), tuple("aãx "), resize="fail", allowed=table(tmp_path, "char,replacement\nv,u\na,a\n")
    )
    refused = sentences(alphabet.problems(found, model="m", table="t.csv"))
    assert refused[0].startswith("training.resize=fail: m does not know 3 characters of the training lines: ")
    assert refused[1].startswith("dataset.characters=t.csv: 2 characters of the dataset are not in this table: ")
    assert "ꝑ U+A751 (1 time, 1.xml:l1)" in refused[1]
    said = list(alphabet.warnings(found, model="m", table="t.csv"))
    assert any("composed and decomposed" in one and "training.normalization" in one for one in said)
    assert any("v U+0076 by u U+0075 (1 time, 1.xml:l1)" in one for one in said)


def test_characters_are_those_that_stand_on_the_page_from_left_to_right(pages: Pages) -> None:
    """kraken learns display order: brackets of right-to-left text are mirrored, and invisible controls are never learnt."""
    found = audit(pages(["\u05d0\u05d1) \u05d2\u202c", "\u2066ab\u200d("]), tuple("\u05d0\u05d1\u05d2ab "))
    assert [(one.text, one.count, one.examples) for one in found.unknown] == [("(", 2, ("1.xml:l1", "1.xml:l2"))]
    assert found.lost == ()
    assert not {"\u202c", "\u2066", "\u200d", ")"} & found.characters.keys()
