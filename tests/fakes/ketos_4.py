"""What a training of the fake ketos 4.3.13 does: it writes a model after each validation; see fake_ketos.py."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from fakes.ketos_training import CHARACTERS, Training, at_epoch, errors_of, is_other, mean_iu_of
from fakes.scenario import Classes, classes_of_model, numbered, resized, segmentation_weights, weights


class Training4(Training):
    """Each start counts its epochs from 0, and goes on from nothing but a model."""

    log_start = "[11/23/26 15:13:31]"
    log_places = ("train.py:498", "train.py:886")

    def __init__(self, args: argparse.Namespace, play: dict[str, Any]) -> None:
        super().__init__(args, play)
        self.check_data()
        base = Path(args.i) if args.i else None
        self.classes = classes_of(args) if self.layout else {}
        self.history = history_of(base) if base else []
        self.begun = epochs_of(base) if base else 0
        self.epoch = self.begun
        self.best, self.best_epoch = play.get("sanity_check", 0.5), 0  # its choice
        self.most, self.waited = -1.0, 0  # what stops it early does not count the sanity check

    @property
    def here(self) -> int:
        """How many epochs this start has done."""
        return self.epoch - self.begun

    def prepare(self) -> None:
        self.log(self.best, 396)

    def log(self, accuracy: float, characters: int) -> None:
        if self.layout:
            self.log_pixels(accuracy)
            return
        errors = round((1 - accuracy) * characters)
        self.log_characters(characters, errors, 1 - errors / characters)

    def is_over(self) -> bool:
        if self.args.q == "dumb":
            return 0 <= int(self.args.N) <= self.here
        spent = self.waited >= int(self.args.lag) or self.most >= 1
        return self.here > 0 and self.here >= int(self.args.min_epochs) and spent

    def train_epoch(self) -> None:
        play, epoch = self.play, self.epoch
        self.read(play.get("samples", 0))
        self.step(play.get("epoch_seconds", 0.02))
        accuracy = mean_iu_of(play, epoch) if self.layout else 1 - errors_of(play, epoch) / CHARACTERS
        self.log(accuracy, CHARACTERS)
        self.most, self.waited = max(self.most, accuracy), 0 if accuracy > self.most else self.waited + 1
        if accuracy > self.best:
            self.best, self.best_epoch = accuracy, self.here
        self.history.append([self.here, accuracy])
        target = Path(f"{self.args.o}_{self.here}.mlmodel")
        if not target.parent.is_dir():
            sys.exit(f"FileNotFoundError: {target}")
        found = at_epoch(play.get("found"), epoch) if self.layout else None
        claimed = accuracy if found is None else found
        about: dict[str, Any] = {"epochs": epoch + 1, "claimed": claimed, "accuracy": self.history}
        target.write_bytes(segmentation_weights(self.classes, **about) if self.layout else weights(**about))
        self.epoch += 1

    def finish(self) -> None:
        if self.args.q == "early":
            shutil.copy(f"{self.args.o}_{self.best_epoch}.mlmodel", f"{self.args.o}_best.mlmodel")


def classes_of(args: argparse.Namespace) -> Classes:
    """The classes of the network, which it numbers by name."""
    learnt = numbered([Path(line) for line in Path(args.t).read_text().split("\n") if line])
    if args.i is None:
        return learnt
    base = classes_of_model(Path(args.i))
    lacking = {sort: base[sort].keys() - learnt[sort].keys() for sort in base}
    if args.resize not in ("union", "new") and is_other(base, learnt):
        sys.exit("KrakenInputException: Training data and model class mapping differ")
    if args.resize == "union" and any(lacking.values()):
        sys.exit("IndexError: index 4 is out of bounds for dimension 0 with size 4")
    return resized(base, learnt, args.resize)


def history_of(model: Path) -> list[Any]:
    """The validation accuracies that a model carries along."""
    found = re.search(rb'"accuracy": (\[.*?\]\])', model.read_bytes())
    return list(json.loads(found[1])) if found else []


def epochs_of(model: Path) -> int:
    """How many epochs of this training a model has behind it; none where it is a base model."""
    found = re.search(rb'"epochs": (\d+)', model.read_bytes())
    return int(found[1]) if found else 0
