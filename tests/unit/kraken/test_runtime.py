"""One experiment on the host, through an environment module and in an image, with scripted ones: the real ones have tiers of their own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from helpers.apptainer_image import sif
from helpers.command_line import CommandLine
from helpers.fake_kraken import Scenario, programs
from helpers.folders import FAKES
from htr_exp.config.schema import Runtime
from htr_exp.core.errors import RuntimeUnavailableError
from htr_exp.core.files import read_json, read_jsonl
from htr_exp.kraken.runtime import provide
from htr_exp.runs.run_dir import RunDir


@dataclass
class Site:
    """A machine with modules and Apptainer, both scripted."""

    modulefiles: Path
    modulefile: Path
    image: Path
    words: list[str]

    def runtime(self, **changes: Any) -> Runtime:
        """The group as conf/runtime/module.yaml has it here, changed."""
        made = Runtime(
            kind="module", kraken="4.3.13", module="kraken/4.3.13", modulepath=[str(self.modulefiles)], fallback=True,
            fallback_kraken="4.3.13", image=str(self.image), mixed_versions=False,
        )  # fmt: skip
        return replace(made, **changes)


@pytest.fixture
def site(tmp_path: Path, workspace: Path, fake_kraken4: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Both the module and the image give kraken 4.3.13."""
    home, modulefiles = tmp_path / "modules", tmp_path / "modulefiles"
    (home / "init").mkdir(parents=True)
    shutil.copy(FAKES / "module_init.sh", home / "init" / "sh")
    monkeypatch.setenv("MODULESHOME", str(home))
    monkeypatch.setenv("FAKE_MODULES", "em5")
    modulefile = modulefiles / "kraken" / "4.3.13"
    modulefile.parent.mkdir(parents=True)
    modulefile.write_text(f"#%Module1.0\nprepend-path PATH {fake_kraken4.parent}\nsetenv KRAKEN_HOME /opt/kraken\n")
    image = tmp_path / "kraken.sif"
    image.write_bytes(sif())
    program = tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKES / "fake_apptainer.py"}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_IMAGE", str(programs(tmp_path / "in-image", release="4.3").parent))
    words = ["runtime=module", f"runtime.modulepath=[{modulefiles}]", f"runtime.image={image}"]
    return Site(modulefiles, modulefile, image, words)


@pytest.fixture
def elsewhere(htr_exp: CommandLine) -> CommandLine:
    """The command line with an experiment that names no kraken."""
    htr_exp.words = [word for word in htr_exp.words if not word.startswith("runtime.ketos=")]
    return htr_exp


def found(run: RunDir) -> dict[str, Any]:
    return read_jsonl(run.krakens)[-1]


def test_through_the_module(elsewhere: CommandLine, site: Site) -> None:
    said = elsewhere.train(*site.words)
    assert said.code == 0, said.stderr
    (run,) = elsewhere.runs
    result, record = read_json(run.results), found(run)
    assert (record["kind"], record["version"], record["module"]) == ("module", "4.3.13", "kraken/4.3.13")
    assert (record["modules"], record["fallback"]) == (["kraken/4.3.13"], None)
    assert result["kraken"]["version"] == "4.3.13"
    assert result["polygons"] == "4.3"
    assert result["test"]["best"]["cer"] < result["test"]["base"]["cer"]
    assert f"module use {site.modulefiles}; module load kraken/4.3.13" in run.commands.read_text()
    assert any("warm one" in remark for remark in run.facts()["kraken"]["remarks"])
    (row,) = elsewhere("status", "--json").json
    assert (row["kraken"], row["runtime"], row["fallback"]) == ("4.3.13", "kraken/4.3.13", None)


