"""What it costs to reach kraken through a module or in an image, beside the same program called directly.

Needs what `make test-kraken4` and `make test-apptainer` build and name (HTR_EXP_KRAKEN4, HTR_EXP_MODULEFILES, HTR_EXP_IMAGE,
HTR_EXP_IMAGE_BIND); what is not there is left out, and said. HTR_EXP_BENCH_EPOCHS sets the length of the training (default 12).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from htr_exp.config.defaults import shipped
from htr_exp.config.schema import Runtime
from htr_exp.kraken.commands import compile_command, train_command
from htr_exp.kraken.runtime import Kraken, provide

EPOCHS = int(os.environ.get("HTR_EXP_BENCH_EPOCHS", "12"))
DEMO = Path(__file__).resolve().parent.parent / "htr_exp" / "demo"


def cpu(work: Callable[[], object]) -> float:
    """The CPU seconds of what is done, with all children."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    work()
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(new.ru_utime + new.ru_stime - old.ru_utime - old.ru_stime for old, new in zip(before, after))


def run(kraken: Kraken, argv: list[str], folder: Path) -> None:
    """Run one of kraken's commands to its end, as a job does."""
    command = kraken.start(argv, threads=1, on_line=lambda line: None, folder=folder)
    while command.wait(1.0) is None:
        pass
    if command.poll():
        sys.exit(f"{argv} failed")


def told(name: str, ours: float, peer_name: str, peer: float, limit: float) -> None:
    """Print one figure."""
    row = {
        "name": name,
        "ours_cpu_s": ours,
        "peer": peer_name,
        "peer_cpu_s": peer,
        "ratio": ours / peer,
        "limit": limit,
    }
    print(json.dumps(row), flush=True)


def measure(name: str, wanted: Runtime, direct: Path) -> None:
    """Compare a runtime with the same kraken's programs called directly from the folder `direct`."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")  # nothing is remembered yet
        version = subprocess.run([direct / "ketos", "--version"], capture_output=True, text=True).stdout.split()[-1]
        start = cpu(lambda: subprocess.run([direct / "ketos", "--version"], capture_output=True, check=True))
        told(f"{name}: found for the first time", cpu(lambda: provide(wanted)), "ketos --version", start, 1.5)
        told(f"{name}: found again", cpu(lambda: provide(wanted)), "ketos --version", start, 0.1)
        kraken = provide(wanted).within(readable=[DEMO], writable=[folder], scratch=folder / "tmp", gpu=False)
        host = Kraken(version, folder=direct)
        for side, number in (("train", slice(0, 14)), ("validation", slice(14, 16))):
            pages = sorted((DEMO / "pages").glob("*.xml"))[number]
            (folder / f"{side}.pages").write_text("".join(f"{page}\n" for page in pages))
            (folder / f"{side}.list").write_text(f"{folder / side}.arrow\n")
            run(host, compile_command(version, pages=str(folder / f"{side}.pages"), output=f"{folder / side}.arrow", legacy_polygons=False), folder)  # fmt: skip
        used = {}
        for who, of in (("direct", host), ("reached", kraken)):
            (folder / who).mkdir()
            argv = train_command(
                version, shipped().training, device="cpu", workers="0", seed=1, train=str(folder / "train.list"),
                validation=str(folder / "validation.list"), output=str(folder / who / "m"), base=str(DEMO / "base.mlmodel"), spec=None,
                until_epoch=EPOCHS,
            )  # fmt: skip
            used[who] = cpu(lambda of=of, argv=argv: run(of, argv, folder))
        told(
            f"{name}: a training of {EPOCHS} epochs", used["reached"], "the same called directly", used["direct"], 1.02
        )


def main() -> None:
    """Measure and print one JSON line a figure."""
    group = {"fallback": False, "mixed_versions": False}
    if "HTR_EXP_MODULEFILES" in os.environ:
        module = Runtime(
            kind="module",
            kraken="4.3.13",
            module="kraken/4.3.13",
            modulepath=[os.environ["HTR_EXP_MODULEFILES"]],
            **group,
        )
        measure("module 4.3.13", module, Path(os.environ["HTR_EXP_KRAKEN4"]) / "bin")
    else:
        print("left out: the module (make test-kraken4 says how it is had)", file=sys.stderr)
    if "HTR_EXP_IMAGE" in os.environ:
        bind = [os.environ["HTR_EXP_IMAGE_BIND"]] if "HTR_EXP_IMAGE_BIND" in os.environ else []
        image = Runtime(kind="apptainer", kraken="7.1.1", image=os.environ["HTR_EXP_IMAGE"], bind=bind, **group)
        measure("image 7.1", image, Path(sys.executable).parent)
    else:
        print("left out: the image (make test-apptainer says how it is had)", file=sys.stderr)


if __name__ == "__main__":
    main()
