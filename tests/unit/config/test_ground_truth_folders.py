"""Ground truth that is found by its name in the folder of the site."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from htr_exp.config.compose import Composed, compose_experiment, compose_sweep
from htr_exp.core.errors import ConfigError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HTR_EXP_SITE", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("htr-exp.yaml").write_text("site: unistra\n")
    return tmp_path


def folders(*names: str) -> None:
    for name in names:
        (Path("Ground_Truth") / name).mkdir(parents=True)


def path_of(*words: str) -> str:
    return str(compose_experiment(words).experiment.dataset.path)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("gratian", ["Gratian"]), ("gratian", ["gratian"]), ("GRATIAN", ["Gratian"]), ("Gratian", ["Gratian", "gratian"]),
        ("gratian", ["Gratian", "gratian"]), ("Décret 2", ["Décret 2"]), ("décret", ["De\u0301cret"]), ("v1.2", ["v1.2"]),
        ("it's", ["it's"]), ("2024", ["2024"]), ("null-1", ["null-1"]), ("a(b)", ["a(b)"]),
    ],
)  # fmt: skip
def test_a_name_finds_its_folder(name: str, there: list[str]) -> None:
    folders(*there)
    meant = name if name in there else there[0]
    composed = compose_experiment([f"dataset={name}", "seed=2"])
    assert composed.experiment.dataset.path == f"Ground_Truth/{meant}"
    assert composed.experiment.dataset.pattern == "*.xml"
    assert composed.values["dataset"]["path"] == f"Ground_Truth/{meant}"
    assert composed.warnings == []


def test_it_is_the_same_experiment_as_with_the_path() -> None:
    folders("Gratian")
    by_path = compose_experiment(["dataset.path=Ground_Truth/Gratian"])
    assert compose_experiment(["dataset=gratian"]).values == by_path.values


def test_folders_of_other_sites_count_where_the_site_is_typed() -> None:
    Path("ground_truth/Gratian").mkdir(parents=True)
    assert path_of("dataset=gratian", "site=laptop") == "ground_truth/Gratian"
    Path("elsewhere/Vulgate").mkdir(parents=True)
    assert path_of("site.ground_truth=elsewhere", "dataset=vulgate") == "elsewhere/Vulgate"


def test_a_file_of_conf_comes_first() -> None:
    folders("odalricus", "demo")
    assert path_of("dataset=demo").endswith("demo/pages")


def test_the_names_of_a_sweep_are_found() -> None:
    folders("Gratian", "Liber A")
    points: list[Composed] = []

    def keep(found: list[Composed]) -> list[None]:
        points.extend(found)
        return [None] * len(found)

    compose_sweep(["dataset=gratian,demo,Liber A"], keep)
    assert [Path(str(point.experiment.dataset.path)).name for point in points] == ["Gratian", "pages", "Liber A"]


def test_nothing_is_left_for_the_next_composition() -> None:
    folders("Gratian")
    assert path_of("dataset=gratian")
    (Path("Ground_Truth") / "Gratian").rmdir()
    with pytest.raises(ConfigError, match="dataset=gratian: there is no such dataset"):
        compose_experiment(["dataset=gratian"])


@pytest.mark.parametrize(
    ("typed", "there", "said"),
    [
        ("gratia", ["Gratian"], "did you mean Gratian"),
        ("nothing", ["Gratian", "Vulgate"], "Gratian, Vulgate"),
        ("gratiAn", ["Gratian", "gratian"], "Gratian"),
    ],
)
def test_a_name_that_is_none_is_answered_with_those_there_are(typed: str, there: list[str], said: str) -> None:
    folders(*there)
    with pytest.raises(ConfigError) as raised:
        compose_experiment([f"dataset={typed}", "sede=2"])
    assert said in str(raised.value.problems[0])
    assert "sede" in str(raised.value.problems[1]), "all that is wrong is said at once"


@pytest.mark.parametrize(
    ("typed", "found"), [("Gratian", "Gratian"), ("gratian", "Gratian"), ("a/b", "a/b"), ("./Gratian", "Gratian")]
)
def test_a_path_that_is_not_here_is_looked_for_in_the_ground_truth(typed: str, found: str) -> None:
    folders("Gratian", "a/b")
    composed = compose_experiment([f"dataset.path={typed}"])
    assert composed.experiment.dataset.path == f"Ground_Truth/{found}"
    assert composed.values["dataset"]["path"] == f"Ground_Truth/{found}"
    (said,) = composed.warnings
    assert (
        said == f"dataset.path={typed}: there is no such folder here; {Path('Ground_Truth').absolute() / found} is used"
    )
    Path(typed).mkdir(parents=True)
    assert (path_of(f"dataset.path={typed}"), compose_experiment([f"dataset.path={typed}"]).warnings) == (typed, [])


def test_some_paths_of_a_list_may_be_there() -> None:
    folders("B")
    Path("A").mkdir()
    assert compose_experiment(["dataset.path=[A,B,C]"]).experiment.dataset.path == ["A", "Ground_Truth/B", "C"]


def test_a_shipped_dataset_is_found_in_small_letters() -> None:
    folders("odalricus")
    assert path_of("dataset=odalricus") == "Ground_Truth/odalricus"


@pytest.mark.parametrize("path", ["../Gratian", "/Gratian", "~/Gratian", "~nobody-here/Gratian", "..", "", "a\0b"])
def test_nothing_is_looked_for_elsewhere(path: str) -> None:
    folders("Gratian")
    with contextlib.suppress(ConfigError):  # of what is no path
        assert path_of(f"dataset.path={path}") == path
