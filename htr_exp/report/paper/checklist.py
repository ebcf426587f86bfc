"""The items of two reproducibility checklists that the record can answer; the others are named, and left to the authors."""

from __future__ import annotations

from dataclasses import dataclass

from htr_exp.core.text import counted, joined
from htr_exp.report.paper.evidence import Evidence
from htr_exp.runs import costs
from htr_exp.runs.records import NO_KRAKEN

YOURS = "for you to answer"


@dataclass(frozen=True)
class Item:
    """An item of a checklist.

    Attributes:
        number: in the list.
        asks: what it asks, in short.
        answer: from the record, or `YOURS`.
    """

    number: str
    asks: str
    answer: str


def checklist(found: Evidence) -> dict[str, list[Item]]:
    """List -> its items: the ACL's checklist for responsible NLP research, and that of NeurIPS."""
    seeds = sorted({str(one.row["settings"].get("seed")) for one in found.trained})
    devices = joined(sorted({str(one.results.get("device") or "unknown") for one in found.runs}))
    spent = costs.said(found.cost) if found.trained else costs.UNKNOWN
    compute = f"{counted(len(found.runs), 'run')}, {len(found.trained)} of them trained: {spent}; devices: {devices}"
    statistics = "table.csv has 95 % intervals over test pages"
    if seeds:
        statistics += f"; seeds: {', '.join(seeds)}"
    if len(seeds) == 1:
        statistics += " (one: say so)"
    settings = "methods.md; experiment.yaml of each run has every setting"
    packages = f"kraken {joined(sorted({row['kraken'] for row in found.rows} - {NO_KRAKEN})) or NO_KRAKEN}; provenance.json and results.json of each run have all packages with versions"
    code = joined(
        sorted({str((one.facts.get("code") or {}).get("commit") or "an installed package")[:12] for one in found.runs})
    )
    data = joined(sorted({f"{row['dataset']} (digest {str(row['dataset_digest'])[:12]})" for row in found.rows}))
    return {
        "ACL (Responsible NLP Research)": [
            Item(
                "B1",
                "Creators of the artifacts are cited",
                "references.bib has the software and base models with a DOI; the ground truth: " + YOURS,
            ),
            Item("B2", "Licences of the artifacts", YOURS),
            Item(
                "B6",
                "Numbers of examples and details of the splits",
                "methods.md; split.json of each run names every page",
            ),
            Item("C1", "Size of the models, compute, infrastructure", compute),
            Item("C2", "Experimental set-up and settings", settings),
            Item("C3", "Descriptive statistics: error bars, single run or mean", statistics),
            Item("C4", "Packages and their settings", packages),
            Item("D, E", "Annotators; use of AI assistants", YOURS),
        ],
        "NeurIPS": [
            Item("1, 2", "Claims; limitations", YOURS + "; the notes of the table name what the figures do not hold"),
            Item("4", "Reproducibility of the main results", f"experiment.sh; code {code}; ground truth {data}"),
            Item("5", "Open access to data and code", YOURS),
            Item("6", "Settings: splits, hyperparameters, how they were chosen", settings),
            Item("7", "Statistical significance", statistics),
            Item("8", "Compute resources", compute),
            Item("12", "Licences of existing assets", YOURS),
        ],
    }


def markdown(lists: dict[str, list[Item]]) -> str:
    """The lists as Markdown."""
    parts = []
    for name, items in lists.items():
        rows = [f"| {one.number} | {one.asks} | {one.answer} |" for one in items]
        parts.append("\n".join([f"## {name}", "", "| item | asks | answer |", "|---|---|---|", *rows]))
    return "# Reproducibility checklist\n\n" + "\n\n".join(parts) + "\n"
