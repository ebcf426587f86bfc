"""What README and docs/ print can be typed: every command, key, `make` target and link exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import htr_exp
from htr_exp.cli import on_site
from htr_exp.cli.arguments import VERBS, verb_parser
from htr_exp.config.choices import options
from htr_exp.config.compose import Composed, compose_experiment, compose_sweep
from htr_exp.config.login import login_of
from htr_exp.config.schema import CHOICES
from htr_exp.config.search_space import checked_points

ROOT = Path(htr_exp.__file__).parents[1]
PAGES = sorted(
    page for page in ROOT.glob("**/*.md") if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
PAGES = [page for page in PAGES if page.relative_to(ROOT).parts[0] not in ("dist", "build", "demo-run")]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))

REMOVED = {"scores=default", "split.kind=page"}
"""What the changelog says of names that are gone."""

OF_THE_READER = {"dataset=gratian"}
"""Choices that a page shows how to make."""

OPEN = re.compile(r"\.\.\.|[A-Z][A-Z0-9_-]*")
"""A value that the reader fills in."""


@dataclass(frozen=True)
class Shown:
    """Something that a page shows."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}: {self.text}"


def blocks(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the fenced blocks of a page, each with the number of its first line."""
    inside: list[str] | None = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):  # in a list it is indented
            if inside is not None:
                yield number - len(inside), inside
            inside = [] if inside is None else None
        elif inside is not None:
            inside.append(line)
    assert inside is None, f"{page}: a block does not end"


def block_lines() -> Iterator[Shown]:
    for page in PAGES:
        for first, lines in blocks(page):
            yield from (Shown(page, first + number, line.strip()) for number, line in enumerate(lines))


def prose(page: Path) -> Iterator[tuple[int, str]]:
    fenced = {first + number for first, lines in blocks(page) for number in range(-1, len(lines) + 1)}
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if number not in fenced:
            yield number, line


def spans() -> Iterator[Shown]:
    """Yield what stands between backquotes, outside blocks."""
    for page in PAGES:
        for number, line in prose(page):
            yield from (Shown(page, number, text.strip()) for text in re.findall(r"`([^`]+)`", line))


STARTS = re.compile(r"(?:\.venv/bin/|\./)?(?:htr-exp|python -m htr_exp)\s+(\S.*)")


def commands() -> list[Shown]:
    """The words after the program's name, wherever a page shows a command."""
    found: dict[str, Shown] = {}
    for shown in [*block_lines(), *spans()]:
        match = STARTS.match(shown.text)
        if match and not match[1].startswith(("VERB", "--")):
            found.setdefault(match[1], Shown(shown.page, shown.line, match[1]))
    return list(found.values())


def make_lines() -> list[Shown]:
    found = []
    for shown in [*block_lines(), *spans()]:
        match = re.match(r"(?:[A-Z_]+=\S+ )*make ((?:[a-z0-9-]+|[A-Z_]+=\S+)(?: .*)?)$", shown.text)
        if match:
            found.append(Shown(shown.page, shown.line, match[1]))
    return found


def named(shown: Shown) -> str:
    return f"{shown.page.stem}: {shown.text[:60]}"


def test_there_is_something_to_check() -> None:
    assert len(commands()) > 40
    assert len(make_lines()) > 10
    assert {page.name for page in PAGES} >= {"README.md", "ARCHITECTURE.md", "CHANGELOG.md", "structure.md"}


@pytest.mark.parametrize("shown", commands(), ids=named)
def test_every_command_has_a_verb_and_options_and_composes(shown: Shown, workspace: Path) -> None:
    words = shlex.split(shown.text, comments=True)
    assert words[0] in VERBS, f"{shown}: no such verb"
    args = verb_parser(words[0]).parse_intermixed_args(words[1:])  # exits with 2 where an option does not exist
    on_site.take(args)
    if args.on is not None and args.on != "SITE":
        login_of(args.on)
    overrides = [word for word in getattr(args, "overrides", []) if "=" in word and not OPEN.fullmatch(_value(word))]
    overrides += [word for word in getattr(args, "runs", []) if "=" in word]
    points: list[Composed] = []

    def keep(found: list[Composed]) -> list[None]:
        points.extend(found)
        return [None] * len(found)

    if args.multirun:
        compose_sweep(overrides, keep, search=lambda space, compose: points.extend(compose(checked_points(space))))
    else:
        points.append(compose_experiment(overrides))
    assert points


def _value(word: str) -> str:
    return word.partition("=")[2]


@pytest.mark.parametrize("shown", commands(), ids=named)
def test_no_shell_reads_a_command_otherwise(shown: Shown) -> None:
    """zsh refuses brackets and stars that match no file; bash refuses parentheses."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"|\s#.*", "", shown.text)
    assert not set(bare) & set("[]()*?{}&;|<>") or re.fullmatch(r"[a-z]+( \[.*\])?", bare) is not None, str(shown)


@cache
def known_keys() -> frozenset[str]:
    def flat(values: dict[str, Any], before: str = "") -> Iterator[str]:
        for key, value in values.items():
            yield f"{before}{key}"
            if isinstance(value, dict):
                yield from flat(value, f"{before}{key}.")

    tasks = [compose_experiment([f"task={task}"]).values for task in CHOICES["task.name"]]
    return frozenset(key for values in tasks for key in flat(values))


def settings() -> list[Shown]:
    """Each KEY=VALUE, and each KEY with a dot in it whose group there is, that stands between backquotes."""
    found: dict[str, Shown] = {}
    groups = set(options())
    for shown in spans():
        for word in shown.text.strip("'\"").split():
            match = re.fullmatch(r"([a-z_]+(?:\.[\w.*-]+)?)=(.*)", word)
            if match or (word.partition(".")[0] in groups and re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", word)):
                found.setdefault(word, Shown(shown.page, shown.line, word))
    return [
        shown
        for shown in found.values()
        if shown.text not in REMOVED | OF_THE_READER and not is_file(shown.text) and not is_module(shown.text)
    ]


def is_file(word: str) -> bool:
    return word.endswith((".py", ".yaml", ".json", ".jsonl", ".csv", ".sh", ".mlmodel", ".md"))


def is_module(word: str) -> bool:
    return (ROOT / "htr_exp" / word.replace(".", "/")).with_suffix(".py").is_file()


@cache
def choices_of(key: str) -> tuple[str, ...]:
    """The words that a key or group takes; none where it takes any."""
    return CHOICES.get(key) or tuple(options().get(key, ()))


@pytest.mark.parametrize("shown", settings(), ids=named)
def test_every_key_and_every_choice_exists(shown: Shown, workspace: Path) -> None:
    key, _, value = shown.text.partition("=")
    if key == "on":
        return  # it is no setting: `on_site.take` reads it
    if key.startswith(("slurm.extra.", "classes.lines.", "classes.regions.")):
        key = key.rpartition(".")[0]
    assert key in known_keys(), f"{shown}: no such key"
    choices = choices_of(key)
    if value and choices and not OPEN.search(value):
        assert set(value.split(",")) <= {*choices, "null"}, f"{shown}: choose one of {', '.join(choices)}"


def test_every_option_after_a_verb_exists() -> None:
    """Such as `status --sync`, without the program's name."""
    for shown in spans():
        words = shown.text.split()
        if words and words[0] in VERBS:
            known = {option for action in verb_parser(words[0])._actions for option in action.option_strings}
            used = {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)}
            assert used <= known, str(shown)


