"""What kraken itself can do to a run."""

from __future__ import annotations

import signal
from typing import Any

from helpers.faults.scene import Scene, Stage
from helpers.processes import hit

CALM = {"epoch_seconds": 0.1}
"""What the fake kraken plays where nothing is to happen: an epoch is long enough to be the last one."""


def fails(stage: Stage) -> dict[str, Any]:
    """Let kraken fail at a stage."""
    said = {"message": "RuntimeError: \x1b[31mout of ideas\x07"}
    if stage.name == "predict":
        return {"fail": "ocr", **said, "fail_too": "segment"}
    return {"fail": stage.name, **said, **({"at_epoch": 1} if stage.name == "train" else {})}


def killed(scene: Scene) -> None:
    """Kill kraken alone; the run starts it again, and then nothing is in its way."""
    scene.scenario.play(**CALM)
    hit(scene.kraken, signal.SIGKILL)


def hangs(scene: Scene) -> None:
    """Stop kraken, so that it hears no SIGTERM, and end the run."""
    assert scene.process is not None
    hit(scene.kraken, signal.SIGSTOP)
    hit(scene.process.pid, signal.SIGTERM)
