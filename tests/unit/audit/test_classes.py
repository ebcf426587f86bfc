from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakes.scenario import BLLA, Classes, resized, segmentation_weights
from helpers.sentences import sentences
from htr_exp.audit import classes
from htr_exp.audit.classes import ClassNames, audit, setting_problems
from htr_exp.config.compose import compose_experiment
from htr_exp.config.schema import Classes as Settings
from htr_exp.core.errors import ConfigError
from htr_exp.groundtruth.model import GroundTruthPage, UsedLine
from htr_exp.kraken.model_file import ModelHeader, read_header

NEW, OLD = ["7.1.1"], ["4.3.13"]


def page(*lines: str | None, regions: tuple[str, ...] = (), name: str = "p.xml") -> GroundTruthPage:
    """A page with lines and regions of these types."""
    used = tuple(UsedLine(number, f"l{number}", "", kind, 100.0, 20.0) for number, kind in enumerate(lines))
    nothing = Path("nowhere")
    return GroundTruthPage(name, nothing, nothing, "", "", 400, 300, used, name, regions)


def header(tmp_path: Path, named: Classes = BLLA) -> ModelHeader:
    path = tmp_path / "base.mlmodel"
    path.write_bytes(segmentation_weights(named))
    return read_header(path)


def audited(
    *train: GroundTruthPage, base: ModelHeader | None = None, resize: str = "new", settings: Settings | None = None, **sides: Any
) -> classes.ClassAudit:  # fmt: skip
    every = {"train": train, "validation": (), "test": ()} | sides
    return audit(every, settings or Settings(), base, resize)


def named(values: dict[str, Any], kind: str | None, **more: Any) -> str | None:
    return ClassNames(Settings(lines=values, **more)).line(kind)


def test_types_keep_their_names_where_nothing_is_said() -> None:
    plain = ClassNames(Settings())
    assert plain.line("DefaultLine:verse#2") == "DefaultLine:verse#2"
    assert plain.region("MainZone#1") == "MainZone#1"


@pytest.mark.parametrize("kind", [None, "", "  "])
def test_what_has_no_type_is_called_as_kraken_calls_it(kind: str | None) -> None:
    plain = ClassNames(Settings())
    assert (plain.line(kind), plain.region(kind)) == ("default", "text")


def test_what_has_no_type_can_be_named_like_any_other() -> None:
    given = ClassNames(Settings(lines={"default": "DefaultLine"}, regions={"te*": None}))
    assert (given.line(None), given.region(None)) == ("DefaultLine", None)


def test_a_type_is_named_by_its_own_name_or_by_a_pattern() -> None:
    values = {"Heading*": "heading", "?nitial": "initial"}
    assert [named(values, kind) for kind in ("HeadingLine", "Initial", "XInitial")] == ["heading", "initial", "XInitial"]  # fmt: skip


def test_its_own_name_goes_before_a_pattern_and_the_first_pattern_before_later_ones() -> None:
    values = {"*": "default", "Head*": "heading", "HeadingLine": "rubric"}
    assert [named(values, kind) for kind in ("HeadingLine", "HeadLine", "Other")] == ["rubric", "default", "default"]
    assert named({"Head*": "heading", "*": "default"}, "HeadLine") == "heading"


def test_null_leaves_a_type_out() -> None:
    values = {"Interlinear*": None, "*": "default"}
    assert [named(values, kind) for kind in ("InterlinearLine", "DefaultLine")] == [None, "default"]
    assert named({"HeadingLine": "heading", "*": None}, "HeadingLine") == "heading"


def test_a_pattern_minds_upper_and_lower_case() -> None:
    assert named({"heading*": "heading"}, "HeadingLine") == "HeadingLine"


@pytest.mark.parametrize(("kind", "expected"), [("MainZone:column#1", "MainZone"), ("MainZone#2", "MainZone"),
                                                ("MainZone", "MainZone"), (":x", ":x"), (None, "text")])  # fmt: skip
def test_without_subtypes_a_type_is_what_stands_before_them(kind: str | None, expected: str) -> None:
    assert ClassNames(Settings(subtypes=False)).region(kind) == expected


