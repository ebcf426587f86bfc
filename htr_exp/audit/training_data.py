"""What a training's pages mean for its network: characters and classes it lacks or may not have, lines it cannot learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from htr_exp.audit import alphabet, classes, line_capacity
from htr_exp.audit.alphabet import AlphabetAudit, Form
from htr_exp.audit.line_capacity import CrowdedLine
from htr_exp.audit.memory_estimate import MemoryEstimate
from htr_exp.config.schema import Experiment, RecognitionTraining, SegmentationScores
from htr_exp.core.problem import Problem
from htr_exp.core.task import RECOGNITION, SEGMENTATION, Task, task_of
from htr_exp.groundtruth.model import GroundTruthPage
from htr_exp.kraken.model_file import ModelHeader
from htr_exp.kraken.releases import release
from htr_exp.kraken.vgsl import read_network


class TrainingData(Protocol):
    """What was found in the pages of a training."""

    def problems(self, experiment: Experiment, model: str | None, versions: Sequence[str]) -> list[Problem]:
        """Why a training by these versions of kraken must not start on them."""

    def warnings(self, experiment: Experiment, model: str | None) -> Iterator[str]:
        """Yield what to know before a training starts."""

    def facts(self) -> dict[str, Any]:
        """The part of the record about this, as JSON."""

    def summary(self) -> list[tuple[str, str]]:
        """What a dry run shows: pairs of a name and a value."""


@dataclass(frozen=True)
class Lines:
    """What was found in the lines of a recognition.

    Attributes:
        audit: of the training lines' characters; what the table of allowed characters lacks is of all lines.
        crowded: training lines with more characters than the network leaves columns; None where the network's
            specification does not tell how many it leaves.
        lines: how many lines are trained on.
    """

    audit: AlphabetAudit
    crowded: tuple[CrowdedLine, ...] | None
    lines: int

    def problems(self, experiment: Experiment, model: str | None, versions: Sequence[str]) -> list[Problem]:
        """Why a training must not start on them."""
        return list(alphabet.problems(self.audit, model=model, table=experiment.dataset.characters))

    def warnings(self, experiment: Experiment, model: str | None) -> Iterator[str]:
        """Yield what to know before a training starts."""
        yield from alphabet.warnings(
            self.audit,
            model=model,
            table=experiment.dataset.characters,
        )
        if said := line_capacity.warning(self.crowded or (), self.lines):
            yield said

    def facts(self) -> dict[str, Any]:
        """How many training lines the network cannot learn from, and which for certain; None where that is unknown."""
        if not self.lines:
            return {}
        if self.crowded is None:
            return {"crowded_lines": None}
        certain = [one.to_json() for one in self.crowded if one.certain]
        return {"crowded_lines": {"count": len(self.crowded), "certain": certain}}

    def summary(self) -> list[tuple[str, str]]:
        """No rows: what is to be said about the lines is in the warnings."""
        return []


@dataclass(frozen=True)
class Layouts:
    """What was found in the layouts of a segmentation.

    Attributes:
        audit: of the classes.
        memory: what a training on them takes.
    """

    audit: classes.ClassAudit
    memory: MemoryEstimate

    def problems(self, experiment: Experiment, model: str | None, versions: Sequence[str]) -> list[Problem]:
        """Why a training must not start on them; where nothing is learnt, any layout can be scored."""
        if not self.memory.pages:
            return []
        return [
            *self.audit.problems(versions, model),
            *self._steering(experiment, versions),
            *self.memory.problems(experiment),
        ]

    def _steering(self, experiment: Experiment, versions: Sequence[str]) -> list[Problem]:
        """That kraken 7.1 has nothing to steer by: its mean IoU is of regions and of the ends of lines, not of lines."""
        by_mean_iu = cast("SegmentationScores", experiment.scores).best_by == "mean_iu"
        steered = experiment.training.quit == "early" or by_mean_iu
        if self.audit.trained("regions") or not steered or all(release(one) == "4.3" for one in versions):
            return []
        what = "the training pages have no regions, and without them kraken 7.1's mean IoU is of the ends of lines alone, often 0"
        remedy = "write training.quit=fixed scores.best_by=line_f1, which scores the epochs by the lines that are found"
        return [Problem(what, remedy)]

    def warnings(self, experiment: Experiment, model: str | None) -> Iterator[str]:
        """Yield what to know before a training starts."""
        if not self.memory.pages:
            return
        yield from self.audit.warnings(model)
        yield from self.memory.warnings(experiment)

    def facts(self) -> dict[str, Any]:
        """The classes, how many there are of each, which output of the network is for which, and the memory that it takes."""
        return self.audit.facts() | self.memory.facts()

    def summary(self) -> list[tuple[str, str]]:
        """The classes that are learnt, and the memory that it takes."""
        if not self.memory.pages:
            return []
        learnt = [f"{sort} {', '.join(of)}" for sort, of in self.audit.numbers.items() if of]
        memory = self.memory.facts()["memory"]
        shown = [("memory", f"about {memory['peak_gb']:.1f} GB, where the CPU computes")] if memory else []
        return [("classes", "; ".join(learnt)), *shown]


def key(experiment: Experiment) -> tuple[Any, ...]:
    """The settings that `examined` depends on, beside pages and base model."""
    training = vars(experiment.training)
    return (
        *(training.get(setting) for setting in ("normalization", "normalize_whitespace", "resize", "pad")),
        *(experiment.task.name, repr(experiment.classes)),
        *(experiment.dataset.characters, experiment.architecture.spec),
    )


def examined(
    experiment: Experiment,
    pages: Sequence[GroundTruthPage],
    held_out: Sequence[GroundTruthPage],
    base: ModelHeader | None,
) -> Lines:
    """Examine the lines of a training.

    Args:
        experiment: training, dataset and architecture.
        pages: to be trained on; none, if the base model is only scored.
        held_out: all others.
        base: what the base model's file says of itself.

    Raises:
        ConfigError: with every problem of the table of allowed characters.
    """
    training = cast("RecognitionTraining", experiment.training)
    allowed = None
    if experiment.dataset.characters is not None:
        from htr_exp.audit.allowed_characters import read_table

        allowed = read_table(Path(experiment.dataset.characters).expanduser().absolute())
    known = base.alphabet if base is not None else None
    form = cast("Form | None", training.normalization)
    whitespace = training.normalize_whitespace
    spec = base.network if base is not None else experiment.architecture.spec
    shape = read_network(spec) if spec else None
    return Lines(
        audit=alphabet.audit(
            pages,
            known if pages else None,
            normalization=form,
            normalize_whitespace=whitespace,
            resize=training.resize,
            allowed=allowed,
            held_out=held_out,
            look_alikes=False,  # `check` has time for it, a dry run has not
        ),
        crowded=None
        if shape is None
        else line_capacity.crowded_lines(
            pages, shape, pad=training.pad, normalization=form, normalize_whitespace=whitespace, alphabet=known or ()
        ),
        lines=sum(len(page.lines) for page in pages),
    )


def of_split(
    experiment: Experiment,
    pages: Mapping[str, GroundTruthPage],
    sides: Mapping[str, Sequence[str]],
    base: ModelHeader | None,
) -> TrainingData:
    """Examine a dataset whose pages are, by name, trained on, validated with and scored on.

    Raises:
        ConfigError: with every problem of the table of allowed characters.
    """
    return EXAMINED[task_of(experiment.task.name)](experiment, pages, sides, base)


def _lines(
    experiment: Experiment,
    pages: Mapping[str, GroundTruthPage],
    sides: Mapping[str, Sequence[str]],
    base: ModelHeader | None,
) -> Lines:
    wanted = set(sides["train"])
    return examined(
        experiment,
        [pages[name] for name in pages if name in wanted],
        [pages[name] for name in pages if name not in wanted],
        base,
    )


def _layouts(
    experiment: Experiment,
    pages: Mapping[str, GroundTruthPage],
    sides: Mapping[str, Sequence[str]],
    base: ModelHeader | None,
) -> Layouts:
    of_side = {side: [pages[name] for name in names] for side, names in sides.items()}
    audit = classes.audit(of_side, experiment.classes, base, experiment.training.resize)
    spec = base.network if base is not None else str(experiment.architecture.spec)
    outputs = sum(map(len, audit.numbers.values()))
    return Layouts(audit, MemoryEstimate(spec, outputs, [*of_side["train"], *of_side["validation"]]))


EXAMINED: dict[Task, Callable[..., TrainingData]] = {RECOGNITION: _lines, SEGMENTATION: _layouts}
"""What is examined of the pages of each task."""
