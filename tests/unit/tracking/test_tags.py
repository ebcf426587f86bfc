from __future__ import annotations

from typing import Any

import pytest

from htr_exp.tracking.tags import _command_again


@pytest.mark.parametrize(
    ("command", "again"),
    [
        (["htr-exp", "train", "dataset=demo"], "htr-exp train dataset=demo again=true"),
        (["htr-exp", "train", "-m", "seed=1,2", "again=false"], "htr-exp train -m seed=1,2 again=true"),
        (["htr-exp", "train", "dataset.path=a b"], "htr-exp train 'dataset.path=a b' again=true"),
        ([], None),
        (None, None),
    ],
    ids=["train", "sweep", "blanks", "empty", "unknown"],
)
def test_the_command_that_does_a_run_again(command: list[str] | None, again: str | None) -> None:
    provenance: dict[str, Any] = {"command": command}
    assert _command_again(provenance) == again
