"""kraken's command lines, release by release: what each of our settings is called there, and what its output means.

Supported: 4.3.13 and 7.1.x. Every setting is passed explicitly, so that a default of kraken never decides; one that a release
lacks, or would ignore, is a problem that `problems` tells before anything starts.
"""

from htr_exp.ketos.commands import (
    PREDICTION_TEMPLATE,
    compile_command,
    convert_command,
    predict_command,
    resume_command,
    segment_command,
    train_command,
)
from htr_exp.ketos.options import OPTIONS, Option, problems, remarks
from htr_exp.ketos.releases import SPOKEN, SUPPORTED, Release, release, unloadable
from htr_exp.ketos.said import REPLACED, further_of, rehearsals, validation_of

__all__ = [
    "OPTIONS",
    "PREDICTION_TEMPLATE",
    "REPLACED",
    "SPOKEN",
    "SUPPORTED",
    "Option",
    "Release",
    "compile_command",
    "convert_command",
    "further_of",
    "predict_command",
    "problems",
    "rehearsals",
    "release",
    "remarks",
    "resume_command",
    "segment_command",
    "train_command",
    "unloadable",
    "validation_of",
]
