from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import htr_exp

PACKAGE = Path(htr_exp.__file__).parent
PLUGIN = PACKAGE.parent / "hydra_plugins" / "htr_exp_sweep" / "__init__.py"

ORDER = """
errors schema stop slurm tasks
files failures modules network lookalikes conventions curve
apptainer
claim weights splits scores sbatch demo likeness
ketos provenance groundtruth rundir basemodel trackstore charactertable pagescores
habits alphabet htrunited layout classes memory
lineage crowded relabel
leakage
commands runtime rules runview config standing trackui
saved inputs splitting material
training plan trackwrite
stages report follow
recognition segmentation
tracking
write terminal job recording
launch livetracking doctor check
node
submission
start
cli
__main__
""".strip().split("\n")
"""The modules from the ground up, by layer: each may import what stands above it in this list, nothing beside or below."""

LAYER = {name: number for number, layer in enumerate(ORDER) for name in layer.split()}

ONE_PLACE = {
    "hydra": {"config", "hydra_plugins"},
    "mlflow": {"trackwrite"},
    "lxml": {"groundtruth"},
    "submitit": {"sbatch"},
    "rich": {"terminal", "check"},
    "jinja2": {"check"},
    "junitparser": {"check"},
    "rapidfuzz": {"scores", "likeness"},
    "regex": {"scores", "charactertable"},
    "confusable_homoglyphs": {"lookalikes"},
    "jsonschema": {"htrunited"},
    "htrmopo": {"basemodel"},
    "imagehash": {"groundtruth"},
    "numpy": {"demo", "groundtruth", "layout", "splits"},
    "shapely": {"groundtruth", "layout"},
    "torch": set(),
    "kraken": set(),
    "coremltools": set(),
    "lightning": set(),
}
"""A third-party library -> the modules that may import it."""


def module_of(source: Path) -> str:
    return source.relative_to(PACKAGE).with_suffix("").parts[0] if source.is_relative_to(PACKAGE) else "hydra_plugins"


SOURCES = sorted(source for source in PACKAGE.glob("**/*.py") if source != PACKAGE / "__init__.py")


def imports_of(source: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports anywhere but under TYPE_CHECKING."""
    waiting: list[ast.AST] = [ast.parse(source.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module == "htr_exp":
                yield from (f"htr_exp.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""
        waiting.extend(ast.iter_child_nodes(node))


def ours(source: Path) -> set[str]:
    """Return our own modules that a file imports; a package counts as one."""
    names = {name.split(".")[1] for name in imports_of(source) if name.startswith("htr_exp.")}
    return names - {"__version__", module_of(source)}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.relative_to(PACKAGE).as_posix())
def test_imports_only_go_down(source: Path) -> None:
    module = module_of(source)
    assert module in LAYER, f"{module} stands in no layer: give it one in ORDER"
    above = {name for name in ours(source) if LAYER[name] >= LAYER[module]}
    assert not above, f"{module} imports {', '.join(sorted(above))}, which stand beside or below it"


def test_the_order_names_no_module_that_is_gone() -> None:
    assert set(LAYER) == {module_of(source) for source in SOURCES}


def test_the_plugin_knows_the_configuration_alone() -> None:
    assert ours(PLUGIN) == {"config"}


@pytest.mark.parametrize("library", sorted(ONE_PLACE))
def test_a_library_has_one_place(library: str) -> None:
    users = {
        module_of(source)
        for source in [*SOURCES, PLUGIN]
        if library in {name.split(".")[0] for name in imports_of(source)}
    }
    assert users <= ONE_PLACE[library]


HEAVY = ("torch", "kraken", "coremltools", "mlflow", "lightning", "pyarrow")

LIGHT_VERBS = {
    "--help": ((), HEAVY),
    "train --help": ((), (*HEAVY, "hydra", "lxml")),
    "options": ((), (*HEAVY, "lxml", "PIL")),
    "status": ((), (*HEAVY, "hydra", "lxml", "PIL")),
    "compare": ((), (*HEAVY, "hydra", "lxml", "PIL")),
    "check PAGES": ((), HEAVY),
    "train --dry-run": (("EXPERIMENT",), HEAVY),
    "train --dry-run -m seed=1,2": (("EXPERIMENT",), HEAVY),
}


@pytest.mark.parametrize("line", LIGHT_VERBS)
def test_nothing_on_a_login_node_imports_what_only_training_needs(
    line: str, experiment: list[str], pages: Path
) -> None:
    more, forbidden = LIGHT_VERBS[line]
    words = [str(pages) if word == "PAGES" else word for word in line.split()] + experiment * bool(more)
    code = (
        "import sys\nfrom htr_exp.cli.main import main\n"
        f"try:\n    code = main({words!r})\nexcept SystemExit as end:\n    code = end.code\n"
        f"assert code == 0, code\nloaded = [name for name in {forbidden!r} if name in sys.modules]\n"
        "sys.exit(f'imports {loaded}' if loaded else 0)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