def test_without_subtypes_the_rest_is_what_can_be_named() -> None:
    assert named({"DefaultLine": "default"}, "DefaultLine:verse", subtypes=False) == "default"
    assert named({"DefaultLine": "default"}, "DefaultLine:verse") == "DefaultLine:verse"


UNUSABLE = [("a*", "kraken takes * for all other classes"), ("a{b}", "braces and semicolons"), ("a;b", "braces and semicolons"),
            (" a", "blanks at the ends"), ("a ", "blanks at the ends"), ("", "blanks at the ends"),
            ("_start_separator", "kraken calls the ends of lines so"), ("_end_separator", "kraken calls the ends of lines so")]  # fmt: skip


@pytest.mark.parametrize(("name", "why"), UNUSABLE)
def test_a_class_cannot_have_a_name_that_kraken_cannot_take(name: str, why: str) -> None:
    (lines,) = sentences(setting_problems(Settings(lines={"DefaultLine": name})))
    assert lines.startswith(f"classes.lines.DefaultLine={name}: ")
    assert why in lines
    (regions,) = sentences(setting_problems(Settings(regions={"MainZone": name})))
    assert why in regions


@pytest.mark.parametrize("value", [["a", "b"], {"a": "b"}])
def test_a_class_is_one_name(value: object) -> None:
    (problem,) = sentences(setting_problems(Settings(lines={"DefaultLine": value})))
    assert problem.endswith("it names a class, or is null to leave such lines out")


def test_names_that_kraken_can_take_are_no_problem() -> None:
    fine = {"a": "b", "*": None, "c": "Ligne d'écriture", "d": "MainZone:column#1", "e": 5}
    assert sentences(setting_problems(Settings(lines=fine, regions=fine))) == []


@pytest.mark.parametrize(("kind", "why"), [("_start_separator", "ends of lines so"), ("a*b", "all other classes")])
def test_a_type_of_the_data_that_kraken_cannot_take_is_refused_with_what_to_write(kind: str, why: str) -> None:
    (problem,) = sentences(audited(page(kind, "DefaultLine")).problems(NEW, None))
    assert problem.startswith(f"lines of type {kind}: ")
    assert why in problem
    assert problem.endswith(f"e.g. classes.lines.{kind}=NAME")
    settings = Settings(lines={kind: "fine"})
    assert sentences(audited(page(kind, "DefaultLine"), settings=settings).problems(NEW, None)) == []


def test_a_type_called_textline_is_a_type_like_any_other() -> None:
    found = audited(page("textline", "TextLine"))
    assert sentences(found.problems(NEW, None)) == []
    assert found.numbers["lines"] == {"TextLine": 2, "textline": 3}


def test_braces_of_a_type_become_what_a_staged_page_can_hold() -> None:
    assert list(audited(page("a{b};c")).counts["lines"]) == ["a_b__c"]


def test_elements_are_counted_by_class_and_side() -> None:
    found = audited(
        page("A", "A", "B", regions=("Z",)), page("A"), validation=(page("B", regions=("Z", "Z")),), test=(page("A"),)
    )
    assert found.counts["lines"]["A"] == {"train": 3, "test": 1}
    assert found.counts["lines"]["B"] == {"train": 1, "validation": 1}
    assert found.counts["regions"]["Z"] == {"train": 1, "validation": 2}


def test_merged_types_are_counted_as_one_and_those_left_out_by_their_type() -> None:
    settings = Settings(lines={"B": "A", "C": None}, regions={"*": None})
    found = audited(page("A", "B", "C", "C", regions=("Z",)), settings=settings)
    assert found.counts == {"lines": {"A": {"train": 2}}, "regions": {}}
    assert found.left_out == {"lines": {"C": 2}, "regions": {"Z": 1}}
    said = " | ".join(found.warnings(None))
    assert "left out, as classes.lines says: C (2)" in said
    assert "left out, as classes.regions says: Z (1)" in said
    assert "the training pages have no regions" in said


def test_elements_without_a_type_are_told_of() -> None:
    found = audited(page(None, "default", "", regions=("", "Z")))
    assert found.untyped == {"lines": 2, "regions": 1}
    assert found.counts["lines"] == {"default": {"train": 3}}
    said = list(found.warnings(None))
    assert "2 lines have no type: they are of class default, unless classes.lines says another" in said
    assert "1 regions have no type: they are of class text, unless classes.regions says another" in said


