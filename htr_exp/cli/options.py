"""`options`: every choice of every group."""

from __future__ import annotations

import argparse
import json


def run(args: argparse.Namespace) -> int:
    """List every choice of every group."""
    from htr_exp.config.choices import options, overlays

    groups = options(overlays(args.config_dir))
    if args.json:
        print(json.dumps(groups, ensure_ascii=False))
        return 0
    for group, choices in groups.items():
        print(f"{group}=")
        for name, sentence in choices.items():
            print(f"  {name:18} {sentence}")
    return 0
