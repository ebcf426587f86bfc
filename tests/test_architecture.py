from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache, cached_property
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import htr_exp
from helpers.folders import CHECKOUT
from htr_exp.runs.run_files import RunFiles

PACKAGE = Path(htr_exp.__file__).parent
PLUGIN = PACKAGE.parent / "hydra_plugins" / "htr_exp_sweep" / "__init__.py"

ORDER = """
core
config groundtruth demo
kraken slurm scoring
audit runs transcribe
splits tracking report remote
pipeline
cli
__main__
""".strip().split("\n")
"""The rooms from the ground up, by floor: each may import what stands above it in this list, nothing beside or below."""

FLOOR = {name: number for number, floor in enumerate(ORDER) for name in floor.split()}

ONE_PLACE = {
    "hydra": {"config", "hydra_plugins"},
    "mlflow": {"tracking.writer", "tracking.ui_server"},
    "aiohttp": {"tracking.ui_proxy"},
    "uvicorn": {"tracking.ui_server"},
    "optuna": {"pipeline.search_sampler"},
    "lxml": {"groundtruth", "transcribe.forms"},
    "submitit": {"slurm.sbatch"},
    "rich": {"core.console", "runs", "pipeline.progress", "cli"},
    "jinja2": {"core.html_page"},
    "fontTools": {"report.font"},
    "matplotlib": {"report.paper.figures"},
    "junitparser": {"cli.check.junit"},
    "rapidfuzz": {"scoring", "splits.near_duplicates"},
    "regex": {"scoring", "audit.allowed_characters"},
    "bidi": {"scoring.text_order"},
    "confusable_homoglyphs": {"audit.homoglyphs"},
    "jsonschema": {"groundtruth.htr_united"},
    "htrmopo": {"kraken.model_store"},
    "imagehash": {"groundtruth.image_hash"},
    "numpy": {"demo", "groundtruth", "scoring", "splits"},
    "shapely": {"groundtruth", "scoring.layout"},
    "torch": set(),
    "kraken": set(),
    "coremltools": set(),
    "lightning": set(),
}
"""A third-party library -> the rooms, or modules of rooms, that may import it."""


TESTS = CHECKOUT / "tests"
TEST_SOURCES = sorted(TESTS.glob("**/*.py"))
TEST_FOLDERS = {folder.name for folder in TESTS.iterdir() if folder.is_dir()} - {"helpers", "fakes"}