def test_a_class_that_is_in_validation_or_test_alone_is_warned_of() -> None:
    found = audited(page("A", regions=("Z",)), validation=(page("A", "B"),), test=(page("C", regions=("Y",)),))
    said = list(found.warnings(None))
    assert len(said) == 3
    assert said[0].startswith("B (lines) only on pages that it steers the training by: nothing is learnt of it")
    assert said[1].startswith("C (lines) only on pages that it is scored on: nothing is learnt of it")
    assert said[2].startswith("Y (regions) only on pages that it is scored on")
    assert found.numbers == {"lines": {"A": 2}, "regions": {"Z": 3}}


def test_pages_with_nothing_to_learn_are_refused() -> None:
    settings = Settings(lines={"*": None}, regions={"*": None})
    (problem,) = sentences(audited(page("A", regions=("Z",)), settings=settings).problems(NEW, None))
    assert problem.startswith("classes: nothing is left to learn")
    (problem,) = sentences(audited(validation=(page("A"),)).problems(NEW, None))
    assert problem.startswith("classes: nothing is left to learn")


def test_regions_alone_and_lines_alone_can_be_learnt_and_are_told_of() -> None:
    only_regions, only_lines = audited(page(regions=("Z",))), audited(page("A"))
    assert sentences(only_regions.problems(NEW, None)) == sentences(only_lines.problems(NEW, None)) == []
    assert list(only_regions.warnings(None)) == [
        "the training pages have no lines: only regions are learnt, and lines are not found"
    ]
    (warning,) = only_lines.warnings(None)
    assert warning.startswith("the training pages have no regions: only lines are learnt")


def test_segmonto_refuses_what_is_not_in_its_vocabulary() -> None:
    settings = Settings(vocabulary="segmonto")
    fine = page("DefaultLine", "HeadingLine:rubric#2", regions=("MainZone:column#1", "MarginTextZone#3"))
    assert sentences(audited(fine, settings=settings).problems(NEW, None)) == []
    odd = page("DefaultLine", "MainZone", "textline", regions=("Main", "DefaultLine"))
    said = sentences(audited(odd, settings=settings).problems(NEW, None))
    assert [one.partition(":")[0] for one in said] == [
        "lines of type MainZone", "lines of type textline", "regions of type Main", "regions of type DefaultLine",
    ]  # fmt: skip
    assert all("MainZone" in one and one.endswith("=null)") for one in said[2:])
    assert sentences(audited(odd).problems(NEW, None)) == []


def test_segmonto_judges_the_classes_and_not_the_types() -> None:
    settings = Settings(vocabulary="segmonto", lines={"text*": "DefaultLine", "x": None})
    assert sentences(audited(page("textline", "x"), settings=settings).problems(NEW, None)) == []


def test_from_scratch_classes_are_numbered_from_two_lines_first() -> None:
    found = audited(page("B", "A", regions=("Y", "X")), page("C"))
    assert found.numbers == {"lines": {"A": 2, "B": 3, "C": 4}, "regions": {"X": 5, "Y": 6}}


def test_classes_that_stay_keep_their_numbers_and_new_ones_follow_lines_before_regions(tmp_path: Path) -> None:
    base = header(tmp_path)
    pages = page("default", "B", "A", regions=("text", "Z"))
    for resize in ("new", "union"):
        found = audited(pages, base=base, resize=resize)
        assert found.numbers == {"lines": {"default": 2, "A": 4, "B": 5}, "regions": {"text": 3, "Z": 6}}
        assert found.new == {"lines": ["A", "B"], "regions": ["Z"]}


def test_new_closes_the_gaps_of_what_it_deletes_and_union_leaves_all_where_it_is(tmp_path: Path) -> None:
    base = header(tmp_path, {"baselines": {"default": 2, "old": 3, "A": 4}, "regions": {"text": 5, "Z": 6}})
    pages = page("A", "B", regions=("Z",))
    assert audited(pages, base=base).numbers == {"lines": {"A": 2, "B": 4}, "regions": {"Z": 3}}
    union = audited(pages, base=base, resize="union")
    assert union.numbers == {"lines": {"default": 2, "old": 3, "A": 4, "B": 7}, "regions": {"text": 5, "Z": 6}}
    assert union.absent == {"lines": ["default", "old"], "regions": ["text"]}


