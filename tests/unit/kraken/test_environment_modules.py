"""Environment modules: with a scripted module system everywhere, and with the real ones where they are installed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers.folders import TESTS
from htr_exp.kraken import environment_modules
from htr_exp.kraken.environment_modules import Loaded, ModuleUnavailable

FAKE = TESTS / "fakes" / "module_init.sh"
REAL = {
    "real em": ("MODULESHOME", Path("/usr/share/modules"), "environment-modules"),
    "real lmod": ("LMOD_PKG", Path("/usr/share/lmod/lmod"), "lmod"),
}
SYSTEMS = ["em5", "em3", "lmod", *REAL]


@dataclass(frozen=True)
class Site:
    """A module system, what finds it, and a folder of modulefiles."""

    system: str
    environment: dict[str, str]
    folder: Path

    def load(self, name: str, *use: str) -> Loaded:
        return environment_modules.load(name, use=use or [str(self.folder)], environment=self.environment)

    def available(self, pattern: str) -> list[str]:
        return environment_modules.available(pattern, use=[str(self.folder)], environment=self.environment)

    def module(self, name: str, *lines: str, folder: Path | None = None) -> None:
        """Write a modulefile."""
        path = (folder or self.folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in ("#%Module1.0", *lines)))


@pytest.fixture(params=["bash", "sh"])
def shell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The shell that asks: bash, or, where there is none, sh."""
    if request.param == "sh":
        monkeypatch.setattr("htr_exp.kraken.environment_modules.shutil.which", lambda name: None)
    elif shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    return str(request.param)


def site(system: str, tmp_path: Path) -> Site:
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    if system in REAL:
        variable, home, package = REAL[system]
        if not (home / "init" / "sh").exists():
            pytest.skip(f"there is no {home} here: apt install {package}")
    else:
        variable, home = "MODULESHOME", tmp_path / "system"
        (home / "init").mkdir(parents=True)
        (home / "init" / "sh").write_text(f". '{FAKE}'\n")
        bare["FAKE_MODULES"] = system
    found = Site(system, bare | {variable: str(home)}, tmp_path / "modulefiles")
    found.module("kraken/4.3.13", "prepend-path PATH /opt/kraken/bin", 'setenv KRAKEN_HOME "/opt/a b"')
    return found


@pytest.fixture(params=SYSTEMS)
def any_site(request: pytest.FixtureRequest, tmp_path: Path, shell: str) -> Site:
    """Each module system, asked by each shell."""
    return site(request.param, tmp_path)


def test_a_module_is_loaded(any_site: Site) -> None:
    loaded = any_site.load("kraken/4.3.13")
    assert loaded.modules == ("kraken/4.3.13",)
    assert loaded.environment["PATH"] == "/opt/kraken/bin:/usr/bin:/bin"
    assert loaded.environment["KRAKEN_HOME"] == "/opt/a b"
    assert loaded.environment["HOME"] == any_site.environment["HOME"]


def test_the_shells_own_variables_are_not_the_modules(any_site: Site) -> None:
    environment = any_site.environment | {"SHLVL": "7", "PWD": "/somewhere"}
    loaded = environment_modules.load("kraken/4.3.13", use=[str(any_site.folder)], environment=environment).environment
    assert (loaded["SHLVL"], loaded["PWD"]) == ("7", "/somewhere")
    assert "_" not in loaded
    assert "OLDPWD" not in loaded


def test_a_module_is_loaded_without_its_version(any_site: Site) -> None:
    loaded = any_site.load("kraken")
    assert loaded.modules == ("kraken/4.3.13",)
    assert loaded.environment["KRAKEN_HOME"] == "/opt/a b"


def test_a_module_that_is_loaded_already_is_there(any_site: Site) -> None:
    before = any_site.load("kraken/4.3.13").environment
    again = environment_modules.load("kraken/4.3.13", use=[str(any_site.folder)], environment=before)
    assert "kraken/4.3.13" in again.modules


WORDS = {
    "em5": "Unable to locate a modulefile for 'kraken/9'",
    "real em": "Unable to locate a modulefile for 'kraken/9'",
    "em3": "Unable to locate a modulefile for 'kraken/9'",
    "lmod": 'The following module(s) are unknown: "kraken/9"',
    "real lmod": 'The following module(s) are unknown: "kraken/9"',
}


def test_a_missing_module_is_told_in_the_systems_own_words(any_site: Site) -> None:
    fails = "has no effect" if any_site.system == "em3" else "fails"
    with pytest.raises(ModuleUnavailable) as caught:
        any_site.load("kraken/9")
    assert str(caught.value) == f"`module load kraken/9` {fails}: {WORDS[any_site.system]}"


