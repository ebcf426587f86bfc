"""A folder from elsewhere: whatever in it could run, send or lead somewhere, and how to see whether it did."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

from helpers.recorded_runs import make_run, sealed, tracked
from htr_exp.core import files

MODULES = (
    "rich", "yaml", "hydra", "omegaconf", "lxml", "PIL", "numpy", "mlflow", "platformdirs", "submitit", "jinja2", "regex",
    "sitecustomize", "usercustomize", "uvicorn", "pkg_resources",
)  # fmt: skip
"""What Python must not find in the current directory; of its own library, `python -m` itself may look for some."""


class _Loaded:
    def __init__(self, ran: Path) -> None:
        self._ran = ran

    def __reduce__(self) -> Any:
        return exec, (f"open({str(self._ran)!r}, 'a').write('a pickle\\n')",)


class StrangersFolder:
    """A workspace that somebody else filled.

    Args:
        path: where it is; it holds modules, plugins, conf/, and a run.
        ran: the file in which whatever runs would write its name.
        server: the server that its records name.
    """

    def __init__(self, path: Path, ran: Path, server: str) -> None:
        self.path, self._ran, self.server = path, ran, server
        path.mkdir(parents=True)

    @property
    def ran(self) -> str:
        """What has run."""
        return self._ran.read_text() if self._ran.exists() else ""

    def code(self, name: str) -> str:
        return f"open({str(self._ran)!r}, 'a').write({name!r} + '\\n')\n"

    def add_modules(self) -> None:
        """Python files under the names of libraries and of Hydra's plugins."""
        for name in MODULES:
            (self.path / f"{name}.py").write_text(self.code(name))
        plugin = self.path / "hydra_plugins" / "theirs"
        plugin.mkdir(parents=True)
        (plugin / "__init__.py").write_text(self.code("a plugin"))

    def program(self, name: str) -> Path:
        """A program that says it ran."""
        path = self.path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable}\n{self.code(name)}print('ketos, version 7.1.1')\n")
        path.chmod(0o755)
        return path

    def add_run(self, name: str = "theirs-00000000", *, state: str = "interrupted") -> Path:
        """A sealed run whose record names the server and a program, with a checkpoint and a template that hold code."""
        folder = make_run(self.path, name, state=state)
        program = self.program("ketos")
        with open(folder / "experiment.yaml", "a") as experiment:
            experiment.write(f"runtime: {{kind: host, ketos: {program}}}\n")
        (folder / "predict.jinja").write_text("{{ cycler.__init__.__globals__.os.system('true') }}")
        leg = folder / "train" / "leg-000"
        leg.mkdir(parents=True)
        (leg / "checkpoint_00-0.5.ckpt").write_bytes(pickle.dumps(_Loaded(self._ran)))
        places = {
            "workspace": str(self.path),
            "cache": str(self.path / "cache"),
            "base_model": None,
            "ketos": str(program),
        }
        files.write_json(folder / "live" / "places.json", places | {"segmentation_model": None, "pages": {}})
        return tracked(folder, "server", self.server)

    def add_link(self, run: Path, name: str, target: Path) -> None:
        """A link in a run folder, in the place of one of its files."""
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(target)
        sealed(run)


def seen(text: str) -> list[Any]:
    """The rows of a verb's `--json`."""
    rows: list[Any] = json.loads(text.strip().splitlines()[-1])
    return rows
