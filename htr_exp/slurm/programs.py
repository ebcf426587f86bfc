"""What Slurm says and does: the only module that runs squeue, sacct, sstat, scancel, scontrol, sinfo, sacctmgr and sbatch's test."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from htr_exp.core.program import NoAnswer, ask

TIMEOUT_S = 20.0
"""How long a program of Slurm may take to answer; a busy controller makes its clients wait, a dead one for minutes."""


class SlurmSilent(Exception):
    """Slurm does not answer. The text is the program and its own words."""


def answer(argv: Sequence[str]) -> str:
    """What a program prints, without its errors unless it prints nothing else.

    Raises:
        SlurmSilent: it fails.
    """
    code, said = run_program(argv, errors_apart=True)
    if code:
        raise SlurmSilent(f"{argv[0]}: {last_words(said) or f'exit code {code}'}")
    return said


def run_program(argv: Sequence[str], *, stdin: str = "", errors_apart: bool = False) -> tuple[int, str]:
    """Ask a program of Slurm for its exit code and its words; with `errors_apart` its errors only where it failed or says nothing.

    Raises:
        SlurmSilent: it is missing, or takes too long.
    """
    environment = without_words_for_slurm(os.environ)
    environment |= {"TZ": "UTC", "SLURM_TIME_FORMAT": "standard", "SLURM_BITSTR_LEN": "0"}
    try:
        said = ask(argv, timeout_s=TIMEOUT_S, environment=environment, stdin=stdin)
    except NoAnswer as silent:
        raise SlurmSilent(str(silent)) from None
    if errors_apart and said.code == 0 and said.output:
        return 0, said.output
    return said.code, "\n".join(text for text in (said.output, said.errors) if text)


WAY_TO_SLURM = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT")
"""Variables without which its programs may not find the controller, or not be let in."""


def without_words_for_slurm(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables without those by which Slurm's programs, or the job that this process runs in, would change an answer or a job.

    SQUEUE_FORMAT and its like change what is read here; SBATCH_PARTITION and its like go before what a job script says.
    """
    words = ("SBATCH_", "SRUN_", "SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_", "SCONTROL_", "SLURM_", "SLURMD_")
    return {name: value for name, value in variables.items() if name in WAY_TO_SLURM or not name.startswith(words)}


def silence(program: str, said: str) -> str | None:
    """The words of a program whose controller does not answer, else None."""
    lost = re.search(
        r"unable to contact|socket timed out|zero bytes|connection refused|configuration source", said, re.IGNORECASE
    )
    return f"{program}: {last_words(said)}" if lost else None


def last_words(said: str) -> str:
    """The last thing that a program says: what comes before tells of its tries."""
    return own_words(said).rpartition("; ")[2]


def own_words(said: str) -> str:
    """The words of a program without what each line begins with."""
    lines = (re.sub(r"^(?:(?:\w+: )?(?:error|fatal): |s\w+: )+", "", line.strip()) for line in said.splitlines())
    kept = [line for line in dict.fromkeys(lines) if line and not line.startswith('Try "')]
    return "; ".join(kept).rstrip(".")


def seconds(text: str) -> float | None:
    """Seconds of a time as Slurm writes it (`1-02:03:04`, `02:03:04`, `03:04`), None for `UNLIMITED` and its like."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text.strip())
    if found is None:
        return None
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)


def state_word(text: str) -> str:
    return re.split(r"[ +]", text.strip().upper(), maxsplit=1)[0]


def moment(text: str) -> str | None:
    return f"{text.strip()}Z" if re.match(r"\d{4}-", text) else None


def known(text: str) -> str | None:
    return None if text.strip() in ("", "None", "(null)", "N/A", "None assigned", "Unknown") else text.strip()


def number(text: str) -> int:
    found = re.match(r"\d+", text)
    return int(found[0]) if found else 0
