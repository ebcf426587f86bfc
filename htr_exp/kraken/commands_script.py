"""commands.sh: what a run does, as kraken's own commands, for someone who knows kraken and nothing of us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from htr_exp.config.schema import Scores, Training
from htr_exp.core.task import RECOGNITION, Task
from htr_exp.kraken.commands import convert_command, resume_command, train_command
from htr_exp.kraken.legs import legs
from htr_exp.kraken.releases import release
from htr_exp.kraken.script_steps import STEPS, LinePairs, RunFiles, Steps, recognition_lines, shown

HEADER = """\
#!/bin/sh
# What this run does, in kraken {version}'s own commands. It repeats the run in a folder of its own, $OUT.{stopping}
{reach}set -eu
cd "$(dirname "$0")"
OUT=${{OUT:-by-hand}}
DATA=${{DATA:-$(cat {data_path} 2>/dev/null || true)}}
{models}mkdir -p "$OUT"
export COLUMNS=400 TERM=dumb NO_COLOR=1 OMP_NUM_THREADS={threads} LC_ALL=C.UTF-8
"""

MODEL = "{variable}=${{{variable}:-$(cat {path} 2>/dev/null || true)}}\n"

PAGES = "pages"
"""The folder of all that is in the archive of pages."""

IMAGES = "images"
"""What pages call the folder of their images, from where they are: the script makes it a link."""

EVERY_IMAGE = "every.images"
"""The list of all images, as pages call them."""

UNPACKING = """
# the pages as kraken is given them; their images are in $DATA
stop() {{ echo "commands.sh: $1" >&2; exit 2; }}
[ -d "$DATA" ] || stop "DATA=$DATA: there is no such folder; say where the images of the pages are: DATA=/WHOLE/PATH sh commands.sh"
{models}tar -xzf {archive} -C "$OUT"
rm -f "$OUT/{pages}/{images}"
ln -s "$(cd "$DATA" && pwd)" "$OUT/{pages}/{images}"
while IFS= read -r image; do [ -f "$OUT/{pages}/$image" ] || stop "DATA=$DATA: there is no ${{image#{images}/}} in it"; done < "$OUT/{pages}/{every_image}"
for list in "$OUT"/{pages}/*.pages "$OUT"/{pages}/*.images; do
  while IFS= read -r name; do printf '%s\\n' "$OUT/{pages}/$name"; done < "$list" > "$OUT/${{list##*/}}"
done
"""

MISSING = '[ -f "${variable}" ] || stop "{variable}=${variable}: there is no such file; say where the {what} is: {variable}=/WHOLE/PATH sh commands.sh"\n'

DEVICE = "DEVICE=${DEVICE:-$(nvidia-smi -L 2>/dev/null | grep -q ^GPU && echo cuda:0 || echo cpu)}\n"
WORKERS = "WORKERS=${WORKERS:-0} # processes that load lines; with a GPU the run takes one less than its CPUs\n"


def script(
    training: Training,
    *,
    files: RunFiles,
    version: str,
    device: str,
    seed: int,
    base: bool,
    spec: str | None,
    sides: Sequence[str],
    scores: Scores,
    task: Task = RECOGNITION,
    segmenter: bool = False,
    reach: str | None = None,
    line_pairs: bool = False,
) -> str:
    """The text of commands.sh.

    Args:
        training: every setting.
        files: of the run folder.
        version: of kraken.
        device: as kraken names it, or `auto` where only the machine that runs it knows.
        seed: of training.
        base: whether there is a base model.
        spec: the network from scratch, or None with a base model.
        sides: what is compiled: train, validation and, where there is one, test; nothing where nothing is trained.
        scores: every setting of scoring.
        task: what is learnt.
        segmenter: whether whole pages are read, too, in the lines that a segmentation model finds.
        reach: a line that brings this kraken within reach, or says how; None where it is on PATH.
        line_pairs: whether the lines are pictures of their own.
    """
    wanted = {"BASE": (files.base_model_path, "base model")} if base else {}
    wanted |= {"SEGMENTER": (files.segmentation_model_path, "segmentation model")} if segmenter else {}
    header = HEADER.format(
        version=version,
        data_path=files.data_path,
        models="".join(MODEL.format(variable=name, path=path) for name, (path, _) in wanted.items()),
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
    missing = "".join(MISSING.format(variable=name, what=what) for name, (_, what) in wanted.items())
    names = {"pages": PAGES, "images": IMAGES, "every_image": EVERY_IMAGE}
    lines = [header + UNPACKING.format(archive=files.page_archive, models=missing, **names)]
    steps = LinePairs(files) if line_pairs else STEPS[task](files)
    if sides:
        lines += steps.prepare(training, version, sides)
        trained = _one_training if release(version) == "4.3" else _exact_legs if training.exact else _legs
        lines.append(RESUMED.format(starts=files.starts))
        lines += trained(_Call(training, version, device, workers, seed, spec, task), steps)
    lines.append(f"\n# predictions on the held-out {steps.predicted}")
    models = [("$BASE", "base")] * base + [("$OUT/best.mlmodel", "best")] if sides else [("$BASE", "model")]
    for model, name in models:
        lines += steps.predict(model, name, version, device, training, scores)
    if segmenter:
        lines.append("\n# whole pages, in the lines that the segmentation model finds")
        lines += recognition_lines(
            files, "$BASE", "found-lines", version, device, training, scores, segmenter="$SEGMENTER"
        )
    return "\n".join(lines) + "\n"


RESUMED = """
# What this cannot repeat: a training that was resumed within a leg (resumed_at in results.json). It then has other random numbers.
if grep -q '"exact": false' {starts} 2>/dev/null; then
  echo "commands.sh: this run was resumed after an interruption: the line below '# training' gives another model than best.mlmodel" >&2
