"""What a training's lines mean for its network: characters it lacks or may not have, lines it cannot learn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from htr_exp import alphabet, crowded
from htr_exp.alphabet import Audit, Form
from htr_exp.crowded import CrowdedLine
from htr_exp.groundtruth import GroundTruthPage
from htr_exp.network import network
from htr_exp.schema import Experiment
from htr_exp.weights import ModelHeader


@dataclass(frozen=True)
class Material:
    """What was found in the lines.

    Attributes:
        audit: of the training lines' characters; what the table of allowed characters lacks is of all lines.
        crowded: training lines with more characters than the network leaves columns; None where the network's
            specification does not tell how many it leaves.
        lines: how many lines are trained on.
    """

    audit: Audit
    crowded: tuple[CrowdedLine, ...] | None
    lines: int

    def problems(self, experiment: Experiment, model: str | None) -> list[str]:
        """Return why a training must not start on them."""
        return alphabet.problems(self.audit, model=model, table=experiment.dataset.characters)

    def warnings(self, experiment: Experiment, model: str | None) -> Iterator[str]:
        """Yield what to know before a training starts."""
        yield from alphabet.warnings(
            self.audit,
            model=model,
            normalization=experiment.training.normalization,
            table=experiment.dataset.characters,
        )
        if said := crowded.warning(self.crowded or (), self.lines):
            yield said


def key(experiment: Experiment) -> tuple[Any, ...]:
    """Return the settings that `examined` depends on, beside pages and base model."""
    training = experiment.training
    return (
        *(training.normalization, training.normalize_whitespace, training.resize, training.pad),
        *(experiment.dataset.characters, experiment.architecture.spec),
    )


def examined(
    experiment: Experiment,
    pages: Sequence[GroundTruthPage],
    held_out: Sequence[GroundTruthPage],
    base: ModelHeader | None,
) -> Material:
    """Examine the lines of a training.

    Args:
        experiment: training, dataset and architecture.
        pages: to be trained on; none, if the base model is only scored.
        held_out: all others.
        base: what the base model's file says of itself.

    Raises:
        ConfigError: with every problem of the table of allowed characters.
    """
    training = experiment.training
    allowed = None
    if experiment.dataset.characters is not None:
        from htr_exp.charactertable import read_table

        allowed = read_table(Path(experiment.dataset.characters).expanduser().absolute())
    known = base.alphabet if base is not None else None
    form = cast("Form | None", training.normalization)
    whitespace = training.normalize_whitespace
    spec = base.network if base is not None else experiment.architecture.spec
    shape = network(spec) if spec else None
    return Material(
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
        else crowded.crowded(
            pages, shape, pad=training.pad, normalization=form, normalize_whitespace=whitespace, alphabet=known or ()
        ),
        lines=sum(len(page.lines) for page in pages),
    )


def of_split(
    experiment: Experiment,
    pages: Mapping[str, GroundTruthPage],
    train: Sequence[str],
    base: ModelHeader | None,
) -> Material:
    """Examine a dataset of which some pages, by name, are trained on."""
    wanted = set(train)
    return examined(
        experiment,
        [pages[name] for name in pages if name in wanted],
        [pages[name] for name in pages if name not in wanted],
        base,
    )
