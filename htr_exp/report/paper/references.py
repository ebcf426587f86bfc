"""BibTeX of what was used: the program, kraken, base models with a DOI, and where the statistics come from."""

from __future__ import annotations

import re
from typing import Literal

from htr_exp import __version__
from htr_exp.core.task import RECOGNITION
from htr_exp.report.paper.evidence import Evidence
from htr_exp.report.paper.latex import escaped
from htr_exp.runs.records import NO_KRAKEN

KRAKEN = """@inproceedings{kiessling2019kraken,
  author    = {Kiessling, Benjamin},
  title     = {Kraken -- an Universal Text Recognizer for the Humanities},
  booktitle = {Digital Humanities 2019: Book of Abstracts},
  address   = {Utrecht},
  year      = {2019},
  note      = {%s}
}"""
JACKKNIFE = """@article{tukey1958jackknife,
  author  = {Tukey, John W.},
  title   = {Bias and confidence in not-quite large samples},
  journal = {The Annals of Mathematical Statistics},
  volume  = {29},
  number  = {2},
  pages   = {614},
  year    = {1958}
}"""
HOLM = """@article{holm1979simple,
  author  = {Holm, Sture},
  title   = {A Simple Sequentially Rejective Multiple Test Procedure},
  journal = {Scandinavian Journal of Statistics},
  volume  = {6},
  number  = {2},
  pages   = {65--70},
  year    = {1979}
}"""


KINDS: tuple[Literal["model", "segmentation_model"], ...] = ("model", "segmentation_model")


def bibtex(found: Evidence) -> str:
    """The entries, one file."""
    versions = sorted({one.row["kraken"] for one in found.runs} - {NO_KRAKEN})
    entries = [
        "@software{htr_exp,\n"
        "  author  = {{The htr\\_exp developers}},\n"
        "  title   = {htr\\_exp: fine-tuning of kraken models for medieval manuscripts},\n"
        f"  version = {{{', '.join(sorted({str((one.facts.get('code') or {}).get('version', __version__)) for one in found.runs}))}}}\n"
        "}",
        *([KRAKEN % f"Version {' and '.join(versions)}"] if versions else []),
    ]
    if found.task is RECOGNITION and any(one.row["cer_low"] is not None for one in found.runs):
        entries += [JACKKNIFE, *[HOLM] * (len(found.runs) > 1)]
    models = [one.facts.get(kind) for one in found.runs for kind in KINDS]
    dois = {doi: model["name"] for model in models if model and (doi := model.get("doi"))}
    for doi, name in sorted(dois.items()):
        key = re.sub(r"\W+", "_", f"{name}_{doi.rpartition('/')[2]}")
        entries.append(f"@misc{{{key},\n  title = {{{escaped(name)}}},\n  note  = {{Model}},\n  doi   = {{{doi}}}\n}}")
    return "\n\n".join(entries) + "\n"