def test_without_the_module_the_image_is_used_and_everyone_says_so(elsewhere: CommandLine, site: Site) -> None:
    site.modulefile.unlink()
    said = elsewhere.train(*site.words)
    assert said.code == 0, said.stderr
    why = "runtime.module=kraken/4.3.13: `module load kraken/4.3.13` fails: Unable to locate a modulefile for 'kraken/4.3.13'"
    assert why in said.stderr + said.stdout
    (run,) = elsewhere.runs
    record = found(run)
    assert (record["kind"], record["version"], record["image"]) == ("apptainer", "4.3.13", "kraken.sif")
    assert (record["fallback"], len(record["image_sha256"])) == (why, 64)
    assert f"{why}: uses kraken 4.3.13" in run.log.read_text()
    assert read_json(run.results)["kraken"]["fallback"] == why
    (row,) = elsewhere("status", "--json").json
    assert (row["runtime"], row["fallback"]) == ("kraken.sif", why)
    assert f"{why}: kraken 4.3.13 of kraken.sif instead" in elsewhere("status").stdout


def test_temporary_files_are_where_the_module_says(
    elsewhere: CommandLine, site: Site, short: Path, scenario: Scenario
) -> None:
    site.modulefile.write_text(f"{site.modulefile.read_text()}setenv TMPDIR {short}\n")
    assert elsewhere.train(*site.words).code == 0
    assert {folder.parent.parent for folder in scenario.temporary()} == {short}
    assert list(short.iterdir()) == []


def test_in_the_image(
    elsewhere: CommandLine, site: Site, short: Path, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(short))
    said = elsewhere.train("runtime=apptainer", "runtime.kraken=4.3.13", f"runtime.image={site.image}")
    assert said.code == 0, said.stderr
    (run,) = elsewhere.runs
    assert (found(run)["kind"], found(run)["fallback"]) == ("apptainer", None)
    assert {folder.parent.parent for folder in scenario.temporary()} == {short}
    assert list(short.iterdir()) == []


def test_without_a_fallback_a_missing_module_is_an_error(elsewhere: CommandLine, site: Site) -> None:
    site.modulefile.unlink()
    said = elsewhere.train(*site.words, "runtime.fallback=false")
    assert said.code == 2
    assert "Unable to locate a modulefile for 'kraken/4.3.13'" in said.stderr
    assert "runtime.fallback=false" in said.stderr
    assert not elsewhere.runs


def test_with_both_gone_both_are_told(elsewhere: CommandLine, site: Site) -> None:
    site.modulefile.unlink()
    site.image.unlink()
    said = elsewhere.train(*site.words)
    assert said.code == 2
    assert "kraken is neither there as a module nor as an image" in said.stderr
    assert "Unable to locate a modulefile for 'kraken/4.3.13'" in said.stderr
    assert f"runtime.image={site.image}: {site.image} does not exist" in said.stderr
    assert not elsewhere.runs


def broken(site: Site, text: str) -> None:
    folder = site.modulefiles / "bin"
    folder.mkdir()
    (folder / "ketos").write_text(text)
    (folder / "ketos").chmod(0o755)
    site.modulefile.write_text(f"#%Module1.0\nprepend-path PATH {folder}\n")


def empty(site: Site) -> None:
    site.modulefile.write_text("#%Module1.0\nsetenv KRAKEN_HOME /opt/kraken\n")