def test_another_version_that_is_loaded_already_is_not_the_one(any_site: Site) -> None:
    before = any_site.load("kraken/4.3.13").environment
    with pytest.raises(ModuleUnavailable, match="kraken/9"):
        environment_modules.load("kraken/9", use=[str(any_site.folder)], environment=before)


def test_a_broken_module_is_told_in_the_systems_own_words(any_site: Site) -> None:
    any_site.module("kraken/5", "setenv HALF done", "error no licence")
    with pytest.raises(ModuleUnavailable, match=r"^`module load kraken/5` (fails|has no effect): .*") as caught:
        any_site.load("kraken/5")
    assert "\n" not in str(caught.value)
    if not any_site.system.startswith("real"):  # those say where Tcl stumbles, too
        assert "no licence" in str(caught.value)


def test_what_a_module_prints_is_not_its_environment(any_site: Site) -> None:
    any_site.module(
        "kraken/loud",
        'puts stderr "this kraken is old: LOADEDMODULES=none"',
        'puts stdout "echo PATH=/from/stdout;"',
        "setenv LOUD 1",
    )
    loaded = any_site.load("kraken/loud")
    assert loaded.modules == ("kraken/loud",)
    assert loaded.environment["LOUD"] == "1"
    assert loaded.environment["PATH"] == "/usr/bin:/bin"


@pytest.mark.parametrize("name", ["mes modules", "l'été", 'a"b', "$HOME", "a;b", "[a]*", "a\\b"])
def test_modulefiles_are_found_in_folders_of_any_name(any_site: Site, tmp_path: Path, name: str) -> None:
    if (any_site.system, name) in (("real lmod", "mes modules"), ("real lmod", "l'été"), ("real em", "$HOME")):
        pytest.skip("this system cannot read modulefiles in such a folder itself")
    any_site.module("outil/1", "setenv OUTIL 1", folder=tmp_path / name)
    environment = any_site.environment | {"LC_ALL": "C.UTF-8"}
    loaded = environment_modules.load(
        "outil/1", use=[str(any_site.folder), str(tmp_path / name)], environment=environment
    )
    assert loaded.environment["OUTIL"] == "1"


