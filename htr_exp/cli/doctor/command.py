"""`doctor`: what works here and what does not, each with its remedy."""

from __future__ import annotations

import argparse


def run(args: argparse.Namespace) -> int:
    """Say what works here and what does not, each with its remedy."""
    from htr_exp.cli.doctor import software
    from htr_exp.core.terminal import say, say_json

    lacking = software.lacking()
    if lacking:  # without these packages there is neither a configuration nor a table
        if args.json:
            say_json([{"section": software.TITLE} | vars(finding) for finding in lacking])
        for finding in () if args.json else lacking:
            say(f"{finding.state}  {finding.name}  {finding.found}")
            say(f"       -> {finding.remedy}")
        return 2
    from htr_exp.cli.doctor import terminal
    from htr_exp.cli.doctor.examination import examine
    from htr_exp.config.choices import overlays
    from htr_exp.core.console import console

    sections = examine(args.overrides, overlays(args.config_dir))
    if args.json:
        rows = [{"section": title} | vars(finding) for title, findings in sections for finding in findings]
        say_json(rows)
        return 2 if any(row["state"] == "error" for row in rows) else 0
    told = terminal.show_findings(console(), sections)
    return 2 if any(finding.state == "error" for finding in told) else 0
