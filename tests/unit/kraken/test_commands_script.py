from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.folders import TESTS
from helpers.unpacked_pages import beside_commands
from htr_exp.config.defaults import shipped
from htr_exp.config.schema import RecognitionScores, Training
from htr_exp.kraken import commands_script as kraken_script
from htr_exp.kraken.legs import legs
from htr_exp.runs.run_dir import RunDir

SPEC = "[1,48,0,1 Cr3,3,16 Mp2,2 S1(1x12)1,3 Lbx100 Do0.1,2]"
GOLDEN = TESTS / "data" / "commands"


@pytest.fixture(scope="module")
def training() -> Training:
    return replace(shipped().training, lrate=0.003)


def script(training: Training, **changes: Any) -> str:
    facts: dict[str, Any] = {
        "version": "7.1.1", "device": "cpu", "seed": 1, "base": True, "spec": None,
        "sides": ["train", "validation", "test"], "scores": RecognitionScores(pad=16),
    }  # fmt: skip
    return kraken_script.script(training, files=RunDir(Path()), **facts | changes)


SCRIPTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "early": ({}, {}),
    "fixed_in_legs": ({"quit": "fixed", "epochs": 25, "normalization": "NFD", "augment": True}, {"seed": 7}),
    "fixed_in_one_leg": ({"quit": "fixed", "epochs": 25, "leg_epochs": 0, "legacy_polygons": True}, {"device": "cuda:0"}),
    "from_scratch": ({"optimizer": "SGD", "deterministic": True}, {"base": False, "spec": SPEC, "sides": ["train", "validation"]}),
    "evaluate": ({}, {"sides": []}),
    "exact": ({"exact": True, "epochs": 5, "leg_epochs": 2, "lag": 3}, {}),
    "on_a_node": ({}, {"device": "auto"}),
    "release_4_3": ({"augment": True}, {"version": "4.3.13", "reach": "module load kraken/4.3.13"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_commands_are_what_they_were(name: str, training: Training) -> None:
    """After a wanted change, write what is new to tests/data/commands/ and read the difference."""
    settings, facts = SCRIPTS[name]
    assert script(replace(training, **settings), **facts) == (GOLDEN / f"{name}.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_commands_are_a_shell_script(name: str, training: Training, tmp_path: Path) -> None:
    settings, facts = SCRIPTS[name]
    (tmp_path / "commands.sh").write_text(script(replace(training, **settings), **facts))
    said = subprocess.run(["sh", "-n", str(tmp_path / "commands.sh")], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")


def played(folder: Path, text: str) -> list[list[str]]:
    """Run a script where `ketos` and `kraken` only note their words, as one that trains would leave files."""
    folder.mkdir()
    beside_commands(folder, "it's 1", "$2")
    bin_ = folder / "bin"
    bin_.mkdir()
    for name in ("ketos", "kraken"):
        (bin_ / name).write_text(
            f'#!/bin/sh\nprintf "%s\\n" {name} "$@" "" >> "$WORDS"\n'
            'out=; while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done\n'
            'case "$out" in */leg-*) mkdir -p "$out"; n=${out##*leg-}; touch "$out/best_0.$n.mlmodel";\n'
            'touch "$out/checkpoint_09-0.5.ckpt" "$out/checkpoint_19-0.6.ckpt";; esac\n'
        )
        (bin_ / name).chmod(0o755)
    (folder / "commands.sh").write_text(text)
    environment = {"PATH": f"{bin_}:/usr/bin:/bin", "OUT": "by hand", "WORDS": str(folder / "words")}
    said = subprocess.run(["sh", "commands.sh"], cwd=folder, env=environment, capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    return [call.split("\n") for call in (folder / "words").read_text().strip("\n").split("\n\n")]


def test_names_with_spaces_quotes_and_dollars_arrive_whole(training: Training, tmp_path: Path) -> None:
    calls = played(tmp_path / "a run's $folder", script(replace(training, quit="fixed", epochs=20)))
    trained = [call for call in calls if "train" in call]
    base = str(tmp_path / "the data" / "a base's $HOME.mlmodel")
    assert trained[0][trained[0].index("-i") + 1] == base
    assert trained[0][trained[0].index("-t") + 1] == "by hand/train.list"
    assert trained[1][trained[1].index("--resume") + 1] == "by hand/train/leg-01/checkpoint_09-0.5.ckpt"
    recognised = [call for call in calls if call[0] == "kraken"]
    assert [call[call.index("-m") + 1] for call in recognised] == [
        base,
        "by hand/best.mlmodel",
    ]
    first = recognised[1].index("-i")
    assert recognised[1][first : first + 6] == [
        "-i", "by hand/pages/it's 1.xml", "by hand/best/it's 1.jsonl", "-i", "by hand/pages/$2.xml", "by hand/best/$2.jsonl",
    ]  # fmt: skip


def test_a_network_from_scratch_arrives_whole(training: Training, tmp_path: Path) -> None:
    calls = played(tmp_path / "run", script(training, base=False, spec=SPEC))
    (trained,) = [call for call in calls if "train" in call]
    assert SPEC in trained
    assert len([call for call in calls if call[0] == "kraken"]) == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"quit": "early"}, [("leg-01", None)]),
        ({"quit": "fixed", "epochs": 10}, [("leg-01", 10)]),
        ({"quit": "fixed", "epochs": 21}, [("leg-01", 10), ("leg-02", 20), ("leg-03", 21)]),
        ({"quit": "fixed", "epochs": 20}, [("leg-01", 10), ("leg-02", 20)]),
        ({"quit": "fixed", "epochs": 4, "leg_epochs": 3}, [("leg-01", 3), ("leg-02", 4)]),
        ({"quit": "fixed", "epochs": 21, "leg_epochs": 0}, [("leg-01", 21)]),
    ],
)
def test_legs_end_where_checkpoints_are_left(
    settings: dict[str, Any], expected: list[tuple[str, int | None]], training: Training
) -> None:
    assert legs(replace(training, **settings)) == expected


KETOS = """#!/bin/sh
out=; until=0; while [ $# -gt 0 ]; do case "$1" in -o) out=$2;; -N) until=$2;; convert) echo "$6" > "$3";; esac; shift; done
[ "$until" = 0 ] && exit
mkdir -p "$out"; done=$(cat epochs 2>/dev/null || echo 0)
for errors in $(tail -n +$((done + 1)) errors | head -n $((until - done))); do
  echo "INFO validation run: total chars 1000.0 errors $errors.0 accuracy 0.5"
  touch "$out/checkpoint_0$done-0.5.ckpt"; done=$((done + 1))
done
echo $done > epochs
"""


@pytest.mark.parametrize(
    ("changes", "errors", "trained", "best"),
    [
        ({"lag": 3}, [300, 200, 250, 260, 270, 100, 90, 80], 6, 1),  # patience is spent within the leg
        ({"lag": 3}, [300, 200, 250, 150, 160, 170, 180, 80], 8, 3),
        ({"lag": 2, "min_epochs": 5}, [300, 310, 320, 330, 340, 100, 90, 80], 6, 0),
        ({"lag": 3}, [300, 200, 0, 10, 20, 30, 40, 50], 4, 2),
        ({"quit": "fixed"}, [300, 200, 250, 260, 270, 280, 90, 95], 8, 6),
    ],
)
def test_the_commands_of_an_exact_training_end_where_it_does(
    changes: dict[str, Any], errors: list[int], trained: int, best: int, training: Training, tmp_path: Path
) -> None:
    settings = replace(training, exact=True, epochs=8, leg_epochs=2, **changes)
    folder = tmp_path / "run"
    folder.mkdir()
    beside_commands(folder, "1")
    (folder / "commands.sh").write_text(script(settings))
    (folder / "errors").write_text("".join(f"{one}\n" for one in errors))
    for name, text in (("ketos", KETOS), ("kraken", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    said = subprocess.run(["sh", "commands.sh"], cwd=folder, env=environment, capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    assert (folder / "epochs").read_text() == f"{trained}\n"
    converted = (folder / "by-hand" / "best.mlmodel").read_text()
    assert f"checkpoint_{best:02d}-" in converted


def test_the_commands_of_a_resumed_run_say_which_line_gives_another_model(training: Training, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    text = script(training).replace("set -eu", "set -eu\necho '{\"exact\": false}' > live/starts.jsonl")
    with pytest.raises(AssertionError, match="was resumed after an interruption: the line below '# training'"):
        played(folder, text)
