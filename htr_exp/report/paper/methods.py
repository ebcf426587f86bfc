"""The paragraph of a paper that says how its figures were made, from the record and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from htr_exp.core.task import RECOGNITION
from htr_exp.core.text import counted, joined
from htr_exp.report.paper.evidence import Evidence, PaperRun
from htr_exp.report.paper.table import value_of
from htr_exp.runs import costs, test_sets
from htr_exp.runs.rows import compared_on, counted_figures

MEASURES = (
    "The character error rate (CER) is the number of edits divided by the number of characters of the reference, over all "
    "lines; a character is a grapheme cluster after Unicode normalisation NFC, and several white-space characters count as "
    "one blank. The word error rate (WER) is the same over words."
)
HELD_OUT = "The test pages were used neither to train nor to choose a model; the validation pages chose the epoch that was kept."


def methods(found: Evidence) -> str:
    """The paragraph, as plain text."""
    return " ".join(_sentences(found)) + "\n"


def _sentences(found: Evidence) -> Iterator[str]:
    trained = found.trained
    for words in dict.fromkeys(map(_data, found.runs)):
        yield words
    for words in dict.fromkeys(map(_split, trained)):
        yield words
    if trained:
        yield HELD_OUT
        bases = sorted({_model(one.facts.get("model")) for one in trained})
        began = (
            f"from {joined(bases)}" if all(one.row["base_model"] for one in trained) else "from scratch or a base model"
        )
        yield f"{_count(trained)} trained {began} with kraken {joined(sorted({one.row['kraken'] for one in trained}))}, by htr_exp."
        yield _recipe(trained)
        yield _cost(found)
    if found.task is RECOGNITION:
        yield MEASURES
    yield from _certainty(found)


def _count(runs: list[PaperRun]) -> str:
    return "One model was" if len(runs) == 1 else f"{len(runs)} models were"


def _data(one: PaperRun) -> str:
    dataset = one.facts["dataset"]
    counts = [
        counted(dataset["pages"], "page"),
        counted(dataset["lines"], "line"),
        counted(dataset["characters"], "character"),
    ]
    return f"The ground truth {dataset['name']} has {joined(counts)} (digest {dataset['digest'][:12]})."


def _split(one: PaperRun) -> str:
    split: Mapping[str, Any] = one.facts.get("split") or {}
    if not split.get("train"):
        return ""
    sides = [
        f"{counted(split[side]['pages'], 'page')} ({counted(split[side]['lines'], 'line')}) {purpose}"
        for side, purpose in (("train", "to train"), ("validation", "to validate"), ("test", "to test"))
        if split.get(side) and split[side]["pages"]
    ]
    how = {"drawn": f"It was split by {split.get('by') or 'page'} before training (seed {split.get('seed')})"}
    return f"{how.get(str(split.get('kind')), 'The split was given')}: {joined(sides)}."


def _model(model: Mapping[str, Any] | None) -> str:
    if not model:
        return "nothing"
    known = [f"doi:{model['doi']}"] if model.get("doi") else []
    known += [f"SHA-256 {str(model['sha256'])[:12]}"] if model.get("sha256") else []
    return f"the model {model['name']}{f' ({chr(44).join(known)})' if known else ''}".replace(",", ", ")


RECIPE = {
    "training.optimizer": "optimizer",
    "training.lrate": "learning rate",
    "training.batch_size": "batch size",
    "training.schedule": "schedule",
    "training.augment": "augmentation",
    "training.precision": "precision",
    "seed": "seed",
}


def _recipe(trained: list[PaperRun]) -> str:
    """The settings that a reader asks for; where runs differ, all values."""
    words = []
    for key, name in RECIPE.items():
        values = list(dict.fromkeys(value_of(one, key) for one in trained))
        words.append(f"{name} {', '.join(sorted(values))}")
    epochs = sorted({len(one.epochs) for one in trained if one.epochs})
    if epochs:
        words.append(f"{epochs[0]} epochs" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]} epochs")
    return f"Settings: {'; '.join(words)}."


def _cost(found: Evidence) -> str:
    devices = sorted({str(one.results.get("device") or "unknown") for one in found.trained})
    machines = sorted({_machine(one) for one in found.trained})
    return f"Cost of training: {costs.said(found.cost)}; devices: {joined(devices)} ({joined(machines)})."


def _machine(one: PaperRun) -> str:
    machine: Mapping[str, Any] = one.facts.get("machine") or {}
    return joined([str(card) for card in machine.get("gpu") or []]) or str(machine.get("cpu") or "unknown machine")


def _certainty(found: Evidence) -> Iterator[str]:
    units = {scores["units"] for row in found.rows if (scores := counted_figures(row["scores"]["test"]))}
    if any(row["cer_low"] is not None for row in found.rows):
        over = joined([str(count) for count in sorted(units)])
        yield (
            f"Intervals are 95 % intervals over {over} test pages or groups of pages: the delete-one jackknife with Student's t, "
            "on the logarithm of the CER, and on the difference for a gain, on the same lines."
        )
    if len({one.row["settings"].get("seed") for one in found.trained}) == 1:
        yield "All models were trained with one seed; another seed would give other figures, which no interval here holds."
    for row in {compared_on(row): row for row in found.rows}.values():
        if row["test_scored"]:
            yield f"In this workspace the test pages of {row['dataset']} were {test_sets.scored(row)}."
