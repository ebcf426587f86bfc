"""A stand-in for kraken's `ketos`, 7.1.1 or 4.3.13 (FAKE_RELEASE): the same words in, the same files, log lines and exit codes out, nothing learnt.

It imitates what a training framework depends on. Of 7.1.1:

- `compile` writes one Arrow row a line, in the order of the list of pages and of their lines; with `-f path` one of each picture;
- `train -v` logs one line a validation, then writes a checkpoint, of which it keeps the ten best alone; `-q fixed` ends after
  -N epochs, `-q early` after --lag epochs without improvement and ignores -N; at its own end it writes best_ACCURACY.mlmodel;
- `--resume` brings back the count of epochs and the patience, and the list of the best if the folder is the same;
- what an epoch learns follows from what was learnt before, from the seed of this start, and from how many epochs it has done: no
  random numbers are in a checkpoint, so that a training that goes on from within a start becomes another;
- `segtrain` trains on page files; it logs a line of pixels a validation, then one of the lines it detected; what its
  `--config` gives (`segtrain: line_class_mapping, region_class_mapping`, lists of [name, number]) are the numbers that it
  trains by, and without it they come in the order of the pages. After a resize it names the outputs of its models in an order
  of its own (scenario.resized), as 7.1.1 does: `class_mapping` of the metadata are these names, `_full_class_mapping` is what
  was learnt. Where the numbers of lines and of regions are not even the same outputs, kraken would train nonsense: this
  one fails;
- SIGTERM ends a training at its next step, also one of a validation, with checkpoint_abort.ckpt and exit code 0; going on from
  one that was written within a validation, only the rest of it is done and logged;
- `convert` refuses to overwrite.

What differs in 4.3.13:

- --device, --workers and --precision belong to the subcommand; --threads and what came later are unknown;
- `train -v` first logs a sanity check on two batches, which counts for nothing but its own choice of the best;
- after every validation it writes STEM_N.mlmodel, N from 0 at every start, with the history of the model it began with and its
  own behind it; it keeps no state of the optimiser and deletes nothing;
- the folder of STEM must be there: without it, it fails after the first epoch;
- `-q dumb` ends after -N epochs, `-q early` after --lag epochs without improvement; it then copies its own choice to
  STEM_best.mlmodel, which may be the sanity check's (epoch 0);
- `segtrain` takes no numbers of classes, and names the outputs of its models rightly; the accuracy of their history is the mean
  IoU. With `--resize union` and a base model that has classes which the pages lack, it fails in its sanity check.

The scenario (see scenario.py) may give: `errors` (of 1000 characters, one an epoch), `epoch_seconds`, `hold_after` (so many epochs: the rest waits until a file `go-on` lies beside the scenario), `validation_seconds`, `samples` (lines or pages that `-vv` tells of in an epoch), `bar` (what compile's bar says, pairs of done and
total), `bar_seconds` (each), `compile_seconds`, `convert_seconds`, `checkpoint_kb`, `says_rubbish`, `rubbish` (compile, convert or predict: what it writes is of no use), `swaps` (see scenario.swap), `fail` (compile, train, convert, ocr or segment) with `message` and `at_epoch`, `die` (a signal) with `at_epoch` and `once`,
`drop_line` (the number of a row that compile leaves out), `ocr_missing_page` (part of a page's file name). Of segtrain: `mean_iu` (one an
epoch), `found` (of lines, what the model of each epoch will find; default: its mean_iu), `replaced_page` (it takes another page's
place, as kraken does of one that it cannot use).
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.ketos_4 import Training4
from fakes.ketos_7 import Training7, weights_of
from fakes.ketos_training import Training
from fakes.scenario import RUBBISH, fail_if, lines_of, log_call, say_rubbish, scenario, swap


@dataclass(frozen=True)
class Release:
    """What a release is called, and the options that it takes; a name with a star is a flag, one with a plus takes two values."""

    version: str
    group: str
    compiling: str  # each of them must be given
    training: str  # of both tasks
    recognition: str
    segmentation: str
    epochs: int  # where -N is not given
    kind: type[Training]
    converts: bool


BOTH = "-f -t -e -i -s -o -q -r -m -w -g -ss --resize --lag --optimizer --warmup --schedule --sched-patience --cos-max --augment* --no-augment*"
READ = "-B -u --pad --normalize-whitespace* --no-normalize-whitespace*"

RELEASES = {
    "7.1": Release(
        version="7.1.1",
        group="-v* -r* --no-deterministic* -s -d --precision --workers --threads --config",
        compiling="-f -o -F",
        training=f"{BOTH} --resume --weights-format --gradient-clip-val --accumulate-grad-batches --cos-min-lr",
        recognition=READ,
        segmentation="--line-width --bl-tol --dice-weight --pad+ -tl*",
        epochs=50,
        kind=Training7,
        converts=True,
    ),
    "4.3": Release(
        version="4.3.13",
        group="-v* -r* --no-deterministic* -s",
        compiling="-f -o -F --workers",
        training=f"{BOTH} -d --precision --workers",
        recognition=READ,
        segmentation="--line-width --pad+ -bl* -tl* -cl*",
        epochs=-1,
        kind=Training4,
        converts=False,
    ),
}


def main() -> None:
    release = RELEASES[os.environ["FAKE_RELEASE"]]
    if "--version" in sys.argv:
        print(f"ketos, version {release.version}")
        return
    log_call("ketos")
    args, play = parser_of(release).parse_args(), scenario()
    say_rubbish(play)
    _ = b"x" * (play.get("eats_mb", 0) << 20)
    swap(play, f"before {args.verb}")
    if args.verb == "compile":
        compile_lines(args, play)
    elif args.verb == "convert":
        convert(args, play)
    else:
        release.kind(args, play).run()
    swap(play, f"after {args.verb}")


def parser_of(release: Release) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ketos", allow_abbrev=False)
    take(parser, release.group)
    verbs = parser.add_subparsers(dest="verb", required=True)
    compiling = verbs.add_parser("compile", allow_abbrev=False)
    take(compiling, release.compiling, required=True)
    if release.converts:
        take(compiling, "--legacy-polygons*")
        converting = verbs.add_parser("convert", allow_abbrev=False)
        take(converting, "-o --weights-format", required=True)
        converting.add_argument("checkpoint", type=Path)
    for verb, more in (("train", release.recognition), ("segtrain", release.segmentation)):
        training = verbs.add_parser(verb, allow_abbrev=False)
        take(training, f"{release.training} {more}")
        training.add_argument("-N", type=int, default=release.epochs)
        training.add_argument("--min-epochs", type=int, default=0)
    return parser


def take(parser: argparse.ArgumentParser, options: str, *, required: bool = False) -> None:
    """Let a parser take options, written as in `Release`."""
    for option in options.split():
        if option.endswith("*"):
            parser.add_argument(option[:-1], action="store_true")
        elif option.endswith("+"):
            parser.add_argument(option[:-1], nargs=2)
        else:
            parser.add_argument(option, required=required)


def compile_lines(args: argparse.Namespace, play: dict[str, Any]) -> None:
    import pyarrow as pa

    draw_bar(play)
    time.sleep(play.get("compile_seconds", 0))
    fail_if(play, "compile")
    if play.get("rubbish") == "compile":
        Path(args.o).write_bytes(RUBBISH)
        return
    pages = [Path(line.strip()) for line in Path(args.F).read_text().splitlines() if line.strip()]
    texts = [text for page in pages for text in texts_of(page, args.f)]
    if "drop_line" in play:
        texts.pop(play["drop_line"] % len(texts))
    line = pa.struct([("text", pa.string()), ("im", pa.binary()), ("language", pa.list_(pa.string()))])
    schema = pa.schema([("lines", line)])
    with pa.OSFile(args.o, "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for start in range(0, len(texts), 100):  # kraken's own size of a batch
            rows = struct_of(texts[start : start + 100], line)
            writer.write(pa.RecordBatch.from_arrays([rows], schema=schema))
    print(f"Output file written to {args.o}")


def texts_of(file: Path, form: str) -> list[str]:
    """What a page says, or with `-f path` a picture: under all before the first dot of its name, without the line's end."""
    if form != "path":
        return [text for _, text in lines_of(file)]
    file.read_bytes()  # it has to be there
    text = file.with_name(file.name.split(".")[0] + ".gt.txt").read_text(encoding="utf-8").strip("\r\n")
    return [text] if text else []


def draw_bar(play: dict[str, Any]) -> None:
    """Draw what the scenario says as rich draws a bar: where it believes in a terminal, and each time over what it drew before."""
    if os.environ.get("FORCE_COLOR") and os.environ["TERM"] != "dumb":
        print("\x1b[?25l", end="")
        for done, total in play.get("bar", []):
            bar = "\u2501" * 40
            print(
                f"\r\x1b[2KExtracting lines {bar} {100 * done // max(total, 1):3.0f}% {done}/{total} 0:00:01 0:00:01",
                end="",
                flush=True,
            )
            time.sleep(play.get("bar_seconds", 0))
        print("\n\x1b[?25h", end="")


def struct_of(texts: list[str], line: Any) -> Any:
    """Rows without an image, made of buffers: given Python values, pyarrow imports pandas for seconds."""
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


def convert(args: argparse.Namespace, play: dict[str, Any]) -> None:
    time.sleep(play.get("convert_seconds", 0))
    fail_if(play, "convert")
    if Path(args.o).exists():
        sys.exit(f"ValueError: {args.o} already exists.")
    Path(args.o).write_bytes(RUBBISH if play.get("rubbish") == "convert" else weights_of(args.checkpoint))


if __name__ == "__main__":
    main()
