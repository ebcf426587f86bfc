"""The command lines of kraken's programs: compile, train, resume, convert, recognise, segment."""

from __future__ import annotations

from collections.abc import Sequence

from htr_exp.config.schema import Training
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task
from htr_exp.kraken.options import OPTIONS, same, values_of, words_of
from htr_exp.kraken.releases import index_of, release

PREDICTION_TEMPLATE = """\
{%- macro ln(l) -%}
{"id": {{ (l.id if l.id is defined else none)|tojson }}, "baseline": {{ (l.baseline|default([]))|tojson }}, \
"text": {% if l.text is defined %}{{ l.text|tojson }}\
{% else %}{{ l.recognition|map(attribute='text')|join('')|tojson }}{% endif %}}
{% endmacro -%}
{%- for e in page.entities -%}
{%- if e.type == 'region' -%}{%- for l in e.lines -%}{{ ln(l) }}{%- endfor -%}{%- else -%}{{ ln(e) }}{%- endif -%}
{%- endfor -%}
"""
"""A template for `kraken -t`: one JSON line for each text line, with the id (None from 4.3.13) and the baseline it has in the page's XML."""

SUBCOMMAND: dict[Task, str] = {RECOGNITION: "train", SEGMENTATION: "segtrain"}

FORMAT: dict[Task, str] = {RECOGNITION: "binary", SEGMENTATION: "page"}
"""What is trained on: compiled lines, or the staged pages themselves."""


PAGE_FILES, LINE_PAIRS = "page", "path"
"""What is compiled: PAGE XML, or images of lines that have a text of their name beside them."""


def compile_command(
    version: str, *, pages: str, output: str, legacy_polygons: bool, form: str = PAGE_FILES
) -> list[str]:
    """The command that compiles the files listed in `pages`; one worker keeps their order.

    Args:
        version: of kraken.
        pages: lists page files, or images of lines.
        output: the compiled file.
        legacy_polygons: 7.1 only: lines are cut out as 4.3 did.
        form: `PAGE_FILES` or `LINE_PAIRS`.
    """
    if release(version) == "4.3":
        return ["ketos", "compile", "--workers", "1", "-f", form, "-o", output, "-F", pages]
    argv = ["ketos", "--workers", "0", "compile", "-f", form, "-o", output, "-F", pages]
    return argv + ["--legacy-polygons"] * legacy_polygons


def train_command(
    version: str,
    training: Training,
    *,
    device: str,
    workers: str,
    seed: int,
    train: str,
    validation: str,
    output: str,
    base: str | None,
    spec: str | None,
    task: Task = RECOGNITION,
    classes: str | None = None,
    done: int = 0,
    until_epoch: int | None = None,
    each_sample: bool = False,
) -> list[str]:
    """The command that starts a training.

    Args:
        version: of kraken.
        training: every setting.
        device: as kraken names it.
        workers: processes that load lines or pages.
        seed: of everything random in training.
        train: a file that lists what is trained on: compiled lines for recognition, staged pages for segmentation.
        validation: a file that lists what is validated with.
        output: the folder for checkpoints; 4.3.13: what its models' names begin with.
        base: the model's file to start from, or None from scratch.
        spec: the network's VGSL, only from scratch.
        task: what is learnt.
        classes: the file that says which number each class of a segmentation has; 4.3.13 needs none.
        done: epochs that `base` has behind it, where it is a model of this training (a warm restart).
        until_epoch: stop after so many epochs, those of `done` included; default: as `training.quit` says.
        each_sample: kraken says each line or page that it reads.
    """
    index = index_of(version)
    values = values_of(training, device, workers)
    argv = ["ketos", *(["--config", classes] if classes and index else [])]
    argv += [
        "-vv" if each_sample else "-v",
        *words_of(values, task, index, group=True),
        "-s",
        str(seed),
        SUBCOMMAND[task],
    ]
    argv += ["-f", FORMAT[task], "-t", train, "-e", validation, "-o", output]
    argv += ["--weights-format", "coreml"] * (index == 1)
    if base is None:
        argv += ["-s", str(spec)]
    else:  # what a warm restart starts from has its alphabet or classes already
        argv += ["-i", base, "--resize", "fail" if done else training.resize]
    return [*argv, *_stopping(training, index, done, until_epoch), *words_of(values, task, index, group=False)]


def resume_command(
    version: str,
    training: Training,
    *,
    device: str,
    workers: str,
    seed: int,
    checkpoint: str,
    output: str,
    task: Task = RECOGNITION,
    until_epoch: int | None = None,
    each_sample: bool = False,
) -> list[str]:
    """The command that goes on from a checkpoint, with its optimiser, data and counts of epochs: 7.1 only."""
    index = index_of(version)
    argv = [
        "ketos", "-vv" if each_sample else "-v", *words_of(values_of(training, device, workers), task, index, group=True), "-s", str(seed), SUBCOMMAND[task],
        "--resume", checkpoint, "-o", output, "--weights-format", "coreml",
    ]  # fmt: skip
    return argv + _stopping(training, index, 0, until_epoch)


def convert_command(*, checkpoint: str, output: str) -> list[str]:
    """The command that makes weights, which every supported kraken loads, of a checkpoint: 7.1 only."""
    return ["ketos", "convert", "-o", output, "--weights-format", "coreml", checkpoint]