def test_without_a_resize_the_numbers_are_the_models(tmp_path: Path) -> None:
    base = header(tmp_path, {"baselines": {"b": 2, "a": 5}, "regions": {"text": 3, "Z": 4}})
    found = audited(page("a", "b", regions=("Z", "text")), base=base, resize="fail")
    assert sentences(found.problems(NEW, "base")) == []
    assert found.numbers == {"lines": {"b": 2, "a": 5}, "regions": {"text": 3, "Z": 4}}


@pytest.mark.parametrize("resize", ["new", "union"])
def test_the_numbers_are_those_of_the_outputs_that_kraken_makes(tmp_path: Path, resize: str) -> None:
    """Names may be swapped among lines and among regions; a line's output must never be a region's."""
    base = header(tmp_path, {"baselines": {"default": 2, "x": 3}, "regions": {"text": 4, "y": 5}})
    found = audited(page("default", "A", "B", "C", regions=("y", "R", "S")), base=base, resize=resize)
    wanted = {"baselines": found.numbers["lines"], "regions": found.numbers["regions"]}
    krakens = resized({"baselines": {"default": 2, "x": 3}, "regions": {"text": 4, "y": 5}}, wanted, resize)
    assert {sort: {*of.values()} for sort, of in krakens.items()} == {sort: {*of.values()} for sort, of in wanted.items()}  # fmt: skip


def test_fail_refuses_other_classes_than_the_models_and_lists_them(tmp_path: Path) -> None:
    (problem,) = sentences(audited(page("default", "A"), base=header(tmp_path), resize="fail").problems(NEW, "blla"))
    assert problem.startswith("training.resize=fail: blla and the pages have different classes: ")
    assert "A (lines) of the pages; text (regions) of the model" in problem
    assert problem.endswith("or choose training.resize=new or union")
    same = audited(page("default", regions=("text",)), base=header(tmp_path), resize="fail")
    assert sentences(same.problems(NEW, "blla")) == sentences(same.problems(OLD, "blla")) == []


def test_4_3_13_cannot_keep_a_class_that_the_pages_lack(tmp_path: Path) -> None:
    found = audited(page("A", "default"), base=header(tmp_path), resize="union")
    (problem,) = sentences(found.problems(OLD, "blla"))
    assert problem.startswith("training.resize=union: kraken 4.3.13 fails where the base model has classes")
    assert "(text of blla)" in problem
    assert sentences(found.problems(NEW, "blla")) == []
    assert sentences(found.problems([*NEW, *OLD], "blla")) == [problem]  # a fallback may have to do it
    everything = audited(page("A", "default", regions=("text",)), base=header(tmp_path), resize="union")
    assert sentences(everything.problems(OLD, "blla")) == []


def test_a_base_model_whose_outputs_7_1_would_confuse_is_refused(tmp_path: Path) -> None:
    base = header(tmp_path, {"baselines": {"default": 2, "late": 4}, "regions": {"text": 3, "gone": 5}})
    found = audited(page("default", "late", regions=("text",)), base=base)
    (problem,) = sentences(found.problems(NEW, "mine"))
    assert problem.startswith("training.resize=new: in mine classes of lines stand behind classes of regions")
    assert sentences(found.problems(OLD, "mine")) == []
    assert (
        sentences(audited(page("default", "late", regions=("text",)), base=base, resize="union").problems(NEW, "mine"))
        == []
    )
    assert sentences(audited(page("late", regions=()), base=base).problems(NEW, "mine")) == []


def test_what_a_resize_costs_the_base_model_is_spelled_out(tmp_path: Path) -> None:
    pages = page("A", regions=("text",))
    said = list(audited(pages, base=header(tmp_path)).warnings("blla"))
    assert said[0].startswith("blla does not know A (lines): learned from zero")
    assert said[1] == "training.resize=new deletes what blla has learnt of default (lines): no training page has it"
    said = list(audited(pages, base=header(tmp_path), resize="union").warnings("blla"))
    assert said[1].startswith("training.resize=union keeps default (lines) of blla, which no training page has")


