"""What a training of the fake ketos 7.1.1 does: it writes checkpoints, and goes on from one; see fake_ketos.py."""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

from fakes.ketos_training import CHARACTERS, Training, at_epoch, errors_of, is_other, mean_iu_of
from fakes.scenario import Classes, classes_of_model, numbered, resized, segmentation_weights, weights

KEPT = 10


class State:
    """What a checkpoint remembers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.epochs = 0
        self.best: list[tuple[float, str]] = []  # of the ten kept
        self.best_accuracy = -1.0
        self.waited = 0
        self.validating = False
        self.learnt = ""  # in a word: it follows from the seeds of all starts, and from the epochs that each has done
        self.classes: dict[str, Classes] | None = None  # of a segmenter: what its outputs are called, what they learn
        self.claimed: float | None = None

    @classmethod
    def of(cls, checkpoint: Path, folder: Path) -> State:
        with zipfile.ZipFile(checkpoint) as archive:
            values = pickle.loads(archive.read("archive/data.pkl"))
        state = cls(folder)
        state.epochs = values["fake"]["epochs"]
        state.best_accuracy, state.waited = values["fake"]["best_accuracy"], values["fake"]["waited"]
        state.validating, state.classes = values["fake"]["validating"], values["fake"]["classes"]
        state.learnt = values["fake"]["learnt"]
        if values["fake"]["folder"] == str(folder.absolute()):
            state.best = values["fake"]["best"]
        return state

    def write(self, path: Path, *, under_way: bool, accuracy: float, padding_kb: int) -> None:
        progress = {"ready": self.epochs + under_way, "started": self.epochs + under_way, "processed": self.epochs}
        loop = {
            "epoch_progress": {"current": {**progress, "completed": self.epochs}},
            "epoch_loop.batch_progress": {"is_last_batch": self.validating},
        }
        values = {
            "loops": {"fit_loop": loop},
            "fake": {
                "epochs": self.epochs,
                "accuracy": accuracy,
                "best": self.best,
                "best_accuracy": self.best_accuracy,
                "waited": self.waited,
                "validating": self.validating,
                "learnt": self.learnt,
                "classes": self.classes,
                "claimed": self.claimed,
                "folder": str(self.folder.absolute()),
            },
        }
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(values))
            archive.writestr("archive/data/0", os.urandom(1024 * padding_kb))


class Training7(Training):
    """Each validation is logged, then a checkpoint written; `--resume` goes on from one."""

    log_start = "[11/23/26 15:02:12]"
    log_places = ("vgsl.py:404", "blla.py:360")

    def __init__(self, args: argparse.Namespace, play: dict[str, Any]) -> None:
        super().__init__(args, play)
        self.folder = Path(args.o)
        if args.resume:
            self.state = State.of(Path(args.resume), self.folder)
        else:
            self.check_data()
            self.state = State(self.folder)
            self.state.classes = classes_of(args) if self.layout else None
        self.epoch = self.begun_at = self.state.epochs
        self.seed = sys.argv[sys.argv.index("-s") + 1]  # the group's: of the subcommand, -s is the network
        self.accuracy = self.state.best_accuracy

    def announce(self) -> None:
        if not self.layout:
            counts = "Training set 152 lines, validation set 42 lines, alphabet 60 symbols"
            print(f"[11/23/26 15:02:12] INFO     {counts}  vgsl.py:334")

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def is_over(self) -> bool:
        state, args = self.state, self.args
        if args.q == "fixed":
            return state.epochs >= int(args.N)
        spent = state.waited >= int(args.lag) or state.best_accuracy >= 1
        return state.epochs > 0 and spent and state.epochs >= int(args.min_epochs)

    def train_epoch(self) -> None:
        state, play = self.state, self.play
        share = 0.5 if state.validating else 1  # of the validation that is left to do
        if not state.validating:
            self.read(play.get("samples", 0))
            self.step(play.get("epoch_seconds", 0.02))
            drawn = f"{state.learnt} {self.seed} {self.epoch - self.begun_at}"
            state.learnt = hashlib.sha256(drawn.encode()).hexdigest()[:16]
        state.validating = True
        if "validation_seconds" in play:
            print("validates", flush=True)
        self.step(play.get("validation_seconds", 0))
        state.validating = False
        if self.layout:
            self.accuracy = mean_iu_of(play, self.epoch)
            state.claimed = at_epoch(play.get("found"), self.epoch)
            self.log_pixels(self.accuracy)
            found = f"P 0.9000 R {0.5 + self.accuracy / 2:.4f} F1 {0.6 + self.accuracy / 3:.4f}"
            print(f"{'':20}INFO     {f'validation bl detection: {found}':110} blla.py:373", flush=True)
        else:
            errors = round(errors_of(play, self.epoch) * share)
            self.accuracy = 1 - errors / CHARACTERS
            self.log_characters(CHARACTERS * share, errors, self.accuracy)
        self.validated()
        self.epoch = state.epochs

    def validated(self) -> None:
        """Count patience, and keep the checkpoint if it is among the ten best: of equals the earlier stays."""
        state, accuracy = self.state, self.accuracy
        name = self.folder / f"checkpoint_{state.epochs:02d}-{accuracy:.4f}.ckpt"
        state.epochs += 1
        improved = accuracy > state.best_accuracy
        state.best_accuracy, state.waited = max(accuracy, state.best_accuracy), 0 if improved else state.waited + 1
        worst = min(state.best, key=lambda one: one[0]) if len(state.best) >= KEPT else None
        if worst is not None and accuracy <= worst[0]:
            return
        state.best.append((accuracy, str(name)))
        if worst is not None:
            state.best.remove(worst)
        self.write(name, under_way=False)
        if worst is not None:
            Path(worst[1]).unlink(missing_ok=True)

    def write(self, path: Path, *, under_way: bool) -> None:
        padding = self.play.get("checkpoint_kb", 0)
        self.state.write(path, under_way=under_way, accuracy=self.accuracy, padding_kb=padding)

    def abort(self) -> None:
        self.write(self.folder / "checkpoint_abort.ckpt", under_way=True)

    def finish(self) -> None:
        accuracy, checkpoint = max(self.state.best, key=lambda one: one[0])
        ending = "mlmodel" if self.args.weights_format == "coreml" else "safetensors"
        target = self.folder / f"best_{accuracy:.4f}.{ending}"
        target.write_bytes(weights_of(Path(checkpoint)))
        print(f"Converting best model {checkpoint} (score: {accuracy:.4f}) to weights file {target}")


def classes_of(args: argparse.Namespace) -> dict[str, Classes]:
    """What the outputs of the network will be called, and what they will learn."""
    pages = [Path(line) for line in Path(args.t).read_text().split("\n") if line]
    learnt = numbered(pages)
    if args.config:
        import yaml

        given = yaml.safe_load(Path(args.config).read_text())["segtrain"]
        pairs = {"baselines": given["line_class_mapping"], "regions": given["region_class_mapping"]}
        learnt = {sort: {name: number for name, number in of} for sort, of in pairs.items()}
    if args.i is None:
        return {"called": learnt, "learnt": learnt}
    base = classes_of_model(Path(args.i))
    if args.resize not in ("union", "new") and is_other(base, learnt):
        sys.exit("ValueError: Training data and model class mapping differ (fail)")
    called = resized(base, learnt, args.resize)
    if {sort: {*of.values()} for sort, of in called.items()} != {sort: {*of.values()} for sort, of in learnt.items()}:
        sys.exit(f"Error: outputs are called {called} and learn {learnt}")
    return {"called": called, "learnt": learnt}


def weights_of(checkpoint: Path) -> bytes:
    with zipfile.ZipFile(checkpoint) as archive:
        values = pickle.loads(archive.read("archive/data.pkl"))["fake"]
    about = {"claimed": values["claimed"]} if values["claimed"] is not None else {}
    about |= {"epochs": values["epochs"], "accuracy": values["accuracy"], "seeds": values["learnt"]}
    if values["classes"] is None:
        return weights(**about)
    return segmentation_weights(values["classes"]["called"], values["classes"]["learnt"], **about)