BROKEN: dict[str, tuple[Callable[[Site], None], str]] = {
    "crashes": (lambda site: broken(site, "#!/bin/sh\necho 'ImportError: libcudart.so.12' >&2\nexit 1\n"), "--version fails: ImportError: libcudart.so.12"),
    "another version": (lambda site: broken(site, "#!/bin/sh\necho 'ketos, version 5.3.0'\n"), "is kraken 5.3.0"),
    "does not start": (lambda site: broken(site, "#!/no/such/python\n"), "does not start: No such file or directory"),
    "gives none": (empty, "it loads, but gives no ketos"),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_a_module_that_gives_no_such_kraken_is_as_none(site: Site, how: str) -> None:
    spoil, said = BROKEN[how]
    spoil(site)
    instead = provide(site.runtime())
    assert instead.kind == "apptainer"
    assert said in str(instead.fallback)
    with pytest.raises(RuntimeUnavailableError, match=r"runtime\.fallback=false") as refused:
        provide(site.runtime(fallback=False))
    assert said in str(refused.value)


def test_a_load_without_effect_is_noticed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_MODULES", "idle")
    assert "has no effect" in str(provide(site.runtime()).fallback)


def test_our_own_kraken_is_not_taken_for_the_modules(
    site: Site, fake_kraken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment of ours stands first on PATH wherever we run."""
    monkeypatch.setattr("sys.executable", str(fake_kraken.parent / "python"))
    monkeypatch.setenv("PATH", f"{fake_kraken.parent}{os.pathsep}{os.environ['PATH']}")
    empty(site)
    assert "it loads, but gives no ketos" in str(provide(site.runtime()).fallback)


def test_a_kraken_is_asked_once_for_its_version(
    site: Site, fake_kraken4: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htr_exp.core.file_cache.TICK_NS", -1)  # a file written just now is trusted too
    asked = site.modulefiles / "asked"
    fake_kraken4.write_text(f"#!/bin/sh\necho once >> {asked}\necho 'ketos, version 4.3.13'\n")
    for _ in range(3):
        assert provide(site.runtime()).version == "4.3.13"
    assert asked.read_text() == "once\n"
    fake_kraken4.write_text(f"#!/bin/sh\necho again >> {asked}\necho 'ketos, version 4.3.14'\n")
    assert "is kraken 4.3.14" in str(provide(site.runtime()).fallback)


IMAGES: dict[str, tuple[Callable[[Site], Any], dict[str, Any], str]] = {
    "truncated": (lambda site: os.truncate(site.image, 20000), {}, "is cut short: it has 20000 of"),
    "another processor": (lambda site: site.image.write_bytes(sif(b"06")), {}, "is for another processor: ppc64le"),
    "no image": (lambda site: site.image.write_bytes(b"hello"), {}, "is not a SIF image"),
    "no ketos": (lambda site: os.environ.__setitem__("FAKE_IMAGE", "/dev/null/nowhere"), {}, "--version fails: "),
    "another version": (lambda site: None, {"kraken": "7.1.1"}, "runtime.kraken=7.1.1: ketos of runtime.image="),
    "bind": (lambda site: None, {"bind": ["/no/such/place"]}, "runtime.bind=/no/such/place: there is no /no/such/place on this machine"),
    "bind as": (lambda site: None, {"bind": ["/tmp:there"]}, "give it from the root, /there"),
}  # fmt: skip


@pytest.mark.parametrize("how", IMAGES)
def test_an_image_that_gives_no_such_kraken_is_refused(site: Site, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_IMAGE", os.environ["FAKE_IMAGE"])
    spoil, changes, said = IMAGES[how]
    spoil(site)
    with pytest.raises(RuntimeUnavailableError) as refused:
        provide(site.runtime(**{"kind": "apptainer", "module": None, "fallback": False} | changes))
    assert said in str(refused.value)
    assert "runtime." in str(refused.value)


def test_without_apptainer_an_image_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htr_exp.kraken.apptainer.program", lambda: None)
    with pytest.raises(RuntimeUnavailableError, match="there is no apptainer \\(or singularity\\) on PATH"):
        provide(site.runtime(kind="apptainer"))


def test_a_sweep_over_versions_is_refused_unless_asked_for(elsewhere: CommandLine, site: Site) -> None:
    said = elsewhere.train(*site.words, "-m", "seed=1,2", "--dry-run")
    assert said.code == 0, said.stderr
    said = elsewhere.train(*site.words, "-m", "runtime.fallback_kraken=7.1.1", "seed=1,2", "--dry-run")
    assert said.code == 2
    assert "the runs of this sweep would use different versions of kraken (4.3.13, 7.1.1)" in said.stderr
    said = elsewhere.train(
        *site.words, "-m", "runtime.fallback_kraken=7.1.1", "runtime.mixed_versions=true", "seed=1,2", "--dry-run"
    )
    assert said.code == 0, said.stderr


def test_compare_marks_a_table_that_mixes_versions(elsewhere: CommandLine, site: Site, fake_kraken: Path) -> None:
    assert elsewhere.train(*site.words).code == 0
    assert "mixed:" not in elsewhere("compare").stdout
    assert elsewhere.train(f"runtime.ketos={fake_kraken}").code == 0
    said = elsewhere("compare").stdout
    assert "mixed: these runs used different versions of kraken" in said
    assert "4.3.13" in said
    assert "7.1.1" in said
    assert {row["kraken"] for row in elsewhere("compare", "--json").json} == {"4.3.13", "7.1.1"}


def test_data_compiled_by_one_version_is_not_another_s(elsewhere: CommandLine, site: Site, fake_kraken: Path) -> None:
    assert elsewhere.train(*site.words).code == 0
    compiled = sorted((elsewhere.folder / "cache" / "compiled").glob("*.arrow"))
    assert elsewhere.train(f"runtime.ketos={fake_kraken}").code == 0
    assert len(sorted((elsewhere.folder / "cache" / "compiled").glob("*.arrow"))) == 2 * len(compiled) == 6


def test_a_training_goes_on_with_the_version_that_began_it_or_not_at_all(
    elsewhere: CommandLine, site: Site, tmp_path: Path, scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*site.words, "runtime.fallback_kraken=7.1.1"]
    scenario.play(fail="train", at_epoch=2)
    assert elsewhere.train(*words).code == 1
    (run,) = elsewhere.runs
    assert run.epochs()
    scenario.play()
    site.modulefile.unlink()
    monkeypatch.setenv("FAKE_IMAGE", str(programs(tmp_path / "newer").parent))
    assert elsewhere("resume", run.name).code == 1
    reason = run.state().reason or ""
    assert "the training began with kraken 4.3.13 and only kraken 7.1.1 is here" in reason
    assert "Unable to locate a modulefile" in reason


REFUSED = [
    (["runtime.module=kraken"], "runtime.module=kraken changes nothing with runtime=host; remove it, or choose runtime=module"),
    (["runtime.image=a.sif"], "runtime.image=a.sif changes nothing with runtime=host"),
    (["runtime=module", "runtime.ketos=x"], "runtime.ketos=x changes nothing with runtime=module"),
    (["runtime=module", "runtime.module=null"], "runtime.module is not set; give runtime.module=NAME"),
    (["runtime=apptainer", "runtime.image=null"], "runtime.image is not set; give runtime.image=FILE.sif"),
    (["runtime=apptainer", "runtime.kraken=null"], "runtime.kraken is not set"),
    (["runtime=module", "runtime.kraken=6.0.3", "slurm=none"], "6.0.3"),
    (["runtime.kind=docker"], "runtime.kind=docker: there is no such choice; choose one of host, module, apptainer"),
    (["training.quit=dumb"], "training.quit=dumb: kraken 4.3.13's `--quit dumb` never ends without -N"),
    (["training.quit=dumb 20"], "training.quit=dumb 20: kraken 4.3.13's `--quit dumb` never ends without -N, and drops a number behind it"),
    (["training.workers=640"], "training.workers=640: this machine has"),
    (["architecture=guide"], "architecture=guide: a base model keeps its own network and kraken would ignore this one"),
    (["--quit", "dumb", "20"], "--quit dumb 20: kraken 4.3.13's `dumb` never ends without -N"),
    (["-s", "[1,128,0,1 Lbx256]"], "-s [1,128,0,1 Lbx256]: with a base model kraken ignores it"),
    (["--workers", "64"], "--workers 64: kraken starts so many processes for training and as many for validation"),
    (["--pad", "24"], "--pad 24: write training.pad=VALUE"),
    (["--random-split", "0.8", "0.1", "0.1"], "--random-split 0.8 0.1 0.1: kraken draws lines"),
    (["--nonsense"], "--nonsense: there is no such option"),
    (["runtime=module", "training.optimizer=AdamW"], "training.optimizer=AdamW: kraken 4.3.13 cannot do that, 7.1.x can"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED])
def test_what_cannot_be_is_refused_before_anything_is_written(
    elsewhere: CommandLine, site: Site, words: list[str], said: str
) -> None:
    more = site.words[1:] if "runtime=module" in words else []
    done = elsewhere(*elsewhere.training(*more), *words)
    assert done.code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not elsewhere.runs
