"""What the trainings of both releases of the fake `ketos` have in common: data, figures, log lines, faults, signals."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from fakes.scenario import Classes, fail_if

CHARACTERS = 1000


class Training:
    """A training from its first line of the log to its last file; each release has a class of its own."""

    log_start: str  # of a line of the log about a validation
    log_places: tuple[str, str]  # in kraken's code, at the end of such a line: of recognition, of segmentation

    def __init__(self, args: argparse.Namespace, play: dict[str, Any]) -> None:
        self.args, self.play = args, play
        self.layout = args.verb == "segtrain"
        self.epoch = 0  # the number of the next one, over all starts
        self._asked = False

    def run(self) -> None:
        """Train to the end, or to the fault that the scenario wants."""
        fail_if(self.play, "train")
        signal.signal(signal.SIGTERM, self._ask)
        self.announce()
        if self.layout and "replaced_page" in self.play:
            print("[11/27/26 23:18:40] INFO     Failed. Replacing with sample 1  segmentation.py:172")
        self.prepare()
        while not self.is_over():
            fault(self.play, self.epoch)
            while (
                self.play.get("hold_after") == self.epoch
                and not Path(os.environ["FAKE_KETOS"]).with_name("go-on").exists()
            ):
                self.step(0.02)
            self.train_epoch()
        self.finish()

    def announce(self) -> None:
        """Write what the log begins with."""

    def prepare(self) -> None:
        """Do what comes before the first epoch."""

    def is_over(self) -> bool:
        raise NotImplementedError

    def train_epoch(self) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        """Write what SIGTERM leaves behind."""

    def finish(self) -> None:
        raise NotImplementedError

    def check_data(self) -> None:
        """End as kraken does where there are no data or nothing to begin with."""
        for listed in (self.args.t, self.args.e):
            for compiled in Path(listed).read_text().split("\n"):
                if compiled and not Path(compiled).exists():
                    sys.exit(f"Error: no data in {compiled}")
        if self.args.i is not None and not Path(self.args.i).exists():
            sys.exit(f"Error: no model {self.args.i}")
        if (self.args.i is None) == (self.args.s is None):
            sys.exit("Error: give a base model or a network")

    def step(self, seconds: float) -> None:
        """Let time pass, as a training or validation does; SIGTERM ends it here."""
        end = time.monotonic() + seconds
        while True:
            if self._asked:
                self._leave()
            if time.monotonic() >= end:
                return
            time.sleep(min(seconds, 0.02))

    def read(self, samples: int) -> None:
        """Say of each line or page that it is read, as `-vv` does; the last with a name as long as names may be, which rich breaks."""
        if "-vv" not in sys.argv:
            return
        long = f"{'x' * 330}\n{'':29}validation run: total chars 10.0 errors 0.0 accuracy 1.0"
        for number in range(1, samples + 1):
            said = (
                f"Attempting to load {long if number == samples else number}"
                if self.layout
                else f"Loading sample {number}"
            )
            print(f"{'':20}DEBUG    {said:90} {self.log_places[0]}", flush=True)

    def log_characters(self, characters: float, errors: float, accuracy: float) -> None:
        """Log a validation of recognition."""
        said = f"validation run: total chars {characters:.1f} errors {errors:.1f} accuracy {accuracy!r}"
        print(f"{self.log_start} INFO     {said:90} {self.log_places[0]}", flush=True)

    def log_pixels(self, mean_iu: float) -> None:
        """Log the validation of segmentation that counts pixels."""
        said = f"validation run: accuracy 0.9712 mean_acc 0.9712 mean_iu {mean_iu!r} freq_iu 0.9503"
        print(f"{self.log_start} INFO     {said:110} {self.log_places[1]}", flush=True)

    def _ask(self, number: int, frame: Any) -> None:
        self._asked = True

    def _leave(self) -> NoReturn:
        print("[rank: 0] Received SIGTERM: 15")
        self.abort()
        sys.exit(0)


def is_other(base: Classes, learnt: Classes) -> bool:
    """Whether a model and the pages have different classes, which only `--resize union` and `new` allow."""
    return {sort: {*of} for sort, of in base.items()} != {sort: {*of} for sort, of in learnt.items()}


def mean_iu_of(play: dict[str, Any], epoch: int) -> float:
    """The mean IoU of an epoch: as the scenario lists it (its last for all later ones), else more and more."""
    given = at_epoch(play.get("mean_iu"), epoch)
    return min(0.6 + 0.025 * epoch, 0.9) + epoch * 7 % 5 / 1000 if given is None else given


def errors_of(play: dict[str, Any], epoch: int) -> int:
    """The errors of an epoch: as the scenario lists them (its last for all later ones), else fewer and fewer."""
    given = play.get("errors")
    return given[min(epoch, len(given) - 1)] if given else max(400 - 25 * epoch, 100) + epoch * 7 % 5


def at_epoch(given: list[float] | None, epoch: int) -> float | None:
    return given[min(epoch, len(given) - 1)] if given else None


def fault(play: dict[str, Any], epoch: int) -> None:
    """Fail or die at the epoch that the scenario names."""
    if play.get("at_epoch") != epoch:
        return
    if play.get("fail") == "train":
        print(play.get("message", "RuntimeError: something went wrong"))
        sys.exit(1)
    if "die" in play:
        if play.get("once"):
            died = Path(os.environ["FAKE_KETOS"]).with_name("died")
            if died.exists():
                return
            died.touch()
        os.kill(os.getpid(), play["die"])