def test_facts_say_counts_numbers_and_what_is_new(tmp_path: Path) -> None:
    facts = audited(page("A", None, regions=("text",)), base=header(tmp_path)).facts()["classes"]
    assert facts == {
        "counts": {"lines": {"A": {"train": 1}, "default": {"train": 1}}, "regions": {"text": {"train": 1}}},
        "left_out": {"lines": {}, "regions": {}},
        "untyped": {"lines": 1, "regions": 0},
        "numbers": {"lines": {"default": 2, "A": 4}, "regions": {"text": 3}},
        "new": {"lines": ["A"], "regions": []},
        "absent": {"lines": [], "regions": []},
    }


FINE = ("dataset=demo", "task=segmentation", "model.path=base.mlmodel")


def composed(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = compose_experiment([*FINE, *words]).values["classes"]
    return found


def test_a_class_is_given_on_the_command_line() -> None:
    assert composed("classes.lines.DefaultLine=default")["lines"] == {"DefaultLine": "default"}
    assert composed("classes.regions.MainZone=null")["regions"] == {"MainZone": None}


def test_a_type_of_the_command_line_may_be_a_pattern_or_have_signs_of_hydras_grammar() -> None:
    given = composed("classes.lines.*=null", "classes.regions.MainZone:column=MainZone", "classes.regions.a b=c d, e")
    assert given["lines"] == {"*": None}
    assert given["regions"] == {"MainZone:column": "MainZone", "a b": "c d, e"}


@pytest.mark.parametrize("kind", ["MainZone#1", "Écriture"])
def test_a_type_that_hydras_grammar_cannot_take_is_for_a_file(kind: str) -> None:
    word = f"classes.regions.{kind}=MainZone"
    with pytest.raises(ConfigError) as caught:
        composed(word)
    (problem,) = sentences(caught.value)
    assert problem.startswith(f"{word}: ")
    assert problem.endswith("; write such a type in a file of yours, conf/classes/NAME.yaml")


def test_a_type_of_a_file_may_have_any_sign(tmp_path: Path) -> None:
    (tmp_path / "classes").mkdir()
    text = "defaults: [as_they_are]\nregions: {'MainZone:column#1': 'Zone é'}\nlines: {'*': default}\n"
    (tmp_path / "classes" / "mine.yaml").write_text(text, encoding="utf-8")
    given = compose_experiment([*FINE, "classes=mine"], [tmp_path]).values["classes"]
    assert given["regions"] == {"MainZone:column#1": "Zone é"}
    assert (given["subtypes"], given["lines"]) == (True, {"*": "default"})


def test_classes_of_the_command_line_add_up() -> None:
    given = composed("classes.lines.A=x", "classes.lines.B=null", "classes.lines.*=y")
    assert given["lines"] == {"A": "x", "B": None, "*": "y"}
    assert list(given["lines"]) == ["A", "B", "*"]


def test_several_classes_can_be_given_at_once() -> None:
    assert composed("classes.lines={A: x, B: null}")["lines"] == {"A": "x", "B": None}


def test_a_class_of_the_command_line_goes_over_a_choice() -> None:
    given = composed("classes=blla", "classes.lines.HeadingLine=heading")
    assert given["lines"] == {"*": "default", "HeadingLine": "heading"}
    naming = ClassNames(
        compose_experiment([*FINE, "classes=blla", "classes.lines.HeadingLine=heading"]).experiment.classes
    )
    assert [naming.line(kind) for kind in ("HeadingLine", "Other", None)] == ["heading", "default", "default"]


@pytest.mark.parametrize("word", ["classes.line.A=x", "classes.zones.A=x", "classes.lines=A", "classes.subtype=false"])
def test_a_wrong_key_of_classes_is_refused(word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        composed(word)
    assert word in str(caught.value)


@pytest.mark.seconds
def test_the_shipped_choices_name_what_they_say() -> None:
    def naming(choice: str) -> ClassNames:
        return ClassNames(compose_experiment([*FINE, f"classes={choice}"]).experiment.classes)

    blla, lines_only, segmonto = naming("blla"), naming("lines_only"), naming("segmonto")
    assert (blla.line("HeadingLine"), blla.region("MainZone#1")) == ("default", "text")
    assert (lines_only.line("HeadingLine"), lines_only.region("MainZone#1")) == ("default", None)
    assert (segmonto.line("HeadingLine:x"), segmonto.region("MainZone:column#1")) == ("HeadingLine", "MainZone")