fi"""


def _stopping(training: Training, version: str) -> str:
    if training.exact:
        return "\n# Epochs are trained in legs. Each begins at the end of the one before, with a seed of its own."
    if training.quit == "early":
        return f"\n# kraken has no cap on epochs with -q early: the run stops it after {training.epochs}."
    return (
        "\n# Epochs are trained in legs, each in a folder of its own, so that each leaves a checkpoint."
        if len(legs(training)) > 1 and release(version) == "7.1"
        else ""
    )


@dataclass(frozen=True)
class _Call:
    """What all commands of a training have in common."""

    training: Training
    version: str
    device: str
    workers: str
    seed: int
    spec: str | None
    task: Task

    def begun(self, steps: Steps, output: str, until: int | None = None) -> list[str]:
        """The command that begins it."""
        return train_command(
            self.version, self.training, device=self.device, workers=self.workers, seed=self.seed, train=steps.train,
            validation=steps.validation, output=output, base=None if self.spec else "$BASE", spec=self.spec, task=self.task,
            classes=steps.classes, until_epoch=until,
        )  # fmt: skip


def _one_training(call: _Call, steps: Steps) -> list[str]:
    command = call.begun(steps, "$OUT/train/m")
    return [
        "\n# training: a model after every epoch",
        'mkdir -p "$OUT/train"',
        f'{shown(command)} | tee "$OUT/train/log.txt"',
        "# the best of them by the log, whose first validation is a sanity check; kraken's own choice may be that sanity check",
        f"BEST=$(sed -n '{steps.figure}' \"$OUT/train/log.txt\" | tail -n +2 | awk '{{print $1, NR - 1}}' | sort -k1,1{steps.order} -k2,2n | head -n 1 | cut -d ' ' -f 2)",
        'cp "$OUT/train/m_$BEST.mlmodel" "$OUT/best.mlmodel"',
    ]


def _legs(call: _Call, steps: Steps) -> list[str]:
    lines = ["\n# training", *map(shown, _commands_of_legs(call, steps)), *steps.remarks]
    lines.append("# the best of all legs: its score is in its name")
    lines.append(
        'cp "$(ls "$OUT"/train/*/best_*.mlmodel | awk -F_ \'{print $NF "\\t" $0}\' | sort -n | tail -n 1 | cut -f 2)" "$OUT/best.mlmodel"'
    )
    return lines


def _exact_legs(call: _Call, steps: Steps) -> list[str]:
    """The legs of an exact training, whose end and best epoch are ours to find in kraken's log."""
    training, log = call.training, '"$OUT/train/log.txt"'
    spent = f"NR >= {training.min_epochs} && (least <= {steps.perfect} || NR - 1 - best >= {training.lag})"
    over = f" {spent} {{ over = 1; exit }}" if training.quit == "early" else ""
    lines = [
        "\n# the best epoch so far, and 1 once there was no better one for long enough",
        f"best() {{ sed -n '{steps.figure}' {log} | awk 'NR == 1 || $1 < least {{ least = $1; best = NR - 1 }}{over} END {{ print best, over + 0 }}'; }}",
        "over() { best | grep -q ' 1$'; }",
        "\n# training",
        'mkdir -p "$OUT/train"',
    ]
    for number, command in enumerate(_commands_of_legs(call, steps)):
        unless = "over || " if number and training.quit == "early" else ""
        lines.append(f"{unless}{shown(command)} | tee {'-a ' if number else ''}{log}")
    lines += steps.remarks
    converted = " ".join(convert_command(checkpoint="CHECKPOINT", output="$OUT/best.mlmodel"))
    checkpoint = '"$OUT"/train/*/checkpoint_$(printf %02d "$(best | cut -d \' \' -f 1)")-*.ckpt'
    lines.append(converted.replace("$OUT/best.mlmodel", '"$OUT/best.mlmodel"').replace("CHECKPOINT", checkpoint))
    return lines


def _commands_of_legs(call: _Call, steps: Steps) -> Iterator[list[str]]:
    before: tuple[str, int] | None = None
    for folder, until in legs(call.training):
        output = f"$OUT/train/{folder}"
        if before is None:
            yield call.begun(steps, output, until)
        else:
            yield resume_command(
                call.version,
                call.training,
                device=call.device,
                workers=call.workers,
                seed=call.seed + before[1],
                task=call.task,
                checkpoint=f"$OUT/train/{before[0]}/checkpoint_{before[1] - 1:02d}-*.ckpt",
                output=output,
                until_epoch=until,
            )
        before = (folder, until) if until is not None else None
