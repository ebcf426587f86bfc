from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.scenario import weights
from helpers.page_files import make_pages, page_line, page_xml, put, write_image
from helpers.sentences import sentences
from htr_exp.config.compose import compose_experiment
from htr_exp.core.errors import ConfigError
from htr_exp.pipeline.plan import Plan, make_plan
from htr_exp.pipeline.sources import Sources
from htr_exp.pipeline.write import script_of

Planned = Callable[..., Plan]


@pytest.fixture
def planned(experiment: list[str]) -> Planned:
    """Plan the small experiment, with changes."""
    memory = Sources()

    def make(*changes: str, evaluate: bool = False) -> Plan:
        keys = {change.partition("=")[0] for change in changes}
        words = [word for word in experiment if word.partition("=")[0] not in keys]
        return make_plan(compose_experiment([*words, *changes]), memory, evaluate=evaluate)

    return make


@pytest.fixture
def problems(planned: Planned) -> Callable[..., list[str]]:
    def refused(*changes: str, evaluate: bool = False) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            planned(*changes, evaluate=evaluate)
        return sentences(caught.value)

    return refused


def written_page(folder: Path, number: int, text: str) -> None:
    write_image(folder / f"{number}.png", shade=number)
    put(folder, page_xml(page_line(1, text), image=f"{number}.png"), f"{number}.xml")


def test_a_plan_resolves_everything_and_writes_nothing(planned: Planned, workspace: Path) -> None:
    made = planned()
    assert (len(made.pages), made.dataset.lines, made.base.name, made.kraken.version) == (6, 18, "base", "7.1.1")
    assert {side: len(pages) for side, pages in made.split.pages.items()} == {"train": 4, "validation": 1, "test": 1}
    assert (made.name, made.device, made.warnings) == ("pages-base", "cpu", ())
    assert made.places.runs == workspace / "runs"
    assert list(workspace.iterdir()) == []


SAME = [
    ["name=gratian_transcription_v1"],
    ["site.workspace=elsewhere"],
    ["site=unistra"],
    ["launch.jobs=2"],
    ["launch.wait=false"],
    ["tracking=embedded"],
    ["again=true"],
    ["dataset.name=other"],
    ["model.name=other"],
    ["split.seed=1", "split.seed=0"],
]


def test_where_a_run_is_and_what_it_is_called_is_not_its_identity(planned: Planned) -> None:
    key = planned().key
    assert {" ".join(words): planned(*words).key for words in SAME} == {" ".join(words): key for words in SAME}


def test_the_rate_of_the_networks_size_is_the_same_as_when_it_is_typed(planned: Planned) -> None:
    plan = planned("model=none", "model.path=null", "architecture=small")
    assert plan.default_rate is not None
    assert plan.experiment.training.lrate == 0.003
    typed = planned("model=none", "model.path=null", "architecture=small", "training.lrate=0.003")
    assert typed.default_rate is None
    assert typed.key == plan.key


def test_the_leg_of_lines_and_network_is_the_same_as_when_it_is_typed(planned: Planned) -> None:
    plan = planned("training.exact=true")
    assert plan.experiment.training.leg_epochs == plan.composed.values["training"]["leg_epochs"] == 10
    assert planned("training.exact=true", "training.leg_epochs=10").key == plan.key
    assert planned("training.exact=true", "training.leg_epochs=2").key != plan.key
    assert planned().experiment.training.leg_epochs is None


OTHER = [
    ["seed=2"],
    ["training.exact=true"],
    ["training.lrate=0.002"],
    ["training.epochs=4"],
    ["training.threads=2"],
    ["training.resize=fail"],
    ["training.normalization=NFD"],
    ["scores.pad=8"],
    ["scores.folding=[v u]"],
    ["scores.folding_case=false"],
    ["scores.convention_share=0.4"],
    ["split.seed=5"],
    ["split.test=0"],
    ["question=rates"],
    ["model=none", "model.path=null", "architecture=small"],
    ["model=none", "model.path=null", "architecture=guide"],
]


def test_a_run_of_before_cer_folded_and_convention_has_the_same_key(planned: Planned) -> None:
    plan = planned()
    older = {
        key: value
        for key, value in plan.composed.values["scores"].items()
        if not key.startswith(("folding", "convention"))
    }
    assert older.keys() < plan.composed.values["scores"].keys()
    composed = replace(plan.composed, values=plan.composed.values | {"scores": older})
    assert replace(plan, composed=composed).key == plan.key


