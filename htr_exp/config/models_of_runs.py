"""Models that runs of the workspace trained are named by these runs: `model=RUN`, without a file in conf/model."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from pathlib import Path

from htr_exp.config.named_choices import names_of, taken


def named_models(
    words: Sequence[str], known: Container[str], runs: Callable[[], str | None]
) -> tuple[list[str], dict[str, str]]:
    """What `model=NAME` means where no file says it: the model of the run whose folder is called so.

    Args:
        words: of a command line.
        known: the models that have files.
        runs: finds the site's folder of runs; it is asked where some name is not known.

    Returns:
        The words, with such names as Hydra takes them, and the path of each name.
    """
    asked = (name for word in words for name in names_of("model", word))
    wanted = {name for name in asked if name not in known and _names_a_folder(name)}
    if not wanted or (folder := runs()) is None:
        return list(words), {}
    models = {name: list((Path(folder).expanduser() / name).glob("*.mlmodel")) for name in sorted(wanted)}
    # a run leaves one; where there are several, somebody added the others
    return taken("model", words, {name: paths[0] for name, paths in models.items() if len(paths) == 1})


def _names_a_folder(name: str) -> bool:
    return name not in ("", "null", ".", "..") and "/" not in name