@pytest.mark.parametrize("shown", make_lines(), ids=named)
def test_every_make_target_exists(shown: Shown) -> None:
    for word in shlex.split(shown.text, comments=True):
        if re.fullmatch(r"[a-z0-9-]+", word):
            assert word in TARGETS, str(shown)


def test_the_two_commands_stand_in_the_readme() -> None:
    shown = {one.text for one in make_lines() if one.page.name == "README.md"}
    assert {"demo", "test"} <= {text.split()[0] for text in shown}


def test_every_module_that_is_started_exists() -> None:
    for shown in [*block_lines(), *spans()]:
        for module in re.findall(r"python -m (htr_exp[\w.]*)", shown.text):
            assert find_spec(module) is not None, str(shown)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and GitLab make them."""
    headings = [line.lstrip("#").strip() for _, line in prose(page) if re.match(r"#+ ", line)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_resolves(page: Path) -> None:
    for number, line in prose(page):
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            there = page if not path else (page.parent / path).resolve()
            where = f"{page.relative_to(ROOT)}:{number}: {target}"
            assert there.exists(), f"{where}: there is no such file"
            assert not anchor or anchor in anchors(there), f"{where}: there is no such heading"


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    """A page that no other links to is a page that nobody reads."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md", *(ROOT / "docs" / "adr").glob("*.md")]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        waiting += [(page.parent / link).resolve() for link in links if (page.parent / link).is_file()]
    assert [page for page in (ROOT / "docs").glob("**/*.md") if page not in seen] == []


def test_every_file_of_the_program_that_a_page_names_exists() -> None:
    for shown in spans():
        if re.fullmatch(r"(conf|docs|tests|htr_exp|benchmarks|containers|requirements)/[\w./-]+", shown.text):
            name = shown.text
            assert (ROOT / name).exists() or re.search(r"NAME|TASK", name), str(shown)


def test_every_module_that_the_docs_name_exists() -> None:
    """Written as ROOM/MODULE.py."""
    for shown in spans():
        if shown.page.parent == ROOT / "docs" and re.fullmatch(r"[a-z_]+/[\w/]+\.py", shown.text):
            assert any((place / shown.text).exists() for place in (ROOT, ROOT / "htr_exp", ROOT / "tests")), str(shown)


def test_blocks_of_commands_are_valid_shell() -> None:
    for page in PAGES:
        for number, lines in blocks(page):
            if any(STARTS.match(line) or line.startswith(("make ", "apptainer ", "rsync ")) for line in lines):
                checked = subprocess.run(["bash", "-n"], input="\n".join(lines) + "\n", text=True, capture_output=True)
                assert checked.returncode == 0, f"{page}:{number}: {checked.stderr}"


PRINTED = ("line F1", "region IoU", "bag-of-words WER", "whole pages", "in the lines of the ground truth", "in the lines that were found", "fine-tuned")  # fmt: skip
"""Headings and labels of the tables that pages quote."""


@pytest.mark.parametrize("label", PRINTED)
def test_tables_that_pages_quote_have_the_labels_of_the_program(label: str) -> None:
    assert any(label in shown.text for shown in block_lines()), "no page quotes it any more"
    sources = [*(ROOT / "htr_exp" / "runs").glob("*.py"), *(ROOT / "htr_exp" / "core").glob("*.py")]
    assert any(f'"{label}"' in source.read_text(encoding="utf-8") for source in sources), f"nothing prints {label}"


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = sorted(int(path.name.partition("-")[0]) for path in (ROOT / "docs" / "adr").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_where_things_are_is_said_once() -> None:
    rows = [
        line.split("|")[1]
        for line in (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    assert [row for row in rows if rows.count(row) > 1] == []
