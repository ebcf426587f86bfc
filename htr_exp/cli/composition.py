"""What a command line asks for, composed; which files of conf/ of the current directory take the place of shipped ones is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from htr_exp.core.terminal import say

if TYPE_CHECKING:
    from htr_exp.config.schema import Experiment


def experiment_asked(words: Sequence[str], config_dir: str | None) -> Experiment:
    """The experiment of a verb that plans no run: a plan says it with its other warnings.

    Raises:
        ConfigError: the words cannot be composed.
    """
    from htr_exp.config.choices import overlays
    from htr_exp.config.compose import compose_experiment
    from htr_exp.config.current_directory import instead_of_shipped

    composed = compose_experiment(words, overlays(config_dir))
    for said in instead_of_shipped(composed.from_here):
        say(f"warning: {said}", error=True)
    return composed.experiment
