from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from helpers.command_line import CommandLine
from helpers.in_process import PROBLEM_KEYS, ROW_KEYS, Call
from helpers.page_files import make_pages, page_line, page_xml, put, write_image
from htr_exp import __version__
from htr_exp.cli.arguments import VERBS
from htr_exp.config.choices import conf_dir
from htr_exp.core.terminal import Unread


@pytest.fixture
def dry(call: Call, experiment: list[str]) -> Call:
    """Plan the small experiment, with changes, and start nothing."""
    return lambda *words: call("train", "--dry-run", *experiment, *words)


def test_help_lists_every_verb(call: Call) -> None:
    said = call("--help")
    assert said.code == 0
    assert all(f"\n  {verb} " in said.out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, call: Call) -> None:
    said = call(verb, "--help")
    assert said.code == 0
    assert VERBS[verb].sentence.split(":")[0] in " ".join(said.out.split())


def test_version(call: Call) -> None:
    assert call("--version").out.strip() == f"htr_exp {__version__}"


def test_no_verb_shows_help_and_is_an_error(call: Call) -> None:
    said = call()
    assert said.code == 2
    assert "verbs:" in said.out


def test_an_unknown_verb_is_told_what_was_meant(call: Call) -> None:
    said = call("trian", "dataset=demo")
    assert said.code == 2
    assert said.err.startswith("error: trian: there is no such verb; did you mean train?")


def test_an_unknown_verb_like_no_other_is_told_which_there_are(call: Call) -> None:
    said = call("zzz")
    assert said.code == 2
    assert said.err.startswith("error: zzz: there is no such verb; the verbs are train, evaluate, ")


def test_an_unknown_flag_is_an_error(call: Call) -> None:
    said = call("train", "--dryrun")
    assert said.code == 2
    assert "--dryrun: there is no such option" in said.err


def test_errors_are_words_and_not_a_traceback(htr_exp: CommandLine) -> None:
    said = htr_exp("train", "dataset=dmeo", "training.lrates=1", "seed=x", "training.schedule=cosinus")
    assert said.code == 2
    assert said.stdout == ""
    assert "Traceback" not in said.stderr
    assert said.stderr.startswith("error: the command line cannot be used:\n")
    assert [line[4:].partition(":")[0] for line in said.stderr.splitlines()[1:]] == [
        "dataset=dmeo", "training.lrates=1", "seed=x", "training.schedule=cosinus",
    ]  # fmt: skip
    assert said.stderr.count("did you mean") == 3


