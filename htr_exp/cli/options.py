"""`options`: every choice of every group."""

from __future__ import annotations

import argparse


def run(args: argparse.Namespace) -> int:
    """List every choice of every group."""
    from htr_exp.config.choices import options, overlays
    from htr_exp.core.terminal import say, say_json

    groups = options(overlays(args.config_dir))
    if args.json:
        say_json(groups)
        return 0
    for group, choices in groups.items():
        say(f"{group}=")
        for name, sentence in choices.items():
            say(f"  {name:18} {sentence}")
    return 0
