from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.recorded_runs import make_run
from htr_exp.core.files import append_jsonl, read_json
from htr_exp.core.run_state import RunState
from htr_exp.runs.run_dir import RunDir, StateRecord
from htr_exp.tracking.tags import _command_again, tags_of


@pytest.mark.parametrize(
    ("command", "again"),
    [
        (["htr-exp", "train", "dataset=demo"], "htr-exp train dataset=demo again=true"),
        (["htr-exp", "train", "-m", "seed=1,2", "again=false"], "htr-exp train -m seed=1,2 again=true"),
        (["htr-exp", "train", "dataset.path=a b"], "htr-exp train 'dataset.path=a b' again=true"),
        ([], None),
        (None, None),
    ],
    ids=["train", "sweep", "blanks", "empty", "unknown"],
)
def test_the_command_that_does_a_run_again(command: list[str] | None, again: str | None) -> None:
    provenance: dict[str, Any] = {"command": command}
    assert _command_again(provenance) == again


def test_the_tags_of_a_run_are_what_its_folder_says(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    facts = read_json(folder / "provenance.json")
    facts |= {
        "leakage": {"accepted": ["same_image", "near_text"], "base_model": {"trained_on": "unknown"}},
        "conventions": {"dataset": "graphematic", "model": "expanded"},
        "segmentation_model": {"name": "blla"},
        "classes": {"numbers": {"lines": {"default": 2, "margin": 3}, "regions": {}}},
        "kraken": {"remarks": ["one", "two"]},
    }
    facts["split"] |= {"fold": "2 of 5"}
    state = StateRecord(RunState.FAILED, reason="out of memory")
    results = read_json(folder / "results.json") | {
        "kraken": {"version": "7.1.1", "kind": "apptainer", "image": "/images/k.sif", "image_sha256": "a" * 64,
                   "module": None, "modules": ["gcc", "cuda"], "fallback": "no module"},
    }  # fmt: skip
    tags = tags_of(folder, tmp_path, facts, state, results, epochs=3)
    note = tags.pop("mlflow.note.content")
    assert {key.removeprefix("htr_exp."): value for key, value in tags.items()} == {
        "uuid": "uuid-of-odalricus-tridis-0a1b2c3d", "key": "0a1b2c3d", "name": "odalricus-tridis-0a1b2c3d",
        "task": "recognition", "state": "failed", "reason": "out of memory",
        "folder": "runs/odalricus-tridis-0a1b2c3d", "best_model": "runs/odalricus-tridis-0a1b2c3d/best.mlmodel",
        "model": "tridis", "model_sha256": "f" * 64, "segmentation_model": "blla", "classes": "lines: default, margin",
        "leakage": "near_text, same_image", "base_trained_on": "unknown",
        "dataset": "odalricus", "dataset_digest": "d" * 64, "split_digest": "e" * 64, "fold": "2 of 5",
        "dataset_convention": "graphematic", "model_convention": "expanded",
        "convention_mismatch": "expanded -> graphematic",
        "kraken": "7.1.1", "runtime": "apptainer", "image": "/images/k.sif", "image_sha256": "a" * 64,
        "modules": "gcc, cuda", "fallback": "no module", "kraken_remarks": "one; two",
        "commit": "c0ffee", "version": "0.1.0", "best_epoch": "3", "host": "gpu-07",
        "mlflow.source.name": "htr-exp train dataset=odalricus model=tridis training.lrate=0.0001",
        "mlflow.source.type": "LOCAL", "mlflow.source.git.commit": "c0ffee",
        "mlflow.runName": "odalricus-tridis-0a1b2c3d",
    }  # fmt: skip
    assert note.split("\n\n") == [
        "**odalricus**, recognition, from tridis.",
        "Test CER: 20.00 % before, **12.00 %** after training (held-out lines: 25, pages: 1).",
        "**Leakage accepted: near_text, same_image**: the scores rest on pages that were seen before.",
        "State: failed (out of memory). Epochs: 3, the best is epoch 3.",
        "Folder: `runs/odalricus-tridis-0a1b2c3d` (below the workspace). The exact kraken commands: `commands.sh`.",
        "Do it again, where it was started: `htr-exp train dataset=odalricus model=tridis training.lrate=0.0001 again=true`",
    ]


def test_a_tag_is_no_longer_than_mlflow_allows(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    state = StateRecord(RunState.FAILED, reason="x" * 9000)
    assert len(tags_of(folder, tmp_path, read_json(folder / "provenance.json"), state, {}, 0)["htr_exp.reason"]) == 8000


@pytest.mark.parametrize("side", ["test", "validation"])
def test_a_model_that_training_made_worse_is_said_to_be_on_whatever_side_it_was_scored(
    side: str, tmp_path: Path
) -> None:
    folder = make_run(tmp_path)
    results = {"test": {"base": None, "best": None}, side: {"base": {"cer": 0.1}, "best": {"cer": 0.2}}}
    tags = tags_of(folder, tmp_path, read_json(folder / "provenance.json"), StateRecord(RunState.DONE), results, 3)
    said = f"worse than its base model: {side} CER 10.00 % before training, 20.00 % after it"
    assert tags["htr_exp.worse_than_base"] == said
    assert f"**W{said[1:]}.**" in tags["mlflow.note.content"]


def test_conventions_that_a_later_judgement_says_are_the_tags(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    conventions = {"dataset": "graphematic", "model": "expanded"}
    append_jsonl(RunDir(folder).judgements, {"leakage": {}, "conventions": conventions, "command": [], "time": ""})
    facts, done = read_json(folder / "provenance.json"), StateRecord(RunState.DONE)
    assert tags_of(folder, tmp_path, facts, done, {}, 3)["htr_exp.convention_mismatch"] == "expanded -> graphematic"


def test_how_often_a_test_was_scored_and_what_was_left_out_are_tags(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    left_out = {"excluded": ["a.xml", "b.xml"], "scored_before": [{"page": "a.xml", "run": "r"}]}
    facts = read_json(folder / "provenance.json") | {"left_out": left_out}
    results = {"test_scored": {"times": 3, "runs": 2, "in_part": 0, "incomplete": False}}
    tags = tags_of(folder, tmp_path, facts, StateRecord(RunState.DONE), results, 3)
    assert tags["htr_exp.test_scored"] == "scored 3 times by 2 runs"
    assert (tags["htr_exp.excluded_pages"], tags["htr_exp.left_out_scored"]) == ("2", "a.xml (r)")
    note = tags["mlflow.note.content"]
    assert "**The run leaves out 1 page that an earlier run was scored on: a.xml (r).**" in note
    assert "Test pages when this run ended: scored 3 times by 2 runs." in note