@pytest.mark.parametrize("words", [("check", "dataset=demo"), ("train", "--dry-run", "dataset=demo", "model=demo")])
def test_a_library_that_is_missing_is_an_error_in_plain_words(
    words: tuple[str, ...], call: Call, fake_kraken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had switched off the search for nearly identical pages, with a warning for images that could not be seen."""
    monkeypatch.setitem(sys.modules, "imagehash", None)
    said = call(*words, *[f"runtime.ketos={fake_kraken}"] * (words[0] == "train"))
    assert said.code == 2
    assert said.err.startswith("error: the Python library imagehash cannot be used (")
    assert "`make install` in " in said.err
    assert "Traceback" not in said.err


def test_a_fault_of_ours_keeps_its_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "htr_exp.cli.options", None)
    with pytest.raises(ImportError):
        call("options")


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt, 130), (Unread, 0)])
def test_ctrl_c_and_a_reader_that_left_are_no_faults(
    raised: type[BaseException], code: int, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(args: object) -> int:
        raise raised

    monkeypatch.setattr("htr_exp.cli.options.run", run)
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # which is closed where nobody reads
    assert call("options").code == code


@pytest.mark.parametrize(
    "raised", [MemoryError(), ImportError("libtorch.so: failed to map segment from shared object")]
)
def test_want_of_memory_is_said_with_its_reasons_on_lines_of_their_own(
    raised: BaseException, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(args: object) -> int:
        raise raised

    monkeypatch.setattr("htr_exp.cli.options.run", run)
    said = call("options")
    headline, remedy = said.err.splitlines()
    assert said.code == 2
    assert headline.startswith("error: the memory of this machine")
    assert remedy.startswith("  - close other programs")


def test_a_current_directory_that_is_gone_is_said(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = call("status")
    assert (said.code, said.err) == (2, "error: the current directory was deleted or moved: go to another one\n")


def test_a_dry_run_shows_plan_and_commands_and_starts_nothing(dry: Call, workspace: Path) -> None:
    said = dry()
    assert said.code == 0
    for part in (
        "6 pages, 18 lines",
        "train 4 pages",
        "kraken 7.1.1 on cpu",
        "a kill costs at most 1 epoch,",
        "#!/bin/sh",
        "ketos --workers 0 compile",
    ):
        assert part in " ".join(said.out.split())
    assert list(workspace.iterdir()) == []


def test_a_dry_run_for_programs_names_the_run(dry: Call, workspace: Path) -> None:
    said = dry("--json")
    assert said.json["state"] == "planned"
    assert Path(said.json["run"]).parent == workspace / "runs"
    assert Path(said.json["run"]).name.startswith("pages-base-")


@pytest.mark.parametrize("name", ["with space", "a=b", "a,b", "[draft] (1)", "it's", '"q"x', "${HOME}", "ſanctus ꝑ"])
def test_folders_may_be_called_anything(name: str, call: Call, experiment: list[str], base_model: Path) -> None:
    folder = make_pages(Path(name), 3, 1)
    model = base_model.rename(folder / f"{name}.mlmodel")
    words = [word for word in experiment if not word.startswith(("dataset", "model"))]
    said = call("train", "--dry-run", *words, f"dataset.path={name}", f"model.path={model}", "--json")
    assert (said.code, said.err) == (0, "")
    assert Path(said.json["run"]).name.startswith(f"{name}-{name}-")
    assert call("check", name, "--json").json["pages"] == 3


def test_a_network_is_taken_as_typed(dry: Call) -> None:
    spec = "[1,48,0,1 Cr3,3,16 Mp2,2 S1(1x12)1,3 Lbx100 Do0.1,2]"
    said = dry("model=none", "model.path=null", f"architecture.spec={spec}")
    assert f"-s '{spec}'" in said.out


def test_a_sweep_plans_every_point(dry: Call, workspace: Path) -> None:
    said = dry("-m", "seed=1,2", "training.lrate=1e-3,1e-4", "--json")
    runs = [json.loads(line)["run"] for line in said.out.splitlines()]
    assert (said.code, len(set(runs))) == (0, 4)
    assert list(workspace.iterdir()) == []


def test_problems_of_all_points_are_said_together(dry: Call) -> None:
    said = dry("-m", "training.epochs=0,3,-1", "seed=1,2", "model.path=none.mlmodel")
    assert said.code == 2
    for part in ("training.epochs=0: ", "training.epochs=-1: "):
        assert said.err.count(part) == 1
    assert "none.mlmodel" in said.err
    assert len(said.err.splitlines()) == 4


def test_bad_words_of_a_sweep_are_said_together(dry: Call) -> None:
    said = dry("-m", "training.lrate=1e-3,fast", "sead=1,2", "split=by_page,by_line")
    assert said.code == 2
    assert [line[4:].partition(":")[0] for line in said.err.splitlines()[1:]] == [
        "training.lrate=fast",
        "sead=1,2",
        "split=by_line",
    ]


@pytest.mark.parametrize("word", ["seed=glob(*)", "training.lrate=glob([1*,2*],exclude=3*)"])
def test_glob_is_for_groups_alone(word: str, dry: Call) -> None:
    said = dry("-m", word)
    assert said.code == 2
    assert f"{word}: glob chooses among the choices of a group" in said.err


def test_glob_chooses_among_the_choices_of_a_group(dry: Call, workspace: Path) -> None:
    said = dry("-m", "split=glob(by_p*)", "--json")
    assert (said.code, said.err) == (0, "")
    assert len(said.out.splitlines()) >= 1


def test_several_values_need_m(dry: Call) -> None:
    said = dry("seed=1,2")
    assert said.code == 2
    assert "run `train -m ...`" in said.err


def test_a_trained_run_is_shown_alike_to_people_and_programs(htr_exp: CommandLine, call: Call, workspace: Path) -> None:
    done = htr_exp.train("--json")
    assert done.code == 0, done.stderr
    assert done.json["state"] == "done"
    assert Path(done.json["run"]).is_dir()
    (row,) = call("status", "--json").json
    assert row.keys() >= ROW_KEYS
    assert (row["run"], row["state"], row["epoch"], row["metric"]) == (Path(done.json["run"]).name, "done", 3, "cer")
    (compared,) = call("compare", "--json").json
    assert compared.keys() >= ROW_KEYS
    for words in (["status"], ["compare"], ["status", "last"], ["status", row["run"][:-3]]):
        assert row["run"] in call(*words).out
    assert {entry.name for entry in workspace.iterdir()} == {"runs", "cache"}  # neither outputs/, multirun/ nor .hydra
    assert not list(workspace.rglob(".hydra")) + list(workspace.rglob("*.hydra")) + list(workspace.rglob("multirun*"))


def test_a_sweep_answers_programs_with_a_list_and_leaves_no_litter(htr_exp: CommandLine, workspace: Path) -> None:
    done = htr_exp.train("-m", "seed=1,2", "--json")
    assert done.code == 0, done.stderr
    assert [row["state"] for row in done.json] == ["done", "done"]
    assert len({row["run"] for row in done.json}) == 2
    assert {entry.name for entry in workspace.iterdir()} == {"runs", "cache"}
    assert not [
        path for path in workspace.rglob("*") if path.name in (".hydra", "multirun.yaml", "outputs", "multirun")
    ]


def test_no_runs_are_no_error(call: Call) -> None:
    assert (call("status").code, call("status", "--json").json, call("compare", "--json").json) == (0, [], [])
    assert "there are no runs here yet" in call("status").out


def test_an_unknown_run_is_told_which_there_are(call: Call) -> None:
    said = call("status", "nope")
    assert said.code == 2
    assert said.err.startswith("error: nope: there is no such run in ")


def test_check_answers_programs(call: Call, pages: Path) -> None:
    write_image(pages / "bad.png", shade=99)
    put(pages, page_xml(page_line(1) + page_line(2, baseline=None), image="bad.png"), "bad.xml")
    said = call("check", str(pages), "--json")
    assert said.code == 0
    assert {key: said.json[key] for key in ("pages", "lines")} == {"pages": 7, "lines": 19}
    assert said.json["characters"] > 0
    assert [set(problem) for problem in said.json["problems"]] == [PROBLEM_KEYS]
    assert [(problem["severity"], problem["file"], problem["line"]) for problem in said.json["problems"]] == [
        ("dropped", "bad.xml", "l2")
    ]


def test_check_with_errors_still_answers_and_ends_with_2(call: Call, pages: Path) -> None:
    (pages / "f01.png").unlink()
    said = call("check", str(pages), "--json")
    assert said.code == 2
    assert [problem["severity"] for problem in said.json["problems"]] == ["error"]
    said = call("check", str(pages))
    assert said.code == 2
    assert "error: " in said.out


def test_check_takes_several_folders_and_a_dataset(call: Call, pages: Path, tmp_path: Path) -> None:
    more = tmp_path / "it's more, pages=2"
    for number in (1, 2):
        write_image(more / f"{number}.png", shade=50 + number)
        put(more, page_xml(page_line(1), image=f"{number}.png"), f"{number}.xml")
    assert call("check", str(pages), str(more), "--json").json["pages"] == 8
    assert call("check", "dataset=demo", "--json").json["pages"] == 18
    assert call("check").code == 2


def test_options_list_every_file(call: Call) -> None:
    said = call("options")
    found = [*conf_dir().glob("*/*.yaml"), *conf_dir().glob("launch/search/*.yaml")]
    files = {file.relative_to(conf_dir()).with_suffix("") for file in found}
    for file in files:
        assert f"\n  {file.name} " in said.out
    groups = call("options", "--json").json
    assert {f"{group}/{name}" for group in groups for name in groups[group]} == {file.as_posix() for file in files}
    assert all(sentence for choices in groups.values() for sentence in choices.values())


def test_a_dataset_is_named_by_a_copied_file(call: Call, experiment: list[str], pages: Path, workspace: Path) -> None:
    own = workspace / "conf" / "dataset" / "gratian.yaml"
    own.parent.mkdir(parents=True)
    own.write_text((conf_dir() / "dataset" / "folder.yaml").read_text().replace("path: null", f"path: {pages}"))
    words = [word for word in experiment if not word.startswith("dataset")]
    said = call("train", "--dry-run", "dataset=gratian", "dataset.name=gratian", *words, "--json")
    assert Path(said.json["run"]).name.startswith("gratian-base-")
    assert "gratian" in call("options", "--json").json["dataset"]
    assert call("check", "dataset=gratian", "--json").json["pages"] == 6


def test_config_dir_wins(call: Call, workspace: Path, pages: Path) -> None:
    for folder, path in (("conf", "nowhere"), ("mine", str(pages))):
        (workspace / folder / "dataset").mkdir(parents=True)
        (workspace / folder / "dataset" / "demo.yaml").write_text(f"# Mine.\ndefaults: [folder]\npath: {path}\n")
    assert call("check", "dataset=demo", "--json").code == 2
    assert call("check", "dataset=demo", "--json", "--config-dir", "mine").json["pages"] == 6
    assert call("check", "dataset=demo", "--config-dir", "nowhere").code == 2


@pytest.mark.parametrize("words", [[], ["--dry-run"], ["-m", "seed=1,2"]])
def test_a_ctrl_c_while_a_plan_is_made_is_answered(
    words: list[str], htr_exp: CommandLine, workspace: Path, tmp_path: Path
) -> None:
    """It comes while kraken's version is asked."""
    ketos = tmp_path / "ketos"
    ketos.write_text("#!/bin/sh\nkill -INT $PPID\necho 'ketos, version 7.1.1'\n")
    ketos.chmod(0o755)
    said = htr_exp.train(f"runtime.ketos={ketos}", *words)
    assert (said.code, said.stdout) == (130, "")
    assert said.stderr.splitlines()[-1] == "stopped while planning: no run was written or started"
    assert "Traceback" not in said.stderr
    assert not (workspace / "runs").exists()


@pytest.mark.parametrize("verb", ["logs", "ui", "completion"])
def test_json_is_refused_where_it_has_no_effect(verb: str, call: Call) -> None:
    said = call(verb, "--json")
    assert said.code == 2
    assert "unrecognized arguments: --json" in said.err
