"""Writes a plan down: the run folder, complete before anything starts, and the staged pages it names."""

from __future__ import annotations

import json
import shlex
import uuid
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yaml

from htr_exp.config import transcription_conventions
from htr_exp.config.schema import Runtime
from htr_exp.core.errors import ConfigError, plainly
from htr_exp.core.files import digest_json, read_json, sha256_bytes, utc_now, write_atomically, write_json
from htr_exp.core.lock import locked
from htr_exp.core.problem import Problem
from htr_exp.core.run_state import RunState
from htr_exp.core.task import task_of
from htr_exp.groundtruth.examine import LINE_PAIRS, XML
from htr_exp.groundtruth.model import GroundTruthPage
from htr_exp.groundtruth.pairs_for_kraken import staged_pairs
from htr_exp.groundtruth.xml_for_kraken import staged_xml
from htr_exp.kraken.commands import PREDICTION_TEMPLATE
from htr_exp.kraken.commands_script import script
from htr_exp.kraken.options import remarks
from htr_exp.pipeline.page_archive import StagedPage, common_folder, page_archive
from htr_exp.pipeline.plan import Plan
from htr_exp.pipeline.preparation import preparation_of
from htr_exp.pipeline.sources import BaseModel
from htr_exp.runs import judgements, openings, ownership, provenance
from htr_exp.runs.records import NO_KRAKEN, DatasetRecord, ModelRecord, PagePlace, PageRecord
from htr_exp.runs.run_dir import RunDir
from htr_exp.runs.selection import runs_in
from htr_exp.splits.groups import image_name
from htr_exp.splits.split import NAMES


def find(plan: Plan) -> RunDir | None:
    """The newest run of the plan's key, or None."""
    same = [run for run in runs_in(plan.places.runs, f"-{plan.key[:8]}") if run.key == plan.key]
    return max(same, key=lambda run: run.manifest.stat().st_mtime_ns, default=None)


def write_run(plan: Plan, *, command: Sequence[str], again: bool = False) -> tuple[RunDir, bool]:
    """Write a run folder, or take the one that the same experiment already has.

    Args:
        plan: the run.
        command: the words of the command line, for the record.
        again: make another run even if there is one.

    Returns:
        The run, and whether it is new.

    Raises:
        HtrExpError: the folder cannot be written.
    """
    known = find(plan)
    try:
        if known is not None and known.state().state is RunState.DONE and not again:
            _judge(known, plan, command)  # else nothing is written: a finished run may lie where nothing can be
            return known, False
        for folder in (plan.places.runs, plan.places.cache / "pages"):
            folder.mkdir(parents=True, exist_ok=True)
        # of two commands at once for one experiment, the second takes the first one's run
        with locked(plan.places.runs / f".{plan.key[:16]}.lock", wait=lambda owner: True):
            return _written(plan, command, again)
    except OSError as error:
        raise plainly(error, plan.places.runs) from None


def _written(plan: Plan, command: Sequence[str], again: bool) -> tuple[RunDir, bool]:
    known = find(plan)
    done = known is not None and known.state().state is RunState.DONE
    if known is not None and not done and not ownership.is_ours(known):
        if not again:
            raise ConfigError(
                "the experiment cannot run:",
                [Problem(ownership.not_ours(known), "again=true makes another run", "again")],
            )
    elif known is not None and not (again and done):
        if not done:
            _place(known, plan)
        _judge(known, plan, command)
        return known, False
    run = RunDir(_free_folder(plan))
    _place(run, plan)
    run.write_state(RunState.QUEUED)
    files: dict[str, str | bytes] = {**_sealed(plan, run, command), **_steps(plan, run)}
    run.clear_leftovers()
    run.seal(files, before=partial(ownership.sign, run))
    return run, True


def _judge(run: RunDir, plan: Plan, command: Sequence[str]) -> None:
    """Record how a run that is there already is judged by the words that it is asked for with now."""
    judgements.judge(run, plan.leaks.record(), transcription_conventions.of(plan.experiment), command)


def _steps(plan: Plan, run: RunDir) -> dict[str, str | bytes]:
    """The files from which the run predicts, or what another system predicted."""
    if plan.predictions is not None:
        return {run.given_predictions.name: plan.predictions.content}
    return {
        run.commands.name: script_of(plan),
        run.template.name: PREDICTION_TEMPLATE,
        run.page_archive.name: _page_archive(plan, run),
    }


def script_of(plan: Plan) -> str:
    """The text of the plan's commands.sh."""
    if plan.kraken is None:
        return "# Nothing is run: another system has read the lines, and its predictions are scored.\n"
    return script(
        plan.experiment.training,
        version=plan.kraken.version,
        device=plan.device,
        seed=plan.experiment.seed,
        base=plan.base is not None,
        spec=None if plan.base else plan.experiment.architecture.spec,
        sides=[] if plan.evaluate else [side for side in NAMES if plan.split.pages[side]],
        scores=plan.experiment.scores,
        task=task_of(plan.experiment.task.name),
        segmenter=plan.segmenter is not None,
        reach=_reach(plan.experiment.runtime),
        line_pairs=plan.dataset.of_line_pairs,
        files=RunDir(Path()),
    )