def test_what_decides_the_result_is_its_identity(planned: Planned) -> None:
    keys = [planned().key, *(planned(*words).key for words in OTHER), planned(evaluate=True).key]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("words", "pad"),
    [([], "16"), (["training.pad=24"], "24"), (["training.pad=24", "scores.pad=8"], "8")],
)
def test_lines_are_recognised_with_the_padding_of_the_training(words: list[str], pad: str, planned: Planned) -> None:
    """kraken does not write it into the model, and takes 16 where none is given."""
    script = script_of(planned(*words))
    recognised = [line for line in script.splitlines() if " ocr " in line]
    assert recognised
    assert all(f"--pad {pad} " in line for line in recognised)


def test_data_and_model_are_known_by_their_content(
    planned: Planned, pages: Path, base_model: Path, tmp_path: Path
) -> None:
    key = planned().key
    moved = pages.rename(tmp_path / "moved")
    copy = tmp_path / "copy.mlmodel"
    copy.write_bytes(base_model.read_bytes())
    assert planned(f"dataset.path={moved}", f"model.path={copy}").key == key
    copy = copy.with_name("other.mlmodel")
    copy.write_bytes(weights(accuracy=0.6))
    assert planned(f"dataset.path={moved}", f"model.path={copy}").key != key
    xml = moved / "f01.xml"
    changed = tmp_path / "changed"
    moved.rename(changed)
    xml = changed / "f01.xml"
    xml.write_text(xml.read_text().replace("principio", "principia"))
    assert planned(f"dataset.path={changed}").key != key


