"""A stand-in for kraken 4.3.13's `ketos`: the same words in, the same files, log lines and exit codes out, nothing learnt.

What differs from 7.1's (see fake_ketos.py, with which it shares the scenario):

- --device, --workers and --precision belong to the subcommand; --threads and what came later are unknown;
- `train -v` first logs a sanity check on two batches, which counts for nothing but its own choice of the best;
- after every validation it writes STEM_N.mlmodel, N from 0 at every start, with the history of the model it began with and its
  own behind it; it keeps no state of the optimiser and deletes nothing;
- the folder of STEM must be there: without it, it fails after the first epoch;
- `-q dumb` ends after -N epochs, `-q early` after --lag epochs without improvement; it then copies its own choice to
  STEM_best.mlmodel, which may be the sanity check's (epoch 0);
- `segtrain` takes no numbers of classes, and names the outputs of its models rightly; the accuracy of their history is the mean
  IoU. With `--resize union` and a base model that has classes which the pages lack, it fails in its sanity check.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from fakes.fake_ketos import CHARACTERS, at_epoch, compile_lines, errors_of, fault, mean_iu_of
from fakes.scenario import (
    Classes,
    classes_of_model,
    fail_if,
    log_call,
    numbered,
    resized,
    scenario,
    segmentation_weights,
    weights,
)


def main() -> None:
    if "--version" in sys.argv:
        print("ketos, version 4.3.13")
        return
    log_call("ketos")
    parser = argparse.ArgumentParser(prog="ketos", allow_abbrev=False)
    parser.add_argument("-v", action="store_true")
    parser.add_argument("-s", type=int)
    parser.add_argument("-r", action="store_true")
    parser.add_argument("--no-deterministic", action="store_true")
    verbs = parser.add_subparsers(dest="verb", required=True)
    compiling = verbs.add_parser("compile", allow_abbrev=False)
    for option in ("-f", "-o", "-F", "--workers"):
        compiling.add_argument(option, required=True)
    training = verbs.add_parser("train", allow_abbrev=False)
    for option in ["-B", "-u", "--pad"]:
        training.add_argument(option)
    for option in ("--normalize-whitespace", "--no-normalize-whitespace"):
        training.add_argument(option, action="store_true")
    segmenting = verbs.add_parser("segtrain", allow_abbrev=False)
    segmenting.add_argument("--line-width")
    segmenting.add_argument("--pad", nargs=2)
    for option in ("-bl", "-tl", "-cl"):
        segmenting.add_argument(option, action="store_true")
    taken = """-f -t -e -i -s -o -q -r -m -w -g -ss -d --precision --workers --resize --lag --optimizer
        --warmup --schedule --sched-patience --cos-max"""
    for verb in (training, segmenting):
        for option in taken.split():
            verb.add_argument(option)
        verb.add_argument("-N", type=int, default=-1)
        verb.add_argument("--min-epochs", type=int, default=0)
        for option in ("--augment", "--no-augment"):
            verb.add_argument(option, action="store_true")
    args = parser.parse_args()
    {"compile": compile_lines, "train": train, "segtrain": train}[args.verb](args, scenario())


def train(args: argparse.Namespace, play: dict[str, Any]) -> None:
    for listed in (args.t, args.e):
        for compiled in Path(listed).read_text().split("\n"):
            if compiled and not Path(compiled).exists():
                sys.exit(f"Error: no data in {compiled}")
    if (args.i is None) == (args.s is None):
        sys.exit("Error: give a base model or a network")
    layout = args.verb == "segtrain"
    classes = classes_of(args) if layout else {}
    history = history_of(Path(args.i)) if args.i else []
    begun = epochs_of(Path(args.i)) if args.i else 0
    fail_if(play, "train")
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    if layout and "replaced_page" in play:
        print("[11/27/26 23:18:40] INFO     Failed. Replacing with sample 1  segmentation.py:172")
    said(play.get("sanity_check", 0.5), 396, layout)
    best, best_epoch = (
        play.get("sanity_check", 0.5),
        0,
    )  # its choice; what stops it early does not hear the sanity check
    most, waited, epoch = -1.0, 0, 0
    while not over(args, epoch, waited, most):
        fault(play, begun + epoch)
        end = time.monotonic() + play.get("epoch_seconds", 0.02)
        while time.monotonic() < end:
            if asked:
                print("[rank: 0] Received SIGTERM: 15")
                sys.exit(0)
            time.sleep(0.02)
        accuracy = mean_iu_of(play, begun + epoch) if layout else 1 - errors_of(play, begun + epoch) / CHARACTERS
        said(accuracy, CHARACTERS, layout)
        most, waited = max(most, accuracy), 0 if accuracy > most else waited + 1
        if accuracy > best:
            best, best_epoch = accuracy, epoch
        history.append([epoch, accuracy])
        target = Path(f"{args.o}_{epoch}.mlmodel")
        if not target.parent.is_dir():
            sys.exit(f"FileNotFoundError: {target}")
        found = at_epoch(play.get("found"), begun + epoch) if layout else None
        about: dict[str, Any] = {
            "epochs": begun + epoch + 1,
            "claimed": accuracy if found is None else found,
            "accuracy": history,
        }
        target.write_bytes(segmentation_weights(classes, **about) if layout else weights(**about))
        epoch += 1
    if args.q == "early":
        shutil.copy(f"{args.o}_{best_epoch}.mlmodel", f"{args.o}_best.mlmodel")


def classes_of(args: argparse.Namespace) -> Classes:
    """Return the classes of the network, which it numbers by name."""
    learnt = numbered([Path(line) for line in Path(args.t).read_text().split("\n") if line])
    if args.i is None:
        return learnt
    base = classes_of_model(Path(args.i))
    lacking = {sort: base[sort].keys() - learnt[sort].keys() for sort in base}
    if args.resize not in ("union", "new") and {sort: {*of} for sort, of in base.items()} != {
        sort: {*of} for sort, of in learnt.items()
    }:
        sys.exit("KrakenInputException: Training data and model class mapping differ")
    if args.resize == "union" and any(lacking.values()):
        sys.exit("IndexError: index 4 is out of bounds for dimension 0 with size 4")
    return resized(base, learnt, args.resize)


def said(accuracy: float, characters: int, layout: bool = False) -> None:
    if layout:
        line = f"validation run: accuracy 0.9655 mean_acc 0.9655 mean_iu {accuracy!r} freq_iu 0.7142"
        print(f"[11/27/26 23:33:10] INFO     {line:110} train.py:886", flush=True)
        return
    errors = round((1 - accuracy) * characters)
    line = f"validation run: total chars {characters:.1f} errors {errors:.1f} accuracy {1 - errors / characters}"
    print(f"[11/23/26 15:13:31] INFO     {line:90} train.py:498", flush=True)


def over(args: argparse.Namespace, epoch: int, waited: int, most: float) -> bool:
    if args.q == "dumb":
        return 0 <= args.N <= epoch
    return epoch > 0 and epoch >= args.min_epochs and (waited >= int(args.lag) or most >= 1)


def history_of(model: Path) -> list[Any]:
    """Return the validation accuracies that a model carries along."""
    found = re.search(rb'"accuracy": (\[.*?\]\])', model.read_bytes())
    return list(json.loads(found[1])) if found else []


def epochs_of(model: Path) -> int:
    """Return how many epochs of this training a model has behind it; none where it is a base model."""
    found = re.search(rb'"epochs": (\d+)', model.read_bytes())
    return int(found[1]) if found else 0


if __name__ == "__main__":
    main()
