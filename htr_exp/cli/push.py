"""`push`: sends ground truth and models to another site."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from htr_exp.cli.on_site import login_named, needs_on
from htr_exp.core.errors import ConfigError
from htr_exp.core.own_command import own_command
from htr_exp.core.problem import Problem
from htr_exp.core.text import counted, first_of, printable, size


def run(args: argparse.Namespace) -> int:
    """Send what is not there; doing it again sends nothing."""
    from htr_exp.core.terminal import say, say_json
    from htr_exp.remote.connection import Connection
    from htr_exp.remote.push import push, said

    needs_on(args)
    login = login_named(args)
    paths = _paths(args)
    done = []
    with Connection(login.host) as there:
        for path in paths:
            sent = push(there, path, login, None if args.json else _progress(path))
            done.append(sent)
            if args.json:
                continue
            say(said(sent))
            if sent.room:
                say(f"  {sent.room}")
            if sent.left_out:
                say(f"  {counted(sent.left_out, 'file')} of macOS or Windows (.DS_Store and the like) left out")
            if sent.only_there:
                names = first_of(list(map(printable, sent.only_there)), 3)
                say(
                    f"note: {counted(len(sent.only_there), 'file')} there that are not here stay there: {names}",
                    error=True,
                )
    if args.json:
        say_json(
            [
                {
                    "path": str(one.path), "host": login.host, "to": one.to, "files": one.files, "bytes": one.size,
                    "same": one.same, "only_there": list(one.only_there), "left_out": one.left_out,
                }
                for one in done
            ]
        )  # fmt: skip
    return 0


def _paths(args: argparse.Namespace) -> list[Path]:
    """The folders and files that the command line names.

    Raises:
        ConfigError: it names none, or one that is not there.
    """
    words = [word for word in args.words if "=" not in word or Path(word).exists()]
    settings = [word for word in args.words if word not in words]
    found = [Path(word).expanduser() for word in words]
    if settings:
        from htr_exp.cli.composition import composed_words
        from htr_exp.config.choices import overlays
        from htr_exp.config.places import absolute, dataset_folders

        experiment = composed_words(settings, overlays(args.config_dir)).experiment
        found += dataset_folders(experiment)
        found += [absolute(model.path) for model in (experiment.model, experiment.segmentation_model) if model.path]
    if not found:
        remedy = f"name a folder or a file: `{own_command('push on=SITE dataset=NAME')}`, `{own_command('push on=SITE FOLDER')}`"
        raise ConfigError("push sends what?", [remedy])
    if missing := [path for path in found if not path.exists()]:
        raise ConfigError(
            "some of it is not here:", [Problem(f"{path}: there is no such folder or file") for path in missing]
        )
    return list(dict.fromkeys(found))


def _progress(path: Path) -> Callable[[int, int], None] | None:
    """What shows somebody how far it is; None where nobody looks."""
    from htr_exp.core.terminal import say_on_one_line

    def show(files: int, count: int) -> None:
        say_on_one_line(f"Sending {path.name}: {counted(files, 'file')}, {size(count)}    ", last=False)

    return show if sys.stderr.isatty() else None