def test_all_problems_are_said_at_once(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    said = problems(
        "dataset.path=nowhere", "model.path=nothing.mlmodel", "runtime.ketos=no-ketos", "training.lag=3",
        "training.lrate=0", "name=a/b",
    )  # fmt: skip
    for part in ("nowhere", "nothing.mlmodel", "runtime.ketos=no-ketos: there is no such program",
                 "training.lag=3 changes nothing with training.quit=fixed", "training.lrate=0.0", "name=a/b"):  # fmt: skip
        assert len([problem for problem in said if part in problem]) == 1, part
    assert len(said) == 6


def test_errors_of_ground_truth_stop_a_plan(problems: Callable[..., list[str]], pages: Path) -> None:
    (pages / "f01.png").unlink()
    (problem,) = problems()
    assert problem.startswith("ground truth: f01.xml: ")


def test_a_split_that_cannot_be_drawn_says_how_to_go_on(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    said = problems(f"dataset.path={make_pages(tmp_path / 'two', 2)}")
    assert any("split.test=0" in problem for problem in said)


def test_a_segmentation_model_is_refused_for_recognition(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "blla.mlmodel").write_bytes(weights(model_type="segmentation", seg_type=None))
    (problem,) = problems(f"model.path={tmp_path / 'blla.mlmodel'}")
    assert "blla.mlmodel is a segmentation model: task=recognition starts from a recognition model" in problem


def test_a_model_of_an_old_format_is_refused(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "old.pronn").write_bytes(b"\x0a\x03abc")
    (problem,) = problems(f"model.path={tmp_path / 'old.pronn'}")
    assert "format of 2014" in problem


def test_a_model_that_is_not_here_says_where_it_was_looked_for(
    problems: Callable[..., list[str]], workspace: Path
) -> None:
    (problem,) = problems("model.path=mine.mlmodel")
    assert "mine.mlmodel is not on this machine" in problem
    assert str(workspace / "models") in problem


def test_a_dry_plan_never_downloads(experiment: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    words = [word for word in experiment if not word.startswith("model.")]
    monkeypatch.setattr("htr_exp.kraken.model_store.fetch", lambda *args, **options: pytest.fail("it downloads"))
    with pytest.raises(ConfigError, match="tridis is not on this machine"):
        make_plan(compose_experiment([*words, "model=tridis"]), Sources(fetch=False))


def test_another_kraken_than_the_one_asked_for_is_refused(
    problems: Callable[..., list[str]], fake_kraken: Path
) -> None:
    (problem,) = problems("runtime.kraken=7.1.0")
    assert problem == f"runtime.kraken=7.1.0: {fake_kraken} is kraken 7.1.1"


def test_unknown_characters_are_listed_with_their_counts(
    planned: Planned, problems: Callable[..., list[str]], tmp_path: Path
) -> None:
    for number in range(1, 4):
        written_page(tmp_path / "odd", number, f"ꝑ{number} e\u0303ꝑ")
    (problem,) = problems(f"dataset.path={tmp_path / 'odd'}", "training.resize=fail")
    assert problem.startswith("training.resize=fail: base does not know 2 characters of the training lines: ")
    assert "U+0303 (1 time), ꝑ U+A751 (2 times)" in problem
    assert problem.endswith("use training.resize=union")
    assert planned(f"dataset.path={tmp_path / 'odd'}", "training.resize=union").warnings == ()


def test_characters_are_counted_as_kraken_sees_them(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    for number in range(1, 4):
        written_page(tmp_path / "odd", number, f"\u00a0e\u0301 {number}")
    assert unicodedata.normalize("NFC", "e\u0301") == "é"
    (problem,) = problems(f"dataset.path={tmp_path / 'odd'}", "training.resize=fail", "training.normalization=NFC")
    assert "does not know 1 character of the training lines: é U+00E9 (1 time)" in problem


def test_characters_that_a_resize_deletes_are_warned_of(planned: Planned, tmp_path: Path) -> None:
    for number in range(1, 4):
        written_page(tmp_path / "odd", number, f"abc ꝑ {number}")
    (warning,) = planned(f"dataset.path={tmp_path / 'odd'}", "training.resize=new").warnings
    assert "characters that base knows: " in warning
    assert "d U+0064" in warning
    assert "a U+0061" not in warning


def test_no_test_set_is_warned_of(planned: Planned) -> None:
    (warning,) = planned("split.test=0").warnings
    assert warning.startswith("there is no test set")


def test_an_evaluation_takes_every_page_and_trains_nothing(
    planned: Planned, problems: Callable[..., list[str]]
) -> None:
    made = planned(evaluate=True)
    assert {side: len(pages) for side, pages in made.split.pages.items()} == {"train": 0, "validation": 0, "test": 6}
    assert made.name == "evaluate-pages-base"
    assert problems("model=none", "model.path=null", "architecture=small", evaluate=True) == [
        "model=none names nothing to evaluate; choose a model"
    ]


DRAWN_AS_SHIPPED = ("split.validation=0.1", "split.test=0.1")
"""A given split takes no shares: those of the small experiment are put back."""


def test_given_lists_are_files_beside_where_one_stands(planned: Planned, workspace: Path) -> None:
    for side, names in (("train", "f01\nf02"), ("validation", "f03"), ("test", "f04.xml")):
        (workspace / f"{side}.txt").write_text(names)
    made = planned(
        "split=lists",
        "split.lists.train=train.txt",
        "split.lists.validation=validation.txt",
        "split.lists.test=test.txt",
        *DRAWN_AS_SHIPPED,
    )
    assert made.split.pages == {"train": ("f01.xml", "f02.xml"), "validation": ("f03.xml",), "test": ("f04.xml",)}


def test_a_table_gives_the_split(planned: Planned, workspace: Path) -> None:
    (workspace / "split.csv").write_text("folio;part\nf01;train\nf02;val\nf03;test\n")
    made = planned(
        "split=table", "split.table=split.csv", "split.page_column=folio", "split.column=part", *DRAWN_AS_SHIPPED
    )
    assert made.split.pages == {"train": ("f01.xml",), "validation": ("f02.xml",), "test": ("f03.xml",)}


def test_plans_of_one_command_read_data_and_model_once(experiment: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Sources()
    first = make_plan(compose_experiment([*experiment, "seed=1"]), memory)
    monkeypatch.setattr(
        "htr_exp.pipeline.sources.examine_folders", lambda *args, **options: pytest.fail("it reads again")
    )
    monkeypatch.setattr("htr_exp.pipeline.sources.sha256_file", lambda path: pytest.fail("it hashes again"))
    monkeypatch.setattr("htr_exp.kraken.runtime.provide", lambda *args, **options: pytest.fail("it asks kraken again"))
    assert make_plan(compose_experiment([*experiment, "seed=2"]), memory).split is first.split
