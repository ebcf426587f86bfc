"""How a run was judged: what of leakage was accepted, what is known of its models, and which conventions it follows.

None of it decides the result, so that it is not in the key of a run, and a run that is there already may be asked for
with other words. It is judged anew then, and the judgement is added to the first, which is sealed in provenance.json; the
added ones have a seal of their own. What was accepted once stays shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from htr_exp.config import transcription_conventions
from htr_exp.core.files import utc_now
from htr_exp.core.lock import locked
from htr_exp.runs import sealed_records
from htr_exp.runs.record_check import read_records
from htr_exp.runs.records import JudgementRecord, Provenance
from htr_exp.runs.run_dir import RunDir

MODELS = {"base_model": "base model", "segmentation_model": "segmentation model", "system": "system"}
"""The models, and systems of others, of whose training data a judgement says how far it is known. So the kinds of leaks are called that are about them."""


def judge(run: RunDir, leakage: dict[str, Any], conventions: dict[str, str | None], command: Sequence[str]) -> None:
    """Add a judgement to a run that is there already, unless it is the last one.

    Args:
        run: its folder.
        leakage: what the guard found this time, as `splits.leakage.LeakageReport.record` says it.
        conventions: of the dataset and the base model.
        command: the words with which the run was asked for.

    Raises:
        OSError: the folder cannot be written.
    """

    def is_known() -> bool:
        last = judgements(run)[-1]
        return (last.get("leakage") or {}) == leakage and (last.get("conventions") or {}) == conventions

    if is_known():
        return  # and nothing is written: a finished run may lie where nothing can be
    with locked(run.judging_lock, wait=lambda owner: True):
        if not is_known():
            said = JudgementRecord(leakage=leakage, conventions=conventions, command=list(command), time=utc_now())
            sealed_records.append(run.judgements, said)


def judgements(run: RunDir, facts: Provenance | None = None) -> list[JudgementRecord]:
    """The judgements of a run, the sealed one first.

    Args:
        run: its folder.
        facts: its provenance.json, where that is read already.
    """
    facts = facts or run.facts()
    first = JudgementRecord(
        leakage=facts.get("leakage") or {},
        conventions=facts.get("conventions") or {},
        command=facts.get("command") or [],
        time=facts.get("created") or "",
    )
    return [first, *read_records(run.judgements, JudgementRecord, "leakage", "conventions")]


def accepted(every: Sequence[JudgementRecord]) -> list[str]:
    """What was ever accepted: kinds of leaks, and thresholds that were weaker than the shipped ones (`near_image=0.05`)."""
    found: set[str] = set()
    for one in every:
        found.update(one["leakage"].get("accepted") or ())
        found.update(f"{key}={value:g}" for key, value in (one["leakage"].get("weaker") or {}).items())
    return sorted(found)


def unknown_data(every: Sequence[JudgementRecord], models: Sequence[str]) -> list[str]:
    """A sentence for each model of a run of which it is not known, or only in part, what it was trained on.

    Args:
        every: the judgements.
        models: which of `MODELS` the run has.
    """
    last = every[-1]["leakage"]
    known = {kind: (last.get(kind) or {}).get("trained_on", "unknown") for kind in models}
    return [training_data(kind, said) for kind, said in known.items() if said != "known"]


def training_data(kind: str, known: str) -> str:
    """The sentence that says how far the training data of a model is known."""
    return f"{MODELS[kind]}'s training data: {'known in part' if known == 'in part' else known}"


def conventions(every: Sequence[JudgementRecord]) -> tuple[str | None, str | None]:
    """The conventions of dataset and base model: the last that differed, for what was seen once stays shown, else the last."""
    said = [(one["conventions"].get("dataset"), one["conventions"].get("model")) for one in every]
    differing = [one for one in said if transcription_conventions.differ(*one)]
    return (differing or said)[-1]