def predict_command(
    version: str,
    *,
    pages: Sequence[tuple[str, str]],
    model: str,
    template: str,
    device: str,
    precision: str,
    threads: int,
    pad: int,
    segmenter: str | None = None,
    text_direction: str | None = None,
) -> list[str]:
    """The command that recognises the lines of pages, one output file each.

    Batch size 1 and no reordering: padding in a batch changes predictions, and scores compare what the network wrote.

    Args:
        version: of kraken.
        pages: page file, or with `segmenter` image, and output file of each.
        model: the recognition model's file.
        template: what kraken writes by.
        device: as kraken names it.
        precision: 7.1 only: 4.3.13 recognises in 32-bit precision.
        threads: of the network.
        pad: blank columns left and right of a line, pixels.
        segmenter: the segmentation model's file that finds the lines; None: those of the page files are read.
        text_direction: in which the lines that it finds follow each other.
    """
    files = [word for page, output in pages for word in ("-i", page, output)]
    source = ["-f", "page"] if segmenter is None else []
    found = [] if segmenter is None else _segment(segmenter, text_direction)
    if release(version) == "4.3":
        argv = ["kraken", "-d", device, *source, "-t", template, *files, *found]
    else:
        argv = ["kraken", "-d", device, "--precision", precision, "--threads", str(threads), *source, "-t", template]
        argv += ["--no-subline-segmentation", *files, *found]
    return [*argv, "ocr", *_reading(version, model, pad, threads)]


def transcribe_command(
    version: str,
    *,
    pages: Sequence[tuple[str, str]],
    model: str,
    form: str,
    device: str,
    precision: str,
    threads: int,
    pad: int,
    segmenter: str | None = None,
    text_direction: str | None = None,
) -> list[str]:
    """The command that transcribes pages for people and their programs; otherwise as `predict_command`.

    Text is in the order in which it is read, and each line is recognised by itself, as when the model was scored.

    Args:
        version: of kraken.
        pages: page file, or with `segmenter` image, and output file of each.
        model: the recognition model's file.
        form: a key of `FORMS`.
        device: as kraken names it.
        precision: 7.1 only.
        threads: of the network.
        pad: blank columns left and right of a line, pixels.
        segmenter: the segmentation model's file that finds the lines; None: those of the page files are read.
        text_direction: in which the lines that it finds follow each other.
    """
    files = [word for page, output in pages for word in ("-i", page, output)]
    source, found = (["-f", "page"], []) if segmenter is None else ([], _segment(segmenter, text_direction))
    argv = ["kraken", "-d", device]
    if release(version) != "4.3":
        argv += ["--precision", precision, "--threads", str(threads)]
    reading = [word for word in _reading(version, model, pad, threads) if word != "--no-reorder"]
    return [*argv, *source, *FORMS[form], *files, *found, "ocr", *reading]


FORMS = {"page": ["-x"], "alto": ["-a"], "hocr": ["-h"], "text": ["-n"]}
"""What kraken writes -> the words for it; text is what it writes by itself."""


def predict_lines_command(
    version: str,
    *,
    pictures: str,
    suffix: str,
    model: str,
    template: str,
    device: str,
    precision: str,
    threads: int,
    pad: int,
) -> list[str]:
    """The command that recognises pictures of lines, each as a whole; otherwise as `predict_command`.

    Args:
        version: of kraken.
        pictures: a glob of their files: there may be more than a command line holds.
        suffix: of what is written beside each, in the place of its own.
        model: the recognition model's file.
        template: what kraken writes by.
        device: as kraken names it.
        precision: 7.1 only.
        threads: of the network.
        pad: blank columns left and right of a line, pixels.
    """
    files = ["-t", template, "-I", pictures, "-o", suffix]
    if release(version) == "4.3":
        argv = ["kraken", "-d", device, *files]
    else:
        argv = ["kraken", "-d", device, "--precision", precision, "--threads", str(threads)]
        argv += ["--no-subline-segmentation", *files]
    return [*argv, "ocr", "--no-segmentation", *_reading(version, model, pad, threads)]


def _reading(version: str, model: str, pad: int, threads: int) -> list[str]:
    """The words behind `ocr`: how lines are read, wherever they are."""
    if release(version) == "4.3":
        return ["-m", model, "--pad", str(pad), "--no-reorder", "--threads", str(threads)]
    return ["-m", model, "-B", "1", "--pad", str(pad), "--no-reorder", "--num-line-workers", "0"]


def segment_command(
    version: str,
    *,
    pages: Sequence[tuple[str, str]],
    model: str,
    device: str,
    precision: str,
    threads: int,
    text_direction: str | None = None,
) -> list[str]:
    """The command that finds the lines and regions of images, one ALTO file each: 7.1.1 writes no types into PAGE that anyone reads.

    Args:
        version: of kraken.
        pages: image and output file of each.
        model: the segmentation model's file.
        device: as kraken names it.
        precision: 7.1 only: 4.3.13 predicts in 32-bit precision.
        threads: of the network.
        text_direction: in which the lines follow each other.
    """
    files = [word for image, output in pages for word in ("-i", image, output)]
    if release(version) == "4.3":
        return ["kraken", "-d", device, "-a", *files, *_segment(model, text_direction)]
    argv = ["kraken", "-d", device, "--precision", precision, "--threads", str(threads), "-a", *files]
    return [*argv, *_segment(model, text_direction)]


def _segment(model: str, text_direction: str | None) -> list[str]:
    """The words that find lines. Without a direction, kraken takes columns and lines from left to right."""
    return ["segment", *(["-d", text_direction] if text_direction == "horizontal-rl" else []), "-bl", "-i", model]


def _stopping(training: Training, index: int, done: int, until_epoch: int | None) -> list[str]:
    quits = OPTIONS[RECOGNITION]["quit"][index].words or same("early", "fixed")
    if until_epoch is not None or training.quit == "fixed":
        return ["-q", quits["fixed"], "-N", str((until_epoch or training.epochs) - done), "--min-epochs", "0"]
    # kraken ignores -N with -q early: the cap on epochs is ours
    return ["-q", quits["early"], "--lag", str(training.lag), "--min-epochs", str(max(training.min_epochs - done, 0))]
