"""A plan for programs: everything that `--dry-run` shows people, and the configuration."""

from __future__ import annotations

from typing import Any

from htr_exp.pipeline import write
from htr_exp.pipeline.plan import Plan
from htr_exp.pipeline.sources import BaseModel
from htr_exp.splits.split import NAMES


def of_plan(plan: Plan) -> dict[str, Any]:
    """The record of a plan, of plain values."""
    dataset, split, kraken = plan.dataset, plan.split, plan.kraken
    return {
        "key": plan.key,
        "name": plan.name,
        "evaluate": plan.evaluate,
        "kill_costs_epochs": plan.kill_costs,
        "dataset": {
            "name": plan.dataset_name,
            "folders": [str(folder) for folder in plan.folders],
            "digest": dataset.digest,
            "pages": len(dataset.pages),
            "lines": dataset.lines,
            "characters": dataset.characters,
            "left_out": len(dataset.dropped),
            "excluded": list(plan.left_out["excluded"]),
        },
        "split": {
            "fold": plan.split.fold,
            "digest": split.digest,
            **{side: list(split.pages[side]) for side in NAMES},
            "lines": {side: sum(len(plan.pages[name].lines) for name in split.pages[side]) for side in NAMES},
            "unused": list(split.unused),
        },
        "base_model": _model(plan.base),
        "system": {"name": plan.experiment.system, **plan.predictions.record} if plan.predictions else None,
        "segmentation_model": _model(plan.segmenter),
        "network": plan.base.header.network if plan.base else plan.experiment.architecture.spec,
        "learning_rate": None if plan.evaluate else plan.experiment.training.lrate,
        "training_data": dict(plan.training_data.summary()),
        "kraken": kraken and {"version": kraken.version, "kind": kraken.kind, "device": plan.device},
        "accepted": {kind: len(found) for kind, found in plan.leaks.accepted.items()},
        "trained_on": list(plan.leaks.origins()),
        "warnings": list(plan.warnings),
        "commands": write.script_of(plan),
        "configuration": plan.composed.values,
        "from_conf": list(plan.composed.from_here),
    }


def _model(model: BaseModel | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {"name": model.name, "path": str(model.path), "sha256": model.sha256, "doi": model.doi}
