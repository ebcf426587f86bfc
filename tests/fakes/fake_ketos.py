"""A stand-in for kraken 7.1.1's `ketos`: the same words in, the same files, log lines and exit codes out, nothing learnt.

It imitates what a training framework depends on:

- `compile` writes one Arrow row a line, in the order of the list of pages and of their lines;
- `train -v` logs one line a validation, then writes a checkpoint, of which it keeps the ten best alone; `-q fixed` ends after
  -N epochs, `-q early` after --lag epochs without improvement and ignores -N; at its own end it writes best_ACCURACY.mlmodel;
- `--resume` brings back the count of epochs and the patience, and the list of the best if the folder is the same;
- `segtrain` trains on page files; it logs a line of pixels a validation, then one of the lines it detected; what its
  `--config` gives (`segtrain: line_class_mapping, region_class_mapping`, lists of [name, number]) are the numbers that it
  trains by, and without it they come in the order of the pages. After a resize it names the outputs of its models in an order
  of its own (scenario.resized), as 7.1.1 does: `class_mapping` of the metadata are these names, `_full_class_mapping` is what
  was learnt. Where the numbers of lines and of regions are not even the same outputs, kraken would train nonsense: this
  one fails;
- SIGTERM ends a training at its next step, also one of a validation, with checkpoint_abort.ckpt and exit code 0; going on from
  one that was written within a validation, only the rest of it is done and logged;
- `convert` refuses to overwrite.

The scenario (see scenario.py) may give: `errors` (of 1000 characters, one an epoch), `epoch_seconds`, `validation_seconds`,
`compile_seconds`, `checkpoint_kb`, `fail` (compile, train, convert, ocr or segment) with `message` and `at_epoch`, `die` (a signal) with `at_epoch` and `once`,
`drop_line` (the number of a row that compile leaves out), `ocr_missing_page` (part of a page's file name). Of segtrain: `mean_iu` (one an
epoch), `found` (of lines, what the model of each epoch will find; default: its mean_iu), `replaced_page` (it takes another page's
place, as kraken does of one that it cannot use).
"""

from __future__ import annotations

import argparse
import os
import pickle
import signal
import struct
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

from fakes.scenario import (
    Classes,
    classes_of_model,
    fail_if,
    lines_of,
    log_call,
    numbered,
    resized,
    scenario,
    segmentation_weights,
    weights,
)

CHARACTERS = 1000
KEPT = 10


def main() -> None:
    if "--version" in sys.argv:
        print("ketos, version 7.1.1")
        return
    log_call("ketos")
    parser = argparse.ArgumentParser(prog="ketos", allow_abbrev=False)
    for option in ("-d", "--precision", "-s", "--workers", "--threads", "--config"):
        parser.add_argument(option)
    parser.add_argument("-v", action="store_true")
    parser.add_argument("-r", action="store_true")
    parser.add_argument("--no-deterministic", action="store_true")
    verbs = parser.add_subparsers(dest="verb", required=True)
    compiling = verbs.add_parser("compile", allow_abbrev=False)
    for option in ("-f", "-o", "-F"):
        compiling.add_argument(option, required=True)
    compiling.add_argument("--legacy-polygons", action="store_true")
    converting = verbs.add_parser("convert", allow_abbrev=False)
    converting.add_argument("-o", required=True)
    converting.add_argument("--weights-format", required=True)
    converting.add_argument("checkpoint", type=Path)
    training = verbs.add_parser("train", allow_abbrev=False)
    for option in ["-B", "-u", "--pad"]:
        training.add_argument(option)
    for option in ("--normalize-whitespace", "--no-normalize-whitespace"):
        training.add_argument(option, action="store_true")
    segmenting = verbs.add_parser("segtrain", allow_abbrev=False)
    for option in ["--line-width", "--bl-tol", "--dice-weight"]:
        segmenting.add_argument(option)
    segmenting.add_argument("--pad", nargs=2)
    segmenting.add_argument("-tl", action="store_true")
    taken = """-f -t -e -i -s -o -q -r -m -w -g -ss --resume --weights-format --resize --lag --optimizer --gradient-clip-val
        --accumulate-grad-batches --warmup --schedule --sched-patience --cos-max --cos-min-lr"""
    for verb in (training, segmenting):
        for option in taken.split():
            verb.add_argument(option)
        verb.add_argument("-N", type=int, default=50)
        verb.add_argument("--min-epochs", type=int, default=0)
        for option in ("--augment", "--no-augment"):
            verb.add_argument(option, action="store_true")
    args = parser.parse_args()
    doing = {"compile": compile_lines, "convert": convert, "train": train, "segtrain": train}
    doing[args.verb](args, scenario())


