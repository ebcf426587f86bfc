"""Which site a command is given at, who says it, and what of a workspace file is believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from htr_exp.config.choices import conf_dir, overlays
from htr_exp.config.compose import Composed, compose_experiment, compose_sweep
from htr_exp.config.places import places_of, shipped_places
from htr_exp.config.site_choice import SHIPPED, TYPED, chosen_site, needed_words, site_names
from htr_exp.config.workspace_file import MOST_BYTES, NAME, site_in, write_site
from htr_exp.core.errors import ConfigError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HTR_EXP_SITE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own_site(name: str, text: str, folder: str = "conf") -> None:
    path = Path(folder) / "site" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# A site of mine.\n{text}\n")


def refused(*words: str) -> str:
    with pytest.raises(ConfigError) as raised:
        chosen_site(words, overlays())
    return " ".join(map(str, raised.value.problems))


@pytest.mark.parametrize("typed", [None, "laptop", "unistra"])
@pytest.mark.parametrize("variable", [None, "", "laptop", "unistra"])
@pytest.mark.parametrize("file", [None, "laptop", "unistra"])
def test_the_word_is_stronger_than_the_variable_and_the_variable_than_the_file(
    typed: str | None, variable: str | None, file: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is not None:
        monkeypatch.setenv("HTR_EXP_SITE", variable)
    if file:
        Path(NAME).write_text(f"site: {file}\n")
    found = chosen_site([f"site={typed}", "seed=2"] if typed else ["seed=2"])
    said = [(typed, TYPED), (variable, "HTR_EXP_SITE"), (file, NAME), ("laptop", SHIPPED)]
    names = [(name, source) for name, source in said if name]
    assert (found.name, found.source) == names[0]
    disagree = [source for name, source in names[1:-1] if name != found.name]
    assert len(found.notes) == len(disagree)
    for source, note in zip(disagree, found.notes):
        assert f"is used, not {'`site: ' if source == NAME else source}" in note
    assert found.is_new == bool(typed and not variable and not file)
    # what has to be typed again is what the next command would not find by itself
    following = next(name for name, source in said if name and source != TYPED)
    assert needed_words(found) == ([] if found.name == following else [f"site={found.name}"])
    assert needed_words(found, remembered=True) == []


def test_an_experiment_is_composed_at_the_site_that_the_file_names() -> None:
    Path(NAME).write_text("site: unistra\n")
    composed = compose_experiment(["dataset=odalricus"])
    assert composed.experiment.site.name == "unistra"
    assert composed.experiment.dataset.path == "./Ground_Truth/Odalricus"
    assert (composed.site.source, composed.warnings) == (NAME, [])
    swept: list[Composed] = []

    def keep(points: list[Composed]) -> list[None]:
        swept.extend(points)
        return [None] * len(points)

    compose_sweep(["dataset=odalricus", "seed=1,2"], keep)
    assert [(one.experiment.site.name, one.site.source) for one in swept] == [("unistra", NAME)] * 2


def test_words_for_the_folders_are_said_again_and_not_remembered() -> None:
    found = chosen_site(["site=unistra", "site.runs=/scratch/runs of mine"])
    assert needed_words(found, remembered=True) == ["site.runs=/scratch/runs of mine"]
    assert needed_words(found) == ["site=unistra", "site.runs=/scratch/runs of mine"]


@pytest.mark.parametrize("site", site_names())
def test_a_shipped_site_is_read_without_hydra_as_with_it(site: str, here: Path) -> None:
    assert shipped_places(site, Path()) == places_of(compose_experiment([f"site={site}"]).experiment)
    assert shipped_places(site, Path("a b/${x}")).runs.is_relative_to(here / "a b" / "${x}")


def test_the_default_is_the_one_that_conf_says() -> None:
    assert chosen_site([]).name == compose_experiment([]).experiment.site.name
    assert yaml.safe_load((conf_dir() / "site" / f"{chosen_site([]).name}.yaml").read_text())["workspace"] == "."


def test_a_site_of_ones_own_is_found_and_remembered() -> None:
    own_site("mine", "defaults: [unistra]\nname: mine\nruns: my_runs")
    typed = chosen_site(["site=mine"], overlays())
    assert typed.is_new
    assert write_site(Path(), "mine", command="init site=mine")
    assert compose_experiment([], overlays()).experiment.site.runs == "my_runs"


def test_a_site_that_a_named_folder_alone_has_is_said_again_with_the_folder() -> None:
    own_site("mine", "defaults: [unistra]\nname: mine", "my conf")
    found = chosen_site(["site=mine"], overlays("my conf"))
    assert not found.is_new
    assert needed_words(found) == ["site=mine", f"--config-dir={Path('my conf').absolute()}"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("unistr", "did you mean unistra?"), ("../unistra", "choose one of"), ("a,b", "choose one of"), ("[x", "choose")],
)
def test_a_name_that_no_site_has_is_refused_with_where_it_stands(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(NAME).write_text(f"site: '{name}'\n")
    assert f"`site: {name}` in {NAME}: there is no such site" in refused()
    assert meant in refused()
    monkeypatch.setenv("HTR_EXP_SITE", name)
    assert f"HTR_EXP_SITE={name}: there is no such site" in refused()
    assert chosen_site(["site=laptop"]).name == "laptop"


def test_a_name_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTR_EXP_SITE", "a\x1b[2J\nb")
    assert "a\\u001b[2J\\nb" in refused()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it must name one site"),
        (b"unistra\n", "it must name one site"),
        (b"site:\n", "it must name one site"),
        (b"site: [unistra]\n", "it must name one site"),
        (b"site: {name: unistra}\n", "it must name one site"),
        (b"site: unistra\nsite: laptop\n", "it must name one site"),
        (b"site: unistra\ntracking: {uri: http://theirs}\n", "it says tracking: it may name a site, and nothing else"),
        (b"runtime.ketos: ./ketos\n", "it says runtime.ketos: it may name a site, and nothing else"),
        (b"<<: {site: unistra}\n", "it says <<"),
        (b"? [a]\n: b\n", "it says a list"),
        (b"site: unistra\n\tx", "it is not YAML (line 2)"),
        (b"site: a\n---\nsite: b\n", "it is not YAML"),
        (b"[" * 3000, "it is not YAML"),
        (b"site: \xff\xfe\n", "it is not UTF-8"),
        (b"site: \x1b[2J\n", "it is not YAML"),
        (b"# " + b"x" * MOST_BYTES + b"\nsite: unistra\n", f"it has more than {MOST_BYTES} bytes"),
        (b"site: !!python/name:os.system unistr\n", "there is no such site"),
    ],
)
def test_a_file_that_says_anything_else_is_refused(content: bytes, why: str) -> None:
    Path(NAME).write_bytes(content)
    said = refused()
    assert why in said
    assert NAME in said
    typed = chosen_site(["site=unistra"])  # the word does not need it
    assert (typed.name, typed.is_new) == ("unistra", False)
    assert why in typed.notes[0] or "is used, not" in typed.notes[0]


@pytest.mark.parametrize(
    "content", ["site: unistra", "\ufeff# mine\r\nsite: 'unistra' # at home\r\n", '{"site": "unistra"}']
)
def test_a_file_may_be_written_as_people_write_yaml(content: str) -> None:
    Path(NAME).write_bytes(content.encode())
    assert site_in(Path()) == "unistra"


def test_what_is_no_file_is_not_waited_for() -> None:
    os.mkfifo(NAME)
    assert "it is no file" in refused()
    os.unlink(NAME)
    os.mkdir(NAME)
    assert "it cannot be read" in refused()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file: run the tests as an ordinary user")
def test_a_file_that_must_not_be_read_is_named() -> None:
    Path(NAME).write_text("site: unistra\n")
    os.chmod(NAME, 0)
    assert f"{NAME}: it cannot be read (Permission denied)" in refused()


def test_a_file_that_is_there_is_left_as_it_is() -> None:
    Path(NAME).write_text("site: laptop # mine\n")
    assert not write_site(Path(), "unistra", command="train site=unistra")
    assert Path(NAME).read_text() == "site: laptop # mine\n"
    Path(NAME).unlink()
    Path(NAME).symlink_to("elsewhere")
    assert not write_site(Path(), "unistra", command="train site=unistra")
    assert not Path("elsewhere").exists()


def test_where_nothing_can_be_written_nothing_is_remembered() -> None:
    assert not write_site(Path("nowhere"), "unistra", command="train site=unistra")
