"""What users of kraken's command line are used to type, what that really does, and what to write here instead."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence

from htr_exp.config.choices import options
from htr_exp.config.hydra_words import FLAGS
from htr_exp.config.kraken_words import patience
from htr_exp.config.misread_words import keys_called, types_of_keys, with_key
from htr_exp.config.overrides import tasks_chosen
from htr_exp.kraken.options import OPTIONS

OTHERWISE = {
    "--quit": "kraken 4.3.13's `dumb` never ends without -N, and its `early` ignores -N; write training.quit=fixed or early, and training.epochs=NUMBER: the most epochs in both",
    "--spec": "with a base model kraken ignores it, as that keeps its own network; only from scratch, write model=none architecture.spec=SPEC",
    "--workers": "kraken starts so many processes for training and as many for validation, 4.3.13 as many threads, too, whatever CPUs there are; "
    "leave it out (the CPUs of the machine or job are used), or write training.workers=NUMBER",
    "--threads": "write training.threads=NUMBER",
    "--random-split": "kraken draws lines, so that every page is on all sides, and trains on all of them; write split.validation=0.1 split.test=0.1: pages are drawn",
    "--resize": "write training.resize=union (adds what the base model lacks), new (deletes what the pages lack), or fail",
    "--load": "write model.path=FILE, or model=NAME",
    "--output": "write name=NAME: the run gets a folder of its own",
    "--format-type": "leave it out: PAGE and ALTO are recognised, and the data is always compiled",
    "--seed": "write seed=NUMBER",
    "--device": "write training.device=cuda:0, or leave it out: CUDA where there is one, else the CPU",
    "--epochs": "these are whole epochs, not iterations of one: with -q dumb kraken trains them all, and 4.3.13 keeps a model of each; "
    "with -q early it ignores the number; write training.epochs=NUMBER, the most epochs in both",
    "--partition": "write split.validation=0.1: pages are drawn, not lines",
    "--verbose": "leave it out: kraken's log is always kept",
    "-c": "write --cfg job: the one letter is part of an option of kraken",
    "--logger": "leave it out: it changes the result of a training; `ui` shows the curve in MLflow",
}
"""kraken's options by their long names, where there is more to say than another name."""

SHORT = {"-q": "--quit", "-s": "--spec", "-i": "--load", "-o": "--output", "-f": "--format-type", "-N": "--epochs", "-d": "--device",
         "-p": "--partition", "-v": "--verbose", "--training-files": "--format-type", "-t": "--format-type", "-e": "--format-type"}  # fmt: skip


def of_words(words: Sequence[str], ours: Collection[str] = ()) -> list[str]:
    """What to write instead of options of kraken, or of unknown ones; one sentence for each.

    Args:
        words: of the command line, those that are no option of ours.
        ours: the options of the verb.
    """
    return [
        f"{' '.join(typed)}: {_meant(typed, ours)}" + (patience(typed[2:]) if typed[0] in ("-q", "--quit") else "")
        for typed in _options(words)
    ]


def _meant(typed: Sequence[str], ours: Collection[str]) -> str:
    """What to write instead of an option and the words behind it."""
    name, _, value = typed[0].partition("=")
    long = SHORT.get(name, name)
    if long in OTHERWISE or name in FLAGS:
        return OTHERWISE.get(long) or FLAGS[name]
    for key, own in (pair for of_task in OPTIONS.values() for pair in of_task.items()):
        for option in own:
            bare = (
                next((word for word, said in (option.words or {}).items() if said == name), None)
                if option.bare
                else None
            )
            if bare is not None or (option.name is not None and name in option.name.split("/")):
                return f"write training.{key}={bare or 'VALUE'}"
    groups, tasks, key = options(), tasks_chosen(()), name.lstrip("-").replace("-", "_")
    close = difflib.get_close_matches(name, ours, n=1)
    if not close and (key in groups or key in types_of_keys() or keys_called(key, tasks)):
        return f"settings are written without --; write {with_key(key, value or ''.join(typed[1:2]), groups, tasks)}"
    if close:
        return f"there is no such option; did you mean {close[0]}?"
    return "there is no such option; `--help` lists those there are, and settings are written KEY=VALUE"


def _options(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield each option with the words behind it."""
    typed: list[str] = []
    for word in words:
        if word.startswith("-") and typed:
            yield typed
            typed = []
        typed.append(word)
    if typed:
        yield typed
