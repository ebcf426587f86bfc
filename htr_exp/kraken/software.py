"""Which packages a kraken computes with, asked where it runs: on this host, in its module, in its image."""

from __future__ import annotations

import json

from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.core.program import NoAnswer, ask
from htr_exp.kraken.record import KrakenSoftware
from htr_exp.kraken.runtime import Kraken

TIMEOUT_S = 120.0
"""How long the answer may take; an image that is opened for the first time, or a slow file server, takes a while."""

# ketos is a Python script: its first line names the Python. Where that line would be too long for the system, installers write
# a script for sh, whose second line names it.
_PYTHON_OF = r"""
ketos=$(command -v "$0") || exit 3
python=$(sed -n '1s/^#! *//p' "$ketos")
case $python in */sh|*/sh\ *) python=$(sed -n "2s/^'''exec' \(.*\) \"\$0\" \"\$@\"$/\1/p" "$ketos" | tr -d '"') ;; esac
[ -n "$python" ] || exit 3
exec $python -c "$1"
"""

# torch itself is not imported, which would take seconds: its file `version.py` holds nothing but names.
_ASKED = """
import importlib.metadata, importlib.util, json, pathlib, platform
about = (one.metadata for one in importlib.metadata.distributions()) # its file is read each time that it is asked for
found = {one["Name"]: one["Version"] for one in about if one["Name"]}
torch, values = importlib.util.find_spec("torch"), {}
if torch and torch.origin:
    exec((pathlib.Path(torch.origin).parent / "version.py").read_text(), values)
print(json.dumps({"python": platform.python_version(), "packages": dict(sorted(found.items())), "cuda": values.get("cuda")}))
"""


def software_of(kraken: Kraken) -> KrakenSoftware:
    """The Python, all packages with their versions, and the CUDA that PyTorch was built for; why they are unknown, where they are."""
    try:
        with kraken.folder_of_its_own() as place:
            asked = kraken.within(readable=[], writable=[], scratch=place)
            ketos = "ketos" if kraken.image else kraken.program("ketos")
            words, variables = asked.command(["sh", "-c", _PYTHON_OF, ketos, _ASKED], threads=1, folder=place)
            answer = ask(
                words, timeout_s=TIMEOUT_S, name=f"the Python of kraken {kraken.version}", environment=variables
            )
        if answer.code:
            return _unknown(f"the Python of kraken {kraken.version} does not answer: {answer.last_line}")
        said = json.loads(answer.output)
        return {"python": said["python"], "packages": said["packages"], "cuda": said["cuda"], "unknown": None}
    except (NoAnswer, RuntimeUnavailableError, OSError, ValueError, KeyError, TypeError) as error:
        return _unknown(str(error))


def _unknown(why: str) -> KrakenSoftware:
    return {"python": None, "packages": {}, "cuda": None, "unknown": why}
