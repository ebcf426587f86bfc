"""The site is typed once: every verb then looks into its folders, and every hint works as it is printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from helpers.in_process import Call
from helpers.recorded_runs import make_run
from htr_exp.config.choices import overlays
from htr_exp.config.compose import compose_experiment
from htr_exp.config.places import Places, places_of
from htr_exp.core.files import read_json
from htr_exp.core.own_command import own_command
from htr_exp.runs.selection import runs_in

RUNS = "Repertoire_model_finetune"
PROGRAM = own_command()


@pytest.fixture
def run_of_guide(workspace: Path) -> str:
    """A run in the folder that the users' guide names."""
    made = make_run(workspace)
    made.parent.rename(workspace / RUNS)
    return made.name


def hint(text: str) -> list[str]:
    """The words of the first command line that a message says."""
    found = re.search(rf"`{re.escape(PROGRAM)} ([^`]*)`", " ".join(text.split()))
    assert found, text
    return shlex.split(found[1])


@pytest.mark.parametrize("how", ["file", "variable", "word"])
def test_every_verb_that_looks_at_runs_finds_those_of_the_site(
    how: str, call: Call, workspace: Path, run_of_guide: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "file":
        (workspace / "htr-exp.yaml").write_text("site: unistra\n")
    elif how == "variable":
        monkeypatch.setenv("HTR_EXP_SITE", "unistra")
    words = ["site=unistra"] if how == "word" else []
    for verb in ("status", "compare"):
        assert [row["run"] for row in call(verb, "--json", *words).json] == [run_of_guide]
    assert call("logs", run_of_guide, *words).code == 0
    assert call("cancel", run_of_guide, *words).code == 0
    assert [row["run"] for row in call("sync", "--uri", "sqlite:///x.db", "--json", *words).json] == [run_of_guide]


def test_the_first_command_with_a_site_is_the_last_that_needs_it(
    call: Call, workspace: Path, run_of_guide: str
) -> None:
    assert call("status", "--json").json == []
    said = call("status", "site=unistra", "--json")
    assert "htr-exp.yaml says site: unistra from now on" in said.err
    assert len(said.json) == 1
    assert len(call("status", "--json").json) == 1
    other = call("status", "site=laptop", "--json")  # for once
    assert other.json == []
    assert "site=laptop is used, not `site: unistra` in htr-exp.yaml" in other.err
    assert len(call("status", "--json").json) == 1


@pytest.mark.parametrize("words", [[], ["site=unistra"], ["site=laptop", "site.runs=my_runs"], ["site.runs=a b"]])
@pytest.mark.parametrize("file", [None, "site: unistra\n", "site: laptop\n"])
def test_a_hint_leads_to_the_same_folders(words: list[str], file: str | None, call: Call, workspace: Path) -> None:
    """Whatever was typed and remembered, the command that is printed finds what this one looked for."""
    if file:
        (workspace / "htr-exp.yaml").write_text(file)
    said = call("status", *words)
    verb, *again = hint(said.out)
    assert verb == "train"
    typed = [word for word in again if word.startswith("site")]
    looked = places(words)
    assert places(typed) == looked


def places(words: list[str]) -> Places:
    return places_of(compose_experiment(words, overlays()).experiment)


def test_another_workspace_is_looked_at_as_if_one_stood_there(
    call: Call, workspace: Path, run_of_guide: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "htr-exp.yaml").write_text("site: unistra\n")
    elsewhere = workspace.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert len(call("status", "--workspace", workspace, "--json").json) == 1
    assert call("status", "--workspace", workspace, "site=laptop", "--json").json == []
    assert not list(elsewhere.iterdir())
    assert call("status", "--json").json == []
    shutil.rmtree(workspace / RUNS)
    assert hint(call("status", "--workspace", workspace).out)[:3] == [
        "train", "site=unistra", f"site.workspace={workspace}",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["defaults: [unistra]\nruns: my_runs", "defaults: [laptop]\nruns: my_runs"])
@pytest.mark.parametrize("name", ["mine", "laptop"])
def test_the_runs_of_a_site_of_ones_own_are_found(name: str, text: str, call: Call, workspace: Path) -> None:
    if name == "laptop":
        text = "workspace: .\nruns: my_runs\ncache: cache\nmodels: models\nground_truth: a\nimages: b"
    site = workspace / "conf" / "site" / f"{name}.yaml"
    site.parent.mkdir(parents=True)
    site.write_text(f"# Mine.\n{text}\nname: {name}\n")
    make_run(workspace).parent.rename(workspace / "my_runs")
    if name != "laptop":
        (workspace / "htr-exp.yaml").write_text(f"site: {name}\n")
    assert len(call("status", "--json").json) == 1


def test_a_run_says_which_site_it_was_made_at_and_by_whose_word(
    call: Call, workspace: Path, fake_kraken: Path, experiment: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dry = call("train", *experiment, "site=unistra", "--dry-run")
    assert dry.code == 0, dry.err
    assert not (workspace / "htr-exp.yaml").exists()
    assert "unistra: so says the command line" in dry.out
    refused = call("train", *experiment, "site=unistra", "split.test=2")
    assert refused.code == 2
    assert not (workspace / "htr-exp.yaml").exists()

    first = call("train", *experiment, "site=unistra")
    assert first.code == 0, first.err
    assert (workspace / "htr-exp.yaml").is_file()
    assert "site=" not in " ".join(re.findall(r"`[^`]*`", first.out))
    second = call("train", *experiment, "seed=2")
    assert second.code == 0, second.err
    monkeypatch.setenv("HTR_EXP_SITE", "unistra")
    assert call("train", *experiment, "seed=3").code == 0
    records = [read_json(run.provenance) for run in runs_in(workspace / RUNS)]
    sites = {tuple(record["command"])[-1]: record["site"] for record in records}
    assert sites == {
        "site=unistra": {"name": "unistra", "from": "the command line"},
        "seed=2": {"name": "unistra", "from": "htr-exp.yaml"},
        "seed=3": {"name": "unistra", "from": "HTR_EXP_SITE"},
    }
    assert not (workspace / "runs").exists()


@pytest.mark.parametrize("verb", ["status", "train", "check", "doctor"])
@pytest.mark.parametrize("text", ["site: elsewhere\n", "site: unistra\nruntime: {ketos: ./ketos}\n", "site: [\n"])
def test_a_file_that_says_anything_else_stops_every_verb_in_words(
    text: str, verb: str, call: Call, workspace: Path
) -> None:
    (workspace / "htr-exp.yaml").write_text(text)
    said = call(verb, *([] if verb == "status" else ["dataset=demo"]))
    assert said.code == 2
    assert "htr-exp.yaml" in said.err
    assert "Traceback" not in said.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere: run the tests as an ordinary user")
def test_where_the_file_cannot_be_written_hints_repeat_the_word(call: Call, workspace: Path) -> None:
    workspace.chmod(0o555)
    said = call("status", "site=unistra")
    assert hint(said.out)[:2] == ["train", "site=unistra"]
    assert "from now on" not in said.err


def test_init_makes_the_folders_and_remembers_the_site(call: Call, workspace: Path) -> None:
    said = call("init", "site=unistra")
    assert said.code == 0, said.err
    names = {"Ground_Truth", "Model_de_base", "Images", RUNS, "GT_compile", "htr-exp.yaml"}
    assert {path.name for path in workspace.iterdir()} == names
    assert "check dataset=NAME" in said.out
    assert "site=" not in said.out.partition("Then")[2]
    again = call("init", "--json")
    assert (again.json["site"], again.json["made"]) == ("unistra", [])
    assert call("init", "site=laptop").code == 0
    assert "site: laptop" in (workspace / "htr-exp.yaml").read_text()


def test_init_takes_the_place_of_a_file_that_cannot_be_used(call: Call, workspace: Path) -> None:
    (workspace / "htr-exp.yaml").write_text("sight: unistra\n")
    assert call("init").code == 2
    assert call("init", "site=unistra").code == 0
    assert call("status", "--json").json == []


def test_init_refuses_what_it_would_not_remember(call: Call, workspace: Path) -> None:
    said = call("init", "site=unistra", "site.runs=x", "dataset=demo", "unistra")
    assert said.code == 2
    for problem in (
        "site.runs=x: it would not be remembered",
        "dataset=demo; write site=NAME",
        "unistra; write site=NAME",
    ):
        assert problem in said.err
    assert list(workspace.iterdir()) == []


def test_init_names_all_that_is_in_its_way(call: Call, workspace: Path) -> None:
    (workspace / "Ground_Truth").write_text("")
    (workspace / RUNS).symlink_to("nowhere/at/all")
    said = call("init", "site=unistra")
    assert said.code == 2
    assert "Ground_Truth: it cannot be made" in said.err
    assert f"{RUNS}: it cannot be made" in said.err
    assert not (workspace / "htr-exp.yaml").exists()