def name_of(source: Path) -> str:
    if not source.is_relative_to(PACKAGE):
        return "hydra_plugins"
    return ".".join(source.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def room_of(source: Path) -> str:
    return name_of(source).split(".")[0]


SOURCES = sorted(source for source in PACKAGE.glob("**/*.py") if source != PACKAGE / "__init__.py")


@cache
def tree_of(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"))


@cache
def imports_of(source: Path) -> frozenset[str]:
    """The dotted names that a file imports anywhere but under TYPE_CHECKING."""
    return frozenset(_imported(tree_of(source)))


def _imported(tree: ast.Module) -> Iterator[str]:
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            if (node.module or "").startswith("htr_exp"):  # what is imported may be a module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting.extend(ast.iter_child_nodes(node))


def rooms_under(source: Path) -> set[str]:
    """Our own rooms that a file imports, beside its own."""
    names = {name.split(".")[1] for name in imports_of(source) if name.startswith("htr_exp.")}
    return names - {"__version__", room_of(source)}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.relative_to(PACKAGE).as_posix())
def test_imports_only_go_down(source: Path) -> None:
    room = room_of(source)
    assert room in FLOOR, f"{room} stands on no floor: give it one in ORDER"
    above = {name for name in rooms_under(source) if FLOOR[name] >= FLOOR[room]}
    assert not above, f"{name_of(source)} imports {', '.join(sorted(above))}, which stand beside or below it"


def test_the_order_names_no_room_that_is_gone() -> None:
    assert set(FLOOR) == {room_of(source) for source in SOURCES}


def test_no_circle_within_a_room() -> None:
    """Modules of one room may stand beside each other, never in a circle."""
    below = {
        name_of(source): {name.removeprefix("htr_exp.") for name in imports_of(source) if name.startswith("htr_exp.")}
        for source in SOURCES
    }
    graph = {name: {one for one in imported if one in below and one != name} for name, imported in below.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize(
    "source", [*SOURCES, *TEST_SOURCES], ids=lambda source: source.relative_to(CHECKOUT).as_posix()
)
def test_a_file_can_be_read_in_one_sitting(source: Path) -> None:
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 420


def test_tests_stand_in_rooms_of_the_package() -> None:
    rooms = {folder.name for folder in (TESTS / "unit").iterdir() if (folder / "__init__.py").exists()}
    assert rooms <= {source.name for source in PACKAGE.iterdir() if source.is_dir()}
    assert rooms >= FLOOR.keys() - {"__main__", "demo", "cli"}, "demo's tests are in tests/real, cli's in tests/cli"
    assert not list((TESTS / "unit").glob("test_*.py")), "a test of a module stands in the module's room"


def test_no_file_of_the_tests_hides_a_module_of_python() -> None:
    """The folder of a program that is started by its path comes first when that program imports."""
    hiding = [file.as_posix() for file in TESTS.rglob("*.py") if file.stem in sys.stdlib_module_names]
    assert not hiding


@pytest.mark.parametrize("source", TEST_SOURCES, ids=lambda source: source.relative_to(TESTS).as_posix())
def test_tests_share_helpers_and_not_each_other(source: Path) -> None:
    shared = {name for name in imports_of(source) if name.split(".")[0] in TEST_FOLDERS or "conftest" in name}
    assert not shared, (
        f"what {source.name} imports from other tests belongs in tests/helpers: {', '.join(sorted(shared))}"
    )


def test_the_plugin_knows_the_configuration_alone() -> None:
    assert rooms_under(PLUGIN) == {"config"}


@pytest.mark.parametrize("library", sorted(ONE_PLACE))
def test_a_library_has_one_place(library: str) -> None:
    users = {
        name_of(source)
        for source in [*SOURCES, PLUGIN]
        if library in {name.split(".")[0] for name in imports_of(source)}
    }
    places = ONE_PLACE[library]
    elsewhere = {user for user in users if not any(f"{user}.".startswith(f"{place}.") for place in places)}
    assert not elsewhere, f"{library} is imported outside {', '.join(sorted(places))}"


WRITES_TO_THE_TERMINAL = {"core.terminal", "kraken.model_store", "kraken.software"}
"""Where `print` may stand: what a process of ours answers to us as JSON is no terminal."""


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.relative_to(PACKAGE).as_posix())
def test_one_place_writes_to_the_terminal(source: Path) -> None:
    """So that no text of somebody else reaches it raw."""
    if name_of(source) in WRITES_TO_THE_TERMINAL or room_of(source) == "demo":
        return
    tree = tree_of(source)
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    raw = {"print", "sys.stdout.write", "sys.stderr.write", "rich.print"} & set(calls)
    assert not raw, f"{name_of(source)} calls {', '.join(sorted(raw))}: core.terminal.say does it"
    if name_of(source) != "core.console":
        assert not {"rich.text.Text", "rich.text"} & set(imports_of(source)), (
            "core.console.Text is the one that is safe"
        )


def texts_of(source: Path) -> Iterator[str]:
    nodes = ast.walk(tree_of(source))
    return (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_run_files_alone_know_the_files_of_a_run() -> None:
    here = RunFiles(Path())
    values = [
        getattr(here, name) for name, value in vars(RunFiles).items() if isinstance(value, property | cached_property)
    ]
    paths = [value for value in values if isinstance(value, Path)]
    files = {path.name for path in paths if path.suffix}
    assert len(files) > 20
    elsewhere = {
        f"{name_of(source)}: {text}"
        for source in SOURCES
        if name_of(source) not in ("runs.run_files", "kraken.commands_script")  # commands.sh makes files of its own
        for text in texts_of(source)
        if Path(text).name in files - {"segmentation_model.path"}  # which is a key of the configuration, too
    }
    assert not elsewhere


OPENS_A_PORT = {"listen", "create_server", "TCPSite", "start_server", "start_unix_server", "HTTPServer", "Listener"}


def test_the_ui_alone_opens_a_port() -> None:
    """Every account of the machine can reach a port: `tracking.ui_access` says who is let in, and nothing else opens one."""
    open_one = {
        name_of(source)
        for source in [*SOURCES, PLUGIN]
        for node in ast.walk(tree_of(source))
        if getattr(node, "attr", getattr(node, "id", None)) in OPENS_A_PORT
    }
    assert open_one == {"tracking.ui"}


HEAVY = ("torch", "kraken", "coremltools", "mlflow", "lightning", "pyarrow", "optuna")

OF_RUNS = ("htr_exp.pipeline.launch", "submitit", "jinja2")
"""What a run needs, or only Slurm: half of the time that `train` takes to start."""

LIGHT_VERBS = {
    "--help": ((), HEAVY),
    "train --help": ((), (*HEAVY, "hydra", "lxml")),
    "options": ((), (*HEAVY, "lxml", "PIL")),
    "status": ((), (*HEAVY, "hydra", "lxml", "PIL")),
    "compare": ((), (*HEAVY, "hydra", "lxml", "PIL")),
    "check PAGES": ((), HEAVY),
    "train --dry-run": (("EXPERIMENT",), (*HEAVY, *OF_RUNS)),
    "train --dry-run -m seed=1,2": (("EXPERIMENT",), (*HEAVY, *OF_RUNS)),
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