def test_a_name_is_a_name_and_never_a_command(any_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a b", "$(touch pwned)`touch pwned`; touch pwned & *", """it's "a" \\"""):
        with pytest.raises(ModuleUnavailable):
            any_site.load(f"kraken/{name}")
    assert not list(tmp_path.rglob("pwned"))


def test_a_modulefile_may_have_an_odd_name(any_site: Site) -> None:
    if any_site.system == "real lmod":
        pytest.skip("Lmod cannot read such a file itself")
    any_site.module("odd/it's 1.0", "setenv ODD 1")
    assert any_site.load("odd/it's 1.0").environment["ODD"] == "1"


def test_what_is_there_is_listed(any_site: Site) -> None:
    any_site.module("kraken/7.1.1", "setenv X 1")
    any_site.module("gcc/12", "setenv X 1")
    assert sorted(any_site.available("kraken")) == ["kraken/4.3.13", "kraken/7.1.1"]
    assert any_site.available("nothing") == []


@pytest.mark.parametrize("system", ["lmod", "real lmod"])
def test_what_is_there_is_listed_where_lmod_prints_it_as_output(system: str, tmp_path: Path, shell: str) -> None:
    found = site(system, tmp_path)
    found.environment["LMOD_REDIRECT"] = "yes"
    assert found.available("kraken") == ["kraken/4.3.13"]


VERSIONS = {
    "em5": r"Environment Modules 5\.2\.0",
    "em3": r"Environment Modules 3\.2\.10",
    "lmod": r"Lmod 8\.6\.19",
    "real em": r"Environment Modules \d+\.\d+",
    "real lmod": r"Lmod \d+\.\d+",
}


def test_the_system_says_its_name(any_site: Site) -> None:
    said = environment_modules.system(any_site.environment)
    assert said is not None
    assert re.match(VERSIONS[any_site.system], said)


def test_a_part_of_a_version_is_enough_where_the_system_takes_it(tmp_path: Path, shell: str) -> None:
    real = site("real lmod", tmp_path)
    assert real.load("kraken/4.3").modules == ("kraken/4.3.13",)


@pytest.fixture
def em5(tmp_path: Path, shell: str) -> Site:
    return site("em5", tmp_path)


@pytest.mark.parametrize("name", ["", " ", "-f", " kraken", "kraken\n", "kraken\n9"])
def test_what_cannot_be_a_name_is_not_asked_for(em5: Site, name: str) -> None:
    with pytest.raises(ModuleUnavailable) as caught:
        em5.load(name)
    assert str(caught.value) == f"{name!r} is not the name of a module"


def test_a_missing_folder_is_told(em5: Site, tmp_path: Path) -> None:
    with pytest.raises(ModuleUnavailable) as caught:
        em5.load("kraken/4.3.13", str(em5.folder), str(tmp_path / "missing"))
    assert str(caught.value) == f"there is no folder {tmp_path}/missing of modulefiles here"


def test_a_folder_may_be_given_from_here_or_from_home(
    em5: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert em5.load("kraken", "modulefiles").modules == ("kraken/4.3.13",)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert em5.load("kraken", "~/modulefiles").modules == ("kraken/4.3.13",)


def test_a_load_without_effect_is_none(tmp_path: Path, shell: str) -> None:
    with pytest.raises(ModuleUnavailable) as caught:
        site("idle", tmp_path).load("kraken/4.3.13")
    assert str(caught.value) == (
        "`module load kraken/4.3.13` has no effect: it ends well, but kraken/4.3.13 is not among the modules loaded then"
    )


def test_a_module_system_that_hangs_is_left(tmp_path: Path, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_modules, "TIMEOUT_S", 1.0)
    with pytest.raises(ModuleUnavailable, match=r"^the module system does not answer within 1 s$"):
        site("hung", tmp_path).load("kraken/4.3.13")


def test_a_shell_that_is_ended_is_told(em5: Site) -> None:
    em5.module("kraken/mad", 'puts stderr "error: this machine is too old"', 'puts stdout "exit 3;"')
    with pytest.raises(ModuleUnavailable) as caught:
        em5.load("kraken/mad")
    assert str(caught.value) == "`module load kraken/mad` ends its shell: this machine is too old"


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No module system at its usual places, whatever this machine has."""
    for place in ("/etc/profile.d", "/usr/share", "/opt"):
        monkeypatch.setattr(
            environment_modules, "SCRIPT", environment_modules.SCRIPT.replace(place, "/dev/null/nowhere")
        )


@pytest.mark.usefixtures("nothing_here")
def test_without_a_module_system_it_is_said_where_it_was_looked_for(tmp_path: Path, shell: str) -> None:
    bare = {"PATH": "/usr/bin:/bin"}
    ask: list[Callable[[], object]] = [
        lambda: environment_modules.load("kraken", environment=bare),
        lambda: environment_modules.available("kraken", environment=bare),
    ]
    for question in ask:
        with pytest.raises(ModuleUnavailable, match=r"^there is no `module` command here: .*MODULESHOME"):
            question()
    assert environment_modules.system(bare) is None


@pytest.mark.usefixtures("nothing_here")
@pytest.mark.parametrize("variable", ["LMOD_PKG", "LMOD_DIR", "MODULESHOME"])
def test_the_module_system_is_found_by_its_variables(tmp_path: Path, shell: str, variable: str) -> None:
    found = site("em5", tmp_path)
    home = Path(found.environment["MODULESHOME"])
    (home / "libexec").mkdir()
    place = home / "libexec" if variable == "LMOD_DIR" else home
    environment = {name: value for name, value in found.environment.items() if name != "MODULESHOME"}
    environment[variable] = str(place)
    assert environment_modules.load("kraken", use=[str(found.folder)], environment=environment).modules == (
        "kraken/4.3.13",
    )


def test_the_users_own_function_comes_first(tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    environment = {
        "PATH": os.environ["PATH"],
        "BASH_FUNC_module%%": "() {  [ $1 = load ] && export LOADEDMODULES=mine/1; :; }",
    }
    assert environment_modules.load("mine", environment=environment).modules == ("mine/1",)


def test_values_of_any_text_are_kept(em5: Site) -> None:
    odd = {"LINES_": "a\nb", "EQUAL": "a=b", "BYTES": "caf\udce9", "EMPTY": ""}
    loaded = environment_modules.load("kraken", use=[str(em5.folder)], environment=em5.environment | odd).environment
    assert {name: loaded[name] for name in odd} == odd


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", ""),
        ("Sorry, not today\n\n", "Sorry, not today"),
        ("note\nModuleCmd_Load.c(213):ERROR:105: Unable to locate 'x'\n", "Unable to locate 'x'"),
        (
            "Loading b\n  \x1b[31mERROR\x1b[0m: Module cannot be loaded due to a conflict.\n"
            '    HINT: Might try "module unload a" first.\n',
            'Module cannot be loaded due to a conflict. HINT: Might try "module unload a" first.',
        ),
        (
            'Module ERROR: can\'t read "x": no such variable\n  while executing\n"setenv"',
            'can\'t read "x": no such variable',
        ),
    ],
)
def test_the_reason_is_found_in_what_is_said(words: str, reason: str) -> None:
    assert environment_modules._reason(words) == reason
