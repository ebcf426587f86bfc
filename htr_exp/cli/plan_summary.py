"""What people see: progress of a run, tables of results, problems of ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from htr_exp.config.site_choice import SHIPPED
from htr_exp.core.console import Text, show_warnings
from htr_exp.core.own_command import own_command
from htr_exp.core.text import counted, duration, first_of
from htr_exp.splits.split import NAMES

if TYPE_CHECKING:  # `status` prints on login nodes and needs neither Hydra nor the readers of ground truth
    from htr_exp.config.schema import Slurm
    from htr_exp.kraken.runtime import Kraken
    from htr_exp.pipeline.plan import Plan


def show_plan(out: Console, plan: Plan, *, folder: str) -> None:
    """Print what a run would do."""
    dataset, experiment = plan.dataset, plan.experiment
    rows = [
        ("run", folder),
        (
            "dataset",
            f"{plan.dataset_name}: {counted(len(dataset.pages), 'page')}, {counted(dataset.lines, 'line')}, {counted(dataset.characters, 'character')}",
        ),
    ]
    if plan.composed.site.source != SHIPPED:
        rows.append(("site", f"{experiment.site.name}: so says {plan.composed.site.source}"))
    if plan.composed.from_here:
        rows.append(("from ./conf", ", ".join(f"{name}.yaml" for name in plan.composed.from_here)))
    if dataset.dropped:
        rows.append(
            ("left out", f"{counted(len(dataset.dropped), 'item')}; `{own_command('check')}` says which and why")
        )
    if plan.left_out["excluded"]:
        excluded = plan.left_out["excluded"]
        rows.append(("excluded", f"{counted(len(excluded), 'page')} by dataset.exclude: {first_of(excluded, 3)}"))
    if plan.split.fold:
        rows.append(("split", plan.split.fold))
    for side in NAMES:
        pages = [plan.pages[name] for name in plan.split.pages[side]]
        if pages:
            lines = sum(len(page.lines) for page in pages)
            rows.append(
                (side, f"{counted(len(pages), 'page')}, {counted(lines, 'line')} ({lines / dataset.lines:.0%})")
            )
    if plan.split.unused:
        rows.append(("not used", f"{counted(len(plan.split.unused), 'page')}; split.json says why of each"))
    if plan.predictions:
        rows.append(("system", f"{experiment.system} ({experiment.predictions}: {plan.predictions.shown})"))
    else:
        rows.append(("base model", f"{plan.base.name} ({plan.base.path})" if plan.base else "none: from scratch"))
        rows.append(("network", plan.base.header.network if plan.base else str(experiment.architecture.spec)))
    if not plan.evaluate:
        reason = f" ({plan.default_rate.reason})" if plan.default_rate else ""
        rows.append(("learning rate", f"{experiment.training.lrate:g}{reason}"))
    rows += plan.training_data.summary()
    device = "CUDA where the node has it, else the CPU" if plan.device == "auto" else plan.device
    for kind, found in plan.leaks.accepted.items():
        rows.append(("accepted", f"{kind}: {counted(len(found), 'pair')}, first {found[0]}"))
    rows += [("accepted", f"leakage.{key}={value:g}, weaker than shipped") for key, value in plan.leaks.weaker.items()]
    rows += [("trained on", said) for said in plan.leaks.origins()]
    if plan.kraken is not None:
        rows.append(("kraken", f"{plan.kraken.version} on {device} ({_where(plan, plan.kraken)})"))
    if plan.kill_costs is not None:
        exact = experiment.training.exact
        after = (
            "and the result is the same" if exact else "and the result then differs a little (training.exact=true: not)"
        )
        rows.append(("a kill costs", f"at most {counted(plan.kill_costs, 'epoch')}, {after}"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    out.print(table)
    show_warnings(out, plan.warnings)


def _where(plan: Plan, kraken: Kraken) -> str:
    """Where a plan's kraken comes from, and which fallback is used where that is missing."""
    wanted = plan.experiment.runtime
    if kraken.kind == "host":
        return str(kraken.folder)
    if wanted.kind == "apptainer" or kraken.fallback:
        return str(wanted.image)
    other = f", without it kraken {wanted.fallback_kraken} of {wanted.image}" if wanted.fallback else ""
    return f"module {wanted.module}{other}"


def show_submitted(out: Console, jobs: Mapping[Path, str], settings: Slurm) -> None:
    """Say which jobs runs were given to."""
    arrays: dict[str, set[str]] = {}
    for job in jobs.values():
        arrays.setdefault(job.partition("_")[0], set()).add(job)
    for number, members in arrays.items():
        many = f", {len(members)} jobs, {settings.array_parallelism} at a time" if len(members) > 1 else ""
        runs = counted(len(jobs), "run")
        limit = duration(60.0 * (settings.time_min or 0))
        out.print(
            Text(
                f"submitted {runs} as job {number}{many}: {settings.partition}, at most {limit} each, requeued up to {counted(settings.max_requeues or 0, 'time')}"
            )
        )
