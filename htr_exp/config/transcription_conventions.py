"""How transcriptions follow their manuscripts, and whether a dataset and its base model do it alike.

A model that expands abbreviations (TRIDIS) makes an error of every sign that a graphematic transcription keeps (CATMuS,
CREMMA): before training, its score tells of the convention and not of its reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `status` asks this module, too, and needs no schema
    from htr_exp.config.schema import Experiment

UNKNOWN = "unknown"


def of(experiment: Experiment) -> dict[str, str | None]:
    """The conventions of an experiment's dataset and base model, as they are recorded; None without a model."""
    model = experiment.model
    return {
        "dataset": experiment.dataset.transcription_convention,
        "model": None if model.name == "none" else model.transcription_convention,
    }


def differ(dataset: str | None, model: str | None) -> bool:
    """Whether both are known and not the same."""
    return UNKNOWN not in (dataset or UNKNOWN, model or UNKNOWN) and dataset != model


def described(dataset: str | None, model: str | None) -> str | None:
    """Both in a few words, `expanded -> graphematic` from the model's to the data's; None if the data's is unknown."""
    if (dataset or UNKNOWN) == UNKNOWN and (model or UNKNOWN) == UNKNOWN:
        return None
    if model is None or model == dataset:
        return dataset
    return f"{model} -> {dataset or UNKNOWN}"


def warning(experiment: Experiment, *, evaluate: bool) -> str | None:
    """The warning about a dataset and a base model that follow different conventions.

    Args:
        experiment: with both.
        evaluate: the base model is only scored.
    """
    used = of(experiment)
    if not differ(used["dataset"], used["model"]):
        return None
    what = "its score measures" if evaluate else "its score before training, and the gain, measure"
    return (
        f"the dataset's transcriptions are {used['dataset']}, the base model's {used['model']} "
        f"(transcription_convention): {what} the convention as much as the reading"
    )