def compile_lines(args: argparse.Namespace, play: dict[str, Any]) -> None:
    import pyarrow as pa

    time.sleep(play.get("compile_seconds", 0))
    fail_if(play, "compile")
    pages = [Path(line.strip()) for line in Path(args.F).read_text().splitlines() if line.strip()]
    texts = [text for page in pages for _, text in lines_of(page)]
    if "drop_line" in play:
        texts.pop(play["drop_line"] % len(texts))
    line = pa.struct([("text", pa.string()), ("im", pa.binary()), ("language", pa.list_(pa.string()))])
    schema = pa.schema([("lines", line)])
    with pa.OSFile(args.o, "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for start in range(0, len(texts), 100):  # kraken's own size of a batch
            rows = struct_of(texts[start : start + 100], line)
            writer.write(pa.RecordBatch.from_arrays([rows], schema=schema))
    print(f"Output file written to {args.o}")


def struct_of(texts: list[str], line: Any) -> Any:
    """Return rows without an image, made of buffers: given Python values, pyarrow imports pandas for seconds."""
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    ends = [sum(len(one) for one in encoded[:count]) for count in range(len(encoded) + 1)]
    offsets, nothing = struct.pack(f"<{len(ends)}i", *ends), bytes(4 * len(ends))
    text = pa.Array.from_buffers(
        line[0].type, len(texts), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    )
    im = pa.Array.from_buffers(line[1].type, len(texts), [None, pa.py_buffer(nothing), pa.py_buffer(b"")])
    no_words = pa.Array.from_buffers(pa.string(), 0, [None, pa.py_buffer(bytes(4)), pa.py_buffer(b"")])
    language = pa.Array.from_buffers(line[2].type, len(texts), [None, pa.py_buffer(nothing)], children=[no_words])
    return pa.Array.from_buffers(line, len(texts), [None], children=[text, im, language])


class State:
    """What a checkpoint remembers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.epochs = 0
        self.best: list[tuple[float, str]] = []  # of the ten kept
        self.best_accuracy = -1.0
        self.waited = 0
        self.validating = False
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
                "classes": self.classes,
                "claimed": self.claimed,
                "folder": str(self.folder.absolute()),
            },
        }
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(values))
            archive.writestr("archive/data/0", os.urandom(1024 * padding_kb))


def train(args: argparse.Namespace, play: dict[str, Any]) -> None:
    folder = Path(args.o)
    layout = args.verb == "segtrain"
    if args.resume:
        state = State.of(Path(args.resume), folder)
    else:
        state = State(folder)
        for listed in (args.t, args.e):
            for compiled in Path(listed).read_text().split("\n"):
                if compiled and not Path(compiled).exists():
                    sys.exit(f"Error: no data in {compiled}")
        if args.i is not None and not Path(args.i).exists():
            sys.exit(f"Error: no model {args.i}")
        if (args.i is None) == (args.s is None):
            sys.exit("Error: give a base model or a network")
        if layout:
            state.classes = classes_of(args)
    fail_if(play, "train")
    folder.mkdir(parents=True, exist_ok=True)
    if not layout:
        print(
            "[11/23/26 15:02:12] INFO     Training set 152 lines, validation set 42 lines, alphabet 60 symbols  vgsl.py:334"
        )
    if layout and "replaced_page" in play:
        print("[11/27/26 23:18:40] INFO     Failed. Replacing with sample 1  segmentation.py:172")
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    padding = play.get("checkpoint_kb", 0)
    accuracy = state.best_accuracy

    def steps(seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            if asked:
                print("[rank: 0] Received SIGTERM: 15")
                state.write(folder / "checkpoint_abort.ckpt", under_way=True, accuracy=accuracy, padding_kb=padding)
                sys.exit(0)
            if time.monotonic() >= end:
                return
            time.sleep(min(seconds, 0.02))

    while not over(args, state):
        fault(play, state.epochs)
        share = 0.5 if state.validating else 1  # of the validation that is left to do
        if not state.validating:
            steps(play.get("epoch_seconds", 0.02))
        state.validating = True
        if "validation_seconds" in play:
            print("validates", flush=True)
        steps(play.get("validation_seconds", 0))
        state.validating = False
        if layout:
            accuracy = mean_iu_of(play, state.epochs)
            state.claimed = at_epoch(play.get("found"), state.epochs)
            said = f"validation run: accuracy 0.9712 mean_acc 0.9712 mean_iu {accuracy!r} freq_iu 0.9503"
            found = f"validation bl detection: P 0.9000 R {0.5 + accuracy / 2:.4f} F1 {0.6 + accuracy / 3:.4f}"
            print(f"[11/27/26 23:24:22] INFO     {said:110} blla.py:360", flush=True)
            print(f"{'':20}INFO     {found:110} blla.py:373", flush=True)
        else:
            errors = round(errors_of(play, state.epochs) * share)
            accuracy = 1 - errors / CHARACTERS
            said = f"validation run: total chars {CHARACTERS * share:.1f} errors {errors:.1f} accuracy {accuracy!r}"
            print(f"[11/23/26 15:02:12] INFO     {said:90} vgsl.py:404", flush=True)
        validated(state, accuracy, padding)
    best = max(state.best, key=lambda one: one[0])
    target = folder / f"best_{best[0]:.4f}.{'mlmodel' if args.weights_format == 'coreml' else 'safetensors'}"
    target.write_bytes(weights_of(Path(best[1])))
    print(f"Converting best model {best[1]} (score: {best[0]:.4f}) to weights file {target}")


def classes_of(args: argparse.Namespace) -> dict[str, Classes]:
    """Return what the outputs of the network will be called, and what they will learn."""
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
    if args.resize not in ("union", "new") and {sort: {*of} for sort, of in base.items()} != {
        sort: {*of} for sort, of in learnt.items()
    }:
        sys.exit("ValueError: Training data and model class mapping differ (fail)")
    called = resized(base, learnt, args.resize)
    if {sort: {*of.values()} for sort, of in called.items()} != {sort: {*of.values()} for sort, of in learnt.items()}:
        sys.exit(f"Error: outputs are called {called} and learn {learnt}")
    return {"called": called, "learnt": learnt}


def mean_iu_of(play: dict[str, Any], epoch: int) -> float:
    """Return the mean IoU of an epoch: as the scenario lists it (its last for all later ones), else more and more."""
    given = at_epoch(play.get("mean_iu"), epoch)
    return min(0.6 + 0.025 * epoch, 0.9) + epoch * 7 % 5 / 1000 if given is None else given


def at_epoch(given: list[float] | None, epoch: int) -> float | None:
    return given[min(epoch, len(given) - 1)] if given else None


def over(args: argparse.Namespace, state: State) -> bool:
    if args.q == "fixed":
        return state.epochs >= args.N
    spent = state.waited >= int(args.lag) or state.best_accuracy >= 1
    return state.epochs > 0 and spent and state.epochs >= args.min_epochs


def errors_of(play: dict[str, Any], epoch: int) -> int:
    """Return the validation errors of an epoch: as the scenario lists them (its last for all later ones), else fewer and fewer."""
    given = play.get("errors")
    return given[min(epoch, len(given) - 1)] if given else max(400 - 25 * epoch, 100) + epoch * 7 % 5


def fault(play: dict[str, Any], epoch: int) -> None:
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


def validated(state: State, accuracy: float, padding_kb: int) -> None:
    """Count patience, and keep the checkpoint if it is among the ten best: of equals the earlier stays."""
    name = state.folder / f"checkpoint_{state.epochs:02d}-{accuracy:.4f}.ckpt"
    state.epochs += 1
    improved = accuracy > state.best_accuracy
    state.best_accuracy, state.waited = max(accuracy, state.best_accuracy), 0 if improved else state.waited + 1
    worst = min(state.best, key=lambda one: one[0], default=None)
    full = len(state.best) >= KEPT
    if full and worst is not None and accuracy <= worst[0]:
        return
    state.best.append((accuracy, str(name)))
    if full and worst is not None:
        state.best.remove(worst)
    state.write(name, under_way=False, accuracy=accuracy, padding_kb=padding_kb)
    if full and worst is not None:
        Path(worst[1]).unlink(missing_ok=True)


def weights_of(checkpoint: Path) -> bytes:
    with zipfile.ZipFile(checkpoint) as archive:
        values = pickle.loads(archive.read("archive/data.pkl"))["fake"]
    about = {"claimed": values["claimed"]} if values["claimed"] is not None else {}
    about |= {"epochs": values["epochs"], "accuracy": values["accuracy"]}
    if values["classes"] is None:
        return weights(**about)
    return segmentation_weights(values["classes"]["called"], values["classes"]["learnt"], **about)


def convert(args: argparse.Namespace, play: dict[str, Any]) -> None:
    fail_if(play, "convert")
    if Path(args.o).exists():
        sys.exit(f"ValueError: {args.o} already exists.")
    Path(args.o).write_bytes(weights_of(args.checkpoint))


if __name__ == "__main__":
    main()
