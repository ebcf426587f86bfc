"""The table of a report that says how the scores were made, for who wants to know or repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from htr_exp import __version__
from htr_exp.core.secrets import hidden
from htr_exp.core.task import Epoch
from htr_exp.core.text import counted
from htr_exp.report.figures import number
from htr_exp.runs import costs
from htr_exp.runs.records import Provenance, Results
from htr_exp.runs.rows import RunRow


def record_table(
    row: RunRow, facts: Provenance, results: Results, epochs: Sequence[Epoch]
) -> Iterable[tuple[str, str]]:
    """Name and value of what made the scores."""
    dataset, split, model = (
        facts["dataset"],
        facts.get("split") or {},
        cast("Mapping[str, Any]", facts.get("model") or {}),
    )
    read = [
        counted(int(count), what)
        for key, what in (("pages", "page"), ("lines", "line"))
        if (count := number(dataset, key)) is not None
    ]
    code = cast("Mapping[str, Any]", facts.get("code") or {})
    given = facts.get("predictions") or {}
    spent = costs.cost(results, epochs)
    pairs: list[tuple[str, Any]] = [
        ("ground truth", ", ".join([str(dataset["name"]), *read, f"digest {str(dataset.get('digest'))[:12]}"])),
        ("system" if given else "model" if row["verb"] == "evaluate" else "base model", _model(model)),
        ("predictions", _given(given)),
        ("segmentation model", _model(facts.get("segmentation_model") or {})),
        ("network", results.get("network")),
        ("split", _split_words(split)),
        ("digest of the test pages", str(row["test_digest"])[:12] if row["test_digest"] else None),
        ("kraken", f"{row['kraken']} ({row['runtime']})" if row["runtime"] else None if given else row["kraken"]),
        ("device", results.get("device")),
        ("folded", _folded(results.get("folding") or {})),
        ("cost of training", costs.said(spent, memory=False) if row["verb"] != "evaluate" else None),
        ("memory", _memory(facts, results, spent["memory_gb"])),
        ("GPU memory", _at_most(spent["gpu_memory_gb"])),
        (
            "code",
            " ".join(filter(None, (f"htr_exp {code.get('version', __version__)}", str(code.get("commit") or "")[:12]))),
        ),
        ("planned", facts.get("created")),
        ("scored", results.get("time")),
        ("command", hidden(shlex.join(str(word) for word in facts.get("command") or ()))),
        ("key", facts["run"]["key"]),
    ]
    return [(name, str(value)) for name, value in pairs if value]


def _folded(table: Mapping[str, Any]) -> str:
    """By which table the CER after folding was counted."""
    if not table:
        return ""
    also = ["case"] * bool(table.get("case")) + ["punctuation"] * bool(table.get("punctuation"))
    return f"{', '.join(['; '.join(map(str, table.get('rows') or ())), *also])}; digest {str(table.get('digest'))[:12]}"


def _memory(facts: Provenance, results: Results, peak: float | None) -> str:
    """What the training took; on a GPU the estimate is of both kinds together."""
    measured, estimated = _at_most(peak), (facts.get("memory") or {}).get("peak_gb")
    told = measured and isinstance(estimated, int | float) and str(results.get("device")).startswith("cpu")
    return f"{measured}; {estimated:.2f} GB were estimated without loaders" if told else measured


def _at_most(peak: float | None) -> str:
    return "" if peak is None else f"{peak:.2f} GB at most while it was trained"


def _model(model: Mapping[str, Any]) -> str:
    words = [
        str(model.get("name") or ""),
        str(model.get("doi") or ""),
        f"SHA-256 {str(model['sha256'])[:12]}" if model.get("sha256") else "",
    ]
    return ", ".join(filter(None, words))


def _given(predictions: Mapping[str, Any]) -> str:
    """In what another system's predictions were given, and how their lines were paired."""
    if not predictions:
        return ""
    how = predictions.get("paired_by") or {}
    paired = (f"lines paired by {by} on {counted(pages, 'page')}" for by, pages in how.items())
    given = f"{predictions.get('given')} ({predictions.get('form')})"
    return ", ".join((given, f"digest {str(predictions.get('digest'))[:12]}", *paired))


def _split_words(split: Mapping[str, Any]) -> str:
    words = [f"by {split['by']}" if split.get("by") else "", f"fold {split['fold']}" if split.get("fold") else ""]
    words += [f"split.seed={split['seed']}" if split.get("kind") and split.get("seed") is not None else ""]
    words += [f"digest {str(split['digest'])[:12]}" if split.get("digest") else ""]
    return ", ".join(filter(None, words))
