"""kraken's command lines for segmentation, and what it says while it trains."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.sentences import sentences
from helpers.unpacked_pages import beside_commands
from htr_exp.config import defaults
from htr_exp.config.schema import SegmentationScores, SegmentationTraining, Training
from htr_exp.core.task import SEGMENTATION
from htr_exp.kraken import commands_script as kraken_script
from htr_exp.kraken import options
from htr_exp.kraken.commands import predict_command, resume_command, segment_command, train_command
from htr_exp.kraken.log import REPLACED, further_of, validation_of
from htr_exp.kraken.options import remarks
from htr_exp.runs.run_dir import RunDir

OLD, NEW = "4.3.13", "7.1.1"


@pytest.fixture(scope="module")
def shipped() -> SegmentationTraining:
    training = defaults.shipped(SEGMENTATION).training
    assert isinstance(training, SegmentationTraining)
    return training


def trained(version: str, training: Training, **changes: Any) -> list[str]:
    words: dict[str, Any] = {
        "device": "cpu", "workers": "0", "seed": 1, "train": "T", "validation": "V", "output": "O", "base": "B", "spec": None,
        "task": SEGMENTATION, "classes": "C.yaml",
    }  # fmt: skip
    return train_command(version, training, **words | changes)


def resumed(training: Training, **changes: Any) -> list[str]:
    words: dict[str, Any] = {"device": "cpu", "workers": "0", "seed": 4, "checkpoint": "K", "output": "O"}
    return resume_command(NEW, training, task=SEGMENTATION, **words | changes)


def value(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


def problems(training: Training, version: str) -> list[str]:
    return sentences(options.problems(training, 1, version, SEGMENTATION))


def test_7_1_gets_every_setting_where_it_takes_it(shipped: SegmentationTraining) -> None:
    assert " ".join(trained(NEW, shipped)) == (
        "ketos --config C.yaml -v -d cpu --workers 0 --threads 1 --precision 32-true --no-deterministic -s 1 segtrain "
        "-f page -t T -e V -o O --weights-format coreml -i B --resize new -q early --lag 10 --min-epochs 0 "
        "-r 0.0002 --optimizer Adam -m 0.9 -w 1e-05 --gradient-clip-val 1.0 --accumulate-grad-batches 1 --warmup 0 "
        "--schedule constant -g 0.1 -ss 10 --sched-patience 5 --cos-max 50 --cos-min-lr 2e-05 --pad 0 0 --no-augment "
        "--line-width 8 --bl-tol 10.0 --dice-weight 0.5"
    )


def test_4_3_13_gets_every_setting_where_it_takes_it(shipped: SegmentationTraining) -> None:
    assert " ".join(trained(OLD, shipped)) == (
        "ketos -v --no-deterministic -s 1 segtrain "
        "-f page -t T -e V -o O -i B --resize new -q early --lag 10 --min-epochs 0 "
        "-d cpu --workers 0 --precision 32 -r 0.0002 --optimizer Adam -m 0.9 -w 1e-05 --warmup 0 "
        "--schedule constant -g 0.1 -ss 10 --sched-patience 5 --cos-max 50 --pad 0 0 --no-augment --line-width 8 -bl"
    )


def test_the_numbers_of_classes_are_given_to_7_1_alone_and_before_the_subcommand(shipped: SegmentationTraining) -> None:
    new = trained(NEW, shipped)
    assert new.index("--config") < new.index("segtrain")
    assert "--config" not in trained(OLD, shipped)
    assert "--config" not in trained(NEW, shipped, classes=None)


def test_pages_are_padded_on_both_axes(shipped: SegmentationTraining) -> None:
    for version in (OLD, NEW):
        argv = trained(version, replace(shipped, pad=7))
        at = argv.index("--pad")
        assert argv[at : at + 3] == ["--pad", "7", "7"]
        assert argv.count("--pad") == 1


@pytest.mark.parametrize(
    ("topline", "old", "new"),
    [("baseline", ["-bl"], []), ("topline", ["-tl"], ["-tl"]), ("centerline", ["-cl"], None)],
)
def test_where_the_line_lies_is_said_in_the_releases_own_words(
    shipped: SegmentationTraining, topline: str, old: list[str], new: list[str] | None
) -> None:
    changed = replace(shipped, topline=topline)
    words = {"-bl", "-tl", "-cl"}
    assert [word for word in trained(OLD, changed) if word in words] == old
    if new is not None:
        assert [word for word in trained(NEW, changed) if word in words] == new


def test_figures_of_7_1_are_given_where_they_are_set(shipped: SegmentationTraining) -> None:
    changed = replace(shipped, dice_weight=0.0, bl_tol=25.0, gradient_clip_val=0.0, line_width=4, augment=True)
    argv = trained(NEW, changed)
    assert [value(argv, option) for option in ("--dice-weight", "--bl-tol", "--gradient-clip-val", "--line-width")] == [
        "0.0", "25.0", "0.0", "4",
    ]  # fmt: skip
    assert "--augment" in argv
    assert "--no-augment" not in argv


def test_a_fixed_training_has_the_releases_own_word_and_an_end(shipped: SegmentationTraining) -> None:
    fixed = replace(shipped, quit="fixed", epochs=7)
    for version, word in ((OLD, "dumb"), (NEW, "fixed")):
        argv = trained(version, fixed)
        assert (value(argv, "-q"), value(argv, "-N")) == (word, "7")
        assert "--lag" not in argv


def test_from_scratch_there_is_a_network_and_no_resize(shipped: SegmentationTraining) -> None:
    spec = "[1,600,0,3 Cr7,7,16,2,2 Gn8]"
    for version in (OLD, NEW):
        argv = trained(version, shipped, base=None, spec=spec)
        assert argv[argv.index("segtrain") :].count("-s") == 1
        assert value(argv[argv.index("segtrain") :], "-s") == spec
        assert not {"-i", "--resize"} & set(argv)


def test_going_on_7_1_takes_the_checkpoint_and_nothing_that_it_holds(shipped: SegmentationTraining) -> None:
    assert " ".join(resumed(replace(shipped, quit="fixed", epochs=9), until_epoch=6)) == (
        "ketos -v -d cpu --workers 0 --threads 1 --precision 32-true --no-deterministic -s 4 segtrain "
        "--resume K -o O --weights-format coreml -q fixed -N 6 --min-epochs 0"
    )


def test_a_warm_restart_of_4_3_13_changes_no_class(shipped: SegmentationTraining) -> None:
    argv = trained(OLD, replace(shipped, quit="fixed", epochs=50), base="m_11.mlmodel", done=12)
    assert (value(argv, "-i"), value(argv, "--resize"), value(argv, "-N")) == ("m_11.mlmodel", "fail", "38")


def test_layout_is_found_on_images(shipped: SegmentationTraining) -> None:
    words: dict[str, Any] = {
        "pages": [("a.png", "a.xml"), ("b.png", "b.xml")], "model": "M", "device": "cuda:0", "precision": "bf16-true", "threads": 2,
    }  # fmt: skip
    assert " ".join(segment_command(NEW, **words)) == (
        "kraken -d cuda:0 --precision bf16-true --threads 2 -a -i a.png a.xml -i b.png b.xml segment -bl -i M"
    )
    assert " ".join(segment_command(OLD, **words)) == (
        "kraken -d cuda:0 -a -i a.png a.xml -i b.png b.xml segment -bl -i M"
    )


def test_with_a_segmenter_images_are_segmented_and_read_in_one_call() -> None:
    words: dict[str, Any] = {
        "pages": [("a.png", "a.jsonl")], "model": "M", "template": "T", "device": "cpu", "precision": "32-true", "threads": 1, "pad": 16,
    }  # fmt: skip
    for version in (OLD, NEW):
        alone, both = (predict_command(version, **words, segmenter=one) for one in (None, "S"))
        assert "segment" not in alone
        assert value(alone, "-f") == "page"
        assert "-f" not in both
        assert both[both.index("segment") : both.index("ocr") + 3] == ["segment", "-bl", "-i", "S", "ocr", "-m", "M"]
        assert both.index("-t") < both.index("segment")
        from_left, from_right = (predict_command(version, **words, segmenter="S", text_direction=f"horizontal-{one}") for one in ("lr", "rl"))  # fmt: skip
        assert from_left == both
        assert from_right[from_right.index("segment") :][:5] == ["segment", "-d", "horizontal-rl", "-bl", "-i"]


@pytest.mark.parametrize("version", [OLD, NEW])
def test_pages_that_are_read_from_the_right_are_segmented_so(version: str) -> None:
    words: dict[str, Any] = {"pages": [("a", "b")], "model": "M", "device": "cpu", "precision": "32-true", "threads": 1}
    from_left, from_right = (
        segment_command(version, **words, text_direction=f"horizontal-{one}") for one in ("lr", "rl")
    )
    assert from_left == segment_command(version, **words)
    assert from_right[-5:] == ["-d", "horizontal-rl", "-bl", "-i", "M"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"dice_weight": 0.5}, "training.dice_weight=0.5: kraken 4.3.13 cannot do that, 7.1.x can; with this one it must be training.dice_weight=0"),
    ({"bl_tol": 20.0}, "training.bl_tol=20: kraken 4.3.13 cannot do that, 7.1.x can; with this one it must be training.bl_tol=null"),
    ({"schedule": "reduceonplateau"}, "training.schedule=reduceonplateau: kraken 4.3.13 cannot do that, 7.1.x can; use constant, 1cycle, exponential, step"),
    ({"schedule": "cosine"}, "training.schedule=cosine: kraken 4.3.13 cannot do that, 7.1.x can; use constant, 1cycle, exponential, step"),
    ({"optimizer": "AdamW"}, "training.optimizer=AdamW: kraken 4.3.13 cannot do that, 7.1.x can; use Adam, SGD, RMSprop"),
    ({"gradient_clip_val": 1.0}, "training.gradient_clip_val=1: kraken 4.3.13 cannot do that, 7.1.x can; with this one it must be training.gradient_clip_val=0"),
    ({"threads": 2}, "training.threads=2: kraken 4.3.13 cannot do that, 7.1.x can; with this one it must be training.threads=1"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), REFUSED, ids=[f"{next(iter(one.values()))}" for one, _ in REFUSED])
def test_what_4_3_13_cannot_do_is_refused_with_the_release_that_can(
    shipped: SegmentationTraining, changes: dict[str, Any], said: str
) -> None:
    changed = replace(shipped, **changes)
    assert problems(changed, OLD) == [said]
    assert problems(changed, NEW) == []


def test_what_7_1_cannot_do_is_refused_with_the_release_that_can(shipped: SegmentationTraining) -> None:
    changed = replace(shipped, topline="centerline")
    assert problems(changed, NEW) == [
        "training.topline=centerline: kraken 7.1.1 cannot do that, 4.3.13 can; use baseline, topline"
    ]
    assert problems(changed, OLD) == []


@pytest.mark.parametrize("changes", [{"dice_weight": 0.0}, {"gradient_clip_val": 0.0}, {"topline": "topline"}])
def test_what_both_do_is_refused_by_none(shipped: SegmentationTraining, changes: dict[str, Any]) -> None:
    changed = replace(shipped, **changes)
    assert problems(changed, OLD) == problems(changed, NEW) == []


def test_the_shipped_recipe_is_one_for_both(shipped: SegmentationTraining) -> None:
    assert problems(shipped, OLD) == problems(shipped, NEW) == []


def test_the_record_says_of_4_3_13_what_concerns_segmentation(shipped: SegmentationTraining) -> None:
    said = " | ".join(remarks(replace(shipped, augment=True), OLD, SEGMENTATION))
    assert "warm one" in said
    assert "cut out of the page" not in said
    assert "validation lines" not in said
    assert remarks(shipped, NEW, SEGMENTATION) == []


# What it says, as recorded of 7.1.1 and 4.3.13.

PIXELS = (
    "[11/27/26 23:24:22] INFO     validation run: accuracy 0.9717129468917847 mean_acc 0.9717129468917847 mean_iu 0.5839717388153076 "
    "freq_iu 0.8066040277481079                                   blla.py:360"
)
LINES = "                    INFO     validation bl detection: P 0.9173 R 0.5424 F1 0.6523      blla.py:373"


def test_figures_of_a_validation_have_the_names_of_the_curve() -> None:
    assert validation_of(PIXELS) == {
        "val_accuracy": 0.9717129468917847, "val_mean_acc": 0.9717129468917847,
        "val_mean_iu": 0.5839717388153076, "val_freq_iu": 0.8066040277481079,
    }  # fmt: skip
    assert further_of(LINES) == {"val_bl_precision": 0.9173, "val_bl_recall": 0.5424, "val_bl_f1": 0.6523}


def test_each_line_is_taken_for_what_it_is() -> None:
    assert further_of(PIXELS) is None
    assert validation_of(LINES) is None
    recognised = "INFO     validation run: total chars 1000.0 errors 300.0 accuracy 0.7"
    assert validation_of(recognised) == {"val_cer": 0.3, "errors": 300, "characters": 1000}
    for line in ("", "validation run", "INFO validation run: accuracy 0.5", "Training set 4 images"):
        assert validation_of(line) is further_of(line) is None


def test_small_figures_and_none_at_all_are_read() -> None:
    small = "validation run: accuracy 1.0 mean_acc 9.5e-05 mean_iu 1e-07 freq_iu 0.0"
    assert validation_of(small) == {
        "val_accuracy": 1.0, "val_mean_acc": 9.5e-05, "val_mean_iu": 1e-07, "val_freq_iu": 0.0,
    }  # fmt: skip
    nothing = "validation run: accuracy nan mean_acc nan mean_iu nan freq_iu nan"
    assert set((validation_of(nothing) or {}).values()) == {0.0}
    assert further_of("validation bl detection: P 0.0000 R nan F1 nan") == {
        "val_bl_precision": 0.0, "val_bl_recall": 0.0, "val_bl_f1": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("line", ["Failed. Replacing with sample 1", "[11/27/26 23:18:40] INFO     Failed. Replacing with sample 12  x.py:1"])  # fmt: skip
def test_a_page_that_another_replaces_is_heard(line: str) -> None:
    assert REPLACED.search(line)
    assert not REPLACED.search("Failed processing a.xml")


# commands.sh


def script(training: Training, **changes: Any) -> str:
    words: dict[str, Any] = {
        "version": NEW, "device": "cpu", "seed": 1, "base": True, "spec": None, "sides": ["train", "validation", "test"],
        "scores": SegmentationScores(),
        "task": SEGMENTATION,
    }  # fmt: skip
    return kraken_script.script(training, files=RunDir(Path()), **words | changes)


SCRIPTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "early": ({}, {}),
    "in legs": ({"quit": "fixed", "epochs": 25}, {}),
    "from scratch": ({}, {"base": False, "spec": "[1,600,0,3 Cr7,7,16,2,2 Gn8]"}),
    "evaluate": ({}, {"sides": []}),
    "on a node": ({}, {"device": "auto"}),
    "4.3.13": ({"quit": "fixed"}, {"version": OLD}),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_commands_are_a_shell_script_without_compiling(
    name: str, shipped: SegmentationTraining, tmp_path: Path
) -> None:
    settings, facts = SCRIPTS[name]
    text = script(replace(shipped, **settings), **facts)
    (tmp_path / "commands.sh").write_text(text)
    said = subprocess.run(["sh", "-n", str(tmp_path / "commands.sh")], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    assert "compile" not in text
    assert ("segtrain" in text) is bool(facts.get("sides", True))
    assert "segment -bl -i" in text
    assert "classes.yaml" in text or facts.get("version") == OLD or name == "evaluate"


PLAYER = """#!/bin/sh
printf "%s\\n" NAME "$@" "" >> "$WORDS"
out=; while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
case "$out" in
  */leg-01) mkdir -p "$out"; echo one > "$out/best_0.6.mlmodel"; touch "$out/checkpoint_09-0.6.ckpt";;
  */leg-*) mkdir -p "$out"; echo two > "$out/best_0.5.mlmodel";;
  */m) for n in 0 1 2; do echo "$n" > "${out}_$n.mlmodel"; done
     for iu in 0.9 0.3 0.70001 0.7; do echo "INFO validation run: accuracy 1 mean_acc 1 mean_iu $iu freq_iu 1"; done;;
