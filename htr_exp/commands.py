"""commands.sh: what a run does, as kraken's own commands, for someone who knows kraken and nothing of us."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from htr_exp import ketos
from htr_exp.schema import Training

HEADER = """\
#!/bin/sh
# What this run does, in kraken {version}'s own commands. It repeats the run in a folder of its own, $OUT.{stopping}
{reach}set -eu
cd "$(dirname "$0")"
OUT=${{OUT:-by-hand}}
BASE=${{BASE:-$(cat live/base_model.path 2>/dev/null || true)}}
mkdir -p "$OUT"
export COLUMNS=400 TERM=dumb NO_COLOR=1 OMP_NUM_THREADS={threads} LC_ALL=C.UTF-8
"""

DEVICE = "DEVICE=${DEVICE:-$(nvidia-smi -L 2>/dev/null | grep -q ^GPU && echo cuda:0 || echo cpu)}\n"
WORKERS = "WORKERS=${WORKERS:-0} # processes that load lines; with a GPU the run takes one less than its CPUs\n"


def legs(training: Training) -> list[tuple[str, int | None]]:
    """Return the legs of a training: a folder's name each, and the count of epochs it ends at (None: kraken stops itself).

    kraken 7 keeps checkpoints of its ten best epochs alone. In a folder of its own, a leg of at most ten leaves one for every
    epoch, and a kill costs no more than the epoch under way. With quit=early one leg is enough: the best epoch is always
    kept, so that a kill costs at most `lag` epochs.
    """
    if training.quit == "early" or not training.leg_epochs:
        return [("leg-01", training.epochs if training.quit == "fixed" else None)]
    ends = [*range(training.leg_epochs, training.epochs, training.leg_epochs), training.epochs]
    return [(f"leg-{number:02d}", end) for number, end in enumerate(ends, start=1)]


def script(
    training: Training,
    *,
    version: str,
    device: str,
    seed: int,
    base: bool,
    spec: str | None,
    sides: Sequence[str],
    pad: int,
    reach: str | None = None,
) -> str:
    """Return the text of commands.sh.

    Args:
        training: every setting.
        version: of kraken.
        device: as kraken names it, or `auto` where only the machine that runs it knows.
        seed: of training.
        base: whether there is a base model.
        spec: the network from scratch, or None with a base model.
        sides: what is compiled: train, validation and, where there is one, test; nothing where nothing is trained.
        pad: of scoring, pixels.
        reach: a line that brings this kraken within reach, or says how; None where it is on PATH.
    """
    header = HEADER.format(
        version=version,
        threads=training.threads,
        stopping=_stopping(training, version) if sides else "",
        reach=f"{reach}\n" if reach else "",  # before -u: module systems use variables that may be unset
    )
    workers = str(training.workers)
    if training.workers is None:
        workers = "0" if device == "cpu" else "$WORKERS"
    if device == "auto":
        device, header = "$DEVICE", header + DEVICE
    if sides and workers == "$WORKERS":
        header += WORKERS
    lines = [header]
    if sides:
        lines += _compilation(training, version, sides)
        trained = _one_training if ketos.release(version) == "4.3" else _legs
        lines += trained(training, version, device, workers, seed, spec)
    lines.append("\n# predictions on the held-out lines")
    if base:
        lines += _prediction("$BASE", "base", version, device, training, pad)
    if sides:
        lines += _prediction("$OUT/best.mlmodel", "best", version, device, training, pad)
    return "\n".join(lines) + "\n"


def _stopping(training: Training, version: str) -> str:
    if training.quit == "early":
        return f"\n# kraken has no cap on epochs with -q early: the run stops it after {training.epochs}."
    return (
        "\n# Epochs are trained in legs, each in a folder of its own, so that each leaves a checkpoint."
        if len(legs(training)) > 1 and ketos.release(version) == "7.1"
        else ""
    )


def _compilation(training: Training, version: str, sides: Sequence[str]) -> list[str]:
    lines = ["# one compiled file for each side of the split; what the cache holds already is compiled again"]
    for side in sides:
        command = ketos.compile_command(
            version, pages=f"live/{side}.pages", output=f"$OUT/{side}.arrow", legacy_polygons=training.legacy_polygons
        )
        lines += [_shown(command), f'echo "$OUT/{side}.arrow" > "$OUT/{side}.list"']
    return lines


def _one_training(
    training: Training, version: str, device: str, workers: str, seed: int, spec: str | None
) -> list[str]:
    command = ketos.train_command(
        version, training, device=device, workers=workers, seed=seed, train="$OUT/train.list", validation="$OUT/validation.list",
        output="$OUT/train/m", base=None if spec else "$BASE", spec=spec,
    )  # fmt: skip
    return [
        "\n# training: a model after every epoch",
        'mkdir -p "$OUT/train"',
        f'{_shown(command)} | tee "$OUT/train/log.txt"',
        "# the best of them by the log, whose first validation is a rehearsal; kraken's own choice may be that rehearsal",
        "BEST=$(sed -n 's/.*total chars [0-9.]* errors \\([0-9.]*\\) accuracy.*/\\1/p' \"$OUT/train/log.txt\" | tail -n +2 | awk '{print $1, NR - 1}' | sort -k1,1n -k2,2n | head -n 1 | cut -d ' ' -f 2)",
        'cp "$OUT/train/m_$BEST.mlmodel" "$OUT/best.mlmodel"',
    ]


def _legs(training: Training, version: str, device: str, workers: str, seed: int, spec: str | None) -> list[str]:
    lines = ["\n# training"]
    before: tuple[str, int] | None = None
    for folder, until in legs(training):
        output = f"$OUT/train/{folder}"
        if before is None:
            command = ketos.train_command(
                version, training, device=device, workers=workers, seed=seed, train="$OUT/train.list", validation="$OUT/validation.list",
                output=output, base=None if spec else "$BASE", spec=spec, until_epoch=until,
            )  # fmt: skip
        else:
            checkpoint = f"$OUT/train/{before[0]}/checkpoint_{before[1] - 1:02d}-*.ckpt"
            command = ketos.resume_command(
                version,
                training,
                device=device,
                workers=workers,
                seed=seed + before[1],
                checkpoint=checkpoint,
                output=output,
                until_epoch=until,
            )
        lines.append(_shown(command))
        before = (folder, until) if until is not None else None
    lines.append("# the best of all legs: its score is in its name")
    lines.append(
        'cp "$(ls "$OUT"/train/*/best_*.mlmodel | awk -F_ \'{print $NF "\\t" $0}\' | sort -n | tail -n 1 | cut -f 2)" "$OUT/best.mlmodel"'
    )
    return lines


def _prediction(model: str, name: str, version: str, device: str, training: Training, pad: int) -> list[str]:
    command = ketos.predict_command(
        version, pages=[("PAGES", "PAGES")], model=model, template="predict.jinja", device=device,
        precision=training.precision, threads=training.threads, pad=pad,
    )  # fmt: skip
    return [
        f'mkdir -p "$OUT/{name}"',
        "set --",
        f'while read -r page; do set -- "$@" -i "$page" "$OUT/{name}/$(basename "$page" .xml).jsonl"; done < live/held-out.pages',
        _shown(command).replace("-i PAGES PAGES", '"$@"'),
    ]


def _shown(command: Sequence[str]) -> str:
    return " ".join(_word(word) for word in command)


def _word(word: str) -> str:
    if not word.startswith("$"):
        return shlex.quote(word)
    folder, star, rest = word.partition("*")
    return f'"{folder}"{star}{rest}'