def _reach(wanted: Runtime) -> str | None:
    """The line of commands.sh after which the runtime's kraken can be called by its name."""
    if wanted.kind == "module":
        use = "".join(f"module use {shlex.quote(folder)}; " for folder in wanted.modulepath)
        return f"{use}module load {shlex.quote(str(wanted.module))}"
    if wanted.kind == "apptainer":
        return f"# Run this in the image: apptainer exec {shlex.quote(str(wanted.image))} sh commands.sh, with --bind for its folders."
    return None


def _free_folder(plan: Plan) -> Path:
    stem = f"{plan.name}-{plan.key[:8]}"
    folder, number = plan.places.runs / stem, 1
    while _holds_run(RunDir(folder)):
        number += 1
        folder = plan.places.runs / f"{stem}-{number}"
    return folder


def _holds_run(run: RunDir) -> bool:
    """Whether a run is or was in a folder; what was left of one that was never complete may be written over."""
    return any(path.exists() for path in (run.manifest, run.results_manifest, *run.made))


def _sealed(plan: Plan, run: RunDir, command: Sequence[str]) -> dict[str, str]:
    code, diff = provenance.code()
    facts = {
        "run": {
            "uuid": str(uuid.uuid4()),
            "key": plan.key,
            "name": run.name,
            "task": plan.experiment.task.name,
            "verb": "evaluate" if plan.evaluate else "train",
            "question": plan.experiment.question,
        },
        "created": utc_now(),
        "command": list(command),
        "site": {"name": plan.experiment.site.name, "from": plan.composed.site.source},
        "code": code,
        "software": provenance.software(plan.kraken.version if plan.kraken else NO_KRAKEN),
        "machine": provenance.machine(),
        "dataset": _dataset_facts(plan),
        "split": {
            "digest": plan.split.digest,
            "test_digest": _test_digest(plan),
            **({"sealed": True} if plan.experiment.scores.test == openings.FINAL else {}),
            "seed": plan.experiment.split.seed,
            "kind": None if plan.evaluate else plan.experiment.split.kind,
            "by": plan.split.by,
            "fold": plan.split.fold,
            **{side: _side_facts(plan, plan.split.pages[side]) for side in NAMES},
            "unused": _side_facts(plan, plan.split.unused),
        },
        "model": _system_facts(plan) if plan.predictions else _model_facts(plan.base),
        "conventions": transcription_conventions.of(plan.experiment),
        "segmentation_model": _model_facts(plan.segmenter),
        **plan.training_data.facts(),
        "leakage": plan.leaks.record(),
        "left_out": plan.left_out,
        **({"predictions": plan.predictions.record} if plan.predictions else {}),
        "device": plan.device,
        "kraken": {
            "kind": plan.kraken.kind if plan.kraken else NO_KRAKEN,
            "version": plan.kraken.version if plan.kraken else NO_KRAKEN,
            "remarks": []
            if plan.evaluate or plan.kraken is None
            else remarks(plan.experiment.training, plan.kraken.version, task_of(plan.experiment.task.name)),
        },
        "warnings": list(plan.warnings),
    }
    classes = None if plan.evaluate else preparation_of(plan.experiment).classes(facts)
    return {
        run.experiment.name: f"# {shlex.join(command)}\n"
        + yaml.safe_dump(plan.composed.values, allow_unicode=True, sort_keys=False, width=200),
        run.split.name: json.dumps(
            {
                side: [_page_facts(plan, name) for name in names]
                for side, names in (plan.split.pages | {"unused": plan.split.unused}).items()
            },
            ensure_ascii=False,
            indent=1,
        )
        + "\n",
        run.fingerprints.name: json.dumps(plan.leaks.fingerprints(), ensure_ascii=False, indent=1) + "\n",
        **({} if classes is None else {run.classes.name: classes}),
        run.uncommitted_diff.name: diff,
        run.provenance.name: json.dumps(facts, ensure_ascii=False, indent=1) + "\n",
    }


def _dataset_facts(plan: Plan) -> DatasetRecord:
    dataset = plan.dataset
    return {
        "name": plan.dataset_name,
        "format": LINE_PAIRS if dataset.of_line_pairs else XML,
        "digest": dataset.digest,
        "folders": [_rooted(folder, plan) for folder in plan.folders],
        "read": dataset.read,
        "pages": len(dataset.pages),
        "lines": dataset.lines,
        "characters": dataset.characters,
        "dropped": dict(sorted(Counter(problem.code for problem in dataset.dropped).items())),
    }


def _rooted(folder: Path, plan: Plan) -> str:
    """Name a folder from the workspace or the home folder where it lies below one: both move, the record stays true."""
    for root, name in ((plan.places.workspace, "."), (Path.home(), "~")):
        if folder.is_relative_to(root):
            return str(Path(name) / folder.relative_to(root))
    return str(folder)


def _test_digest(plan: Plan) -> str | None:
    """The digest of the test pages, by what is used of them; None without any."""
    pages = [plan.pages[name].digest for name in plan.split.pages["test"]]
    return digest_json(sorted(pages)) if pages else None