esac
"""


def played(folder: Path, text: str) -> list[list[str]]:
    """Run a script where `ketos` and `kraken` note their words, and the former leaves files."""
    (folder / "bin").mkdir(parents=True)
    beside_commands(folder, "it's 1", "$2")
    for name in ("ketos", "kraken"):
        (folder / "bin" / name).write_text(PLAYER.replace("NAME", name))
        (folder / "bin" / name).chmod(0o755)
    (folder / "commands.sh").write_text(text)
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "OUT": "by hand", "WORDS": str(folder / "words")}
    said = subprocess.run(["sh", "commands.sh"], cwd=folder, env=environment, capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    return [call.split("\n") for call in (folder / "words").read_text().strip("\n").split("\n\n")]


def test_the_script_trains_on_the_runs_pages_and_segments_the_held_out_images(
    shipped: SegmentationTraining, tmp_path: Path
) -> None:
    calls = played(tmp_path / "run", script(replace(shipped, quit="fixed", epochs=20)))
    first, second = (call for call in calls if "segtrain" in call)
    assert value(first, "--config") == "classes.yaml"
    assert [value(first, option) for option in ("-t", "-e", "-i")] == [
        "by hand/train.pages", "by hand/validation.pages", str(tmp_path / "the data" / "a base's $HOME.mlmodel"),
    ]  # fmt: skip
    assert value(second, "--resume") == "by hand/train/leg-01/checkpoint_09-0.6.ckpt"
    base, best = (call for call in calls if call[0] == "kraken")
    assert base[base.index("-a") + 1 : base.index("segment")] == [
        "-i", "by hand/pages/images/it's 1.png", "by hand/base/it's 1.png.xml",
        "-i", "by hand/pages/images/$2.png", "by hand/base/$2.png.xml",
    ]  # fmt: skip
    assert best[-4:] == ["segment", "-bl", "-i", "by hand/best.mlmodel"]
    assert (tmp_path / "run" / "by hand" / "best.mlmodel").read_text() == "one\n"  # of all legs


def test_the_script_of_4_3_13_chooses_by_the_log_without_its_sanity_check(
    shipped: SegmentationTraining, tmp_path: Path
) -> None:
    played(tmp_path / "run", script(replace(shipped, quit="fixed", epochs=3), version=OLD))
    assert (tmp_path / "run" / "by hand" / "best.mlmodel").read_text() == "1\n"