def _side_facts(plan: Plan, names: Sequence[str]) -> dict[str, int]:
    pages = [plan.pages[name] for name in names]
    return {"pages": len(pages), "lines": sum(len(page.lines) for page in pages)}


def _model_facts(base: BaseModel | None) -> ModelRecord | None:
    if base is None:
        return None
    return {
        "name": base.name,
        "file": base.path.name,
        "sha256": base.sha256,
        "doi": base.doi,
        "network": base.header.network,
        "legacy_polygons": base.header.legacy_polygons,
    }


def _system_facts(plan: Plan) -> ModelRecord | None:
    """The system whose predictions are scored, where other runs have their model."""
    if plan.predictions is None:
        return None
    return {
        "name": str(plan.experiment.system),
        "file": plan.predictions.record["given"],
        "sha256": plan.predictions.sha256,
        "doi": None,
        "network": None,
        "legacy_polygons": None,
    }


def _page_facts(plan: Plan, name: str) -> PageRecord:
    page, group = plan.pages[name], plan.split.group.get(name, name)
    facts: PageRecord = {
        "page": name,
        "image": image_name(page),
        "digest": page.digest,
        "xml_digest": page.xml_digest,
        "image_digest": page.image_digest,
        "lines": len(page.lines),
        "characters": sum(len(line.text) for line in page.lines),
        "line_ids": [line.id for line in page.lines],
        "why": plan.split.why[name],
    }
    if plan.metadata is not None:
        facts["metadata"] = dict(plan.metadata.rows.get(name) or {})
    return facts if group == name else {**facts, "group": group}


def _place(run: RunDir, plan: Plan) -> None:
    """Stage the run's pages in the cache, and write down in live/ where everything is on this machine."""
    pages: dict[str, PagePlace] = {}
    by_side: dict[str, list[str]] = {}
    for side in NAMES:
        # ordered by content: compiled data is then the same whatever the pages are called
        for page in sorted((plan.pages[name] for name in plan.split.pages[side]), key=lambda page: page.digest):
            staged, digest = _stage(page, plan)
            pages[page.name] = {"staged": str(staged), "sha256": digest, "image": str(page.image)}
            if page.line_images:
                pages[page.name]["lines"] = [
                    {"image": str(line.path), "sha256": line.digest} for line in page.line_images
                ]
            by_side.setdefault(side, []).append(str(staged))
    run.live.mkdir(parents=True, exist_ok=True)
    for side, staged_pages in by_side.items():
        write_atomically(run.page_list(side), "".join(f"{path}\n" for path in staged_pages))
    write_atomically(run.held_out_pages, "".join(f"{path}\n" for side in NAMES[1:] for path in by_side.get(side, [])))
    if plan.segmenter is not None:
        write_atomically(run.segmentation_model_path, f"{plan.segmenter.path}\n")
    if preparation_of(plan.experiment).predicts_images or plan.segmenter is not None:
        images = [str(plan.pages[name].image) for side in NAMES[1:] for name in plan.split.pages[side]]
        write_atomically(run.held_out_images, "".join(f"{path}\n" for path in images))
    write_atomically(run.data_path, f"{_images_folder(plan)}\n")
    write_atomically(run.base_model_path, f"{plan.base.path}\n" if plan.base else "")
    write_json(
        run.places,
        {
            "workspace": str(plan.places.workspace),
            "cache": str(plan.places.cache),
            "base_model": str(plan.base.path) if plan.base else None,
            "segmentation_model": str(plan.segmenter.path) if plan.segmenter else None,
            "pages": pages,
        },
    )


def _page_archive(plan: Plan, run: RunDir) -> bytes:
    """The staged pages of a run, so that its commands need neither this workspace nor its cache."""
    places = read_json(run.places)["pages"]
    pages = {
        name: StagedPage(
            Path(one["staged"]), Path(one["image"]), tuple(Path(line["image"]) for line in one.get("lines", ()))
        )
        for name, one in places.items()
    }
    of_side = {side: sorted(plan.split.pages[side], key=lambda name: plan.pages[name].digest) for side in NAMES}
    held_out = [name for side in NAMES[1:] for name in of_side[side]]
    lists = {run.page_list(side).name: of_side[side] for side in NAMES if of_side[side]}
    lists |= {run.held_out_pages.name: held_out, run.held_out_images.name: held_out}
    return page_archive(pages, lists, _images_folder(plan))


def _images_folder(plan: Plan) -> Path:
    pages = [plan.pages[name] for side in NAMES for name in plan.split.pages[side]]
    images = [image for page in pages for image in ([one.path for one in page.line_images] or [page.image])]
    return common_folder(plan.folders, images)


def _stage(page: GroundTruthPage, plan: Plan) -> tuple[Path, str]:
    content = staged_pairs(page) if page.line_images else staged_xml(page, plan.naming)
    digest = sha256_bytes(content)
    form = preparation_of(plan.experiment).form(page.image, digest)
    staged = plan.places.cache / "pages" / f"{page.digest[:32]}-{form}.xml"
    if not staged.exists() or staged.read_bytes() != content:
        write_atomically(staged, content)
    return staged, digest
