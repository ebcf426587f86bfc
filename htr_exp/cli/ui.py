"""`ui`: the MLflow UI on this machine."""

from __future__ import annotations

import argparse

from htr_exp.cli.chosen_runs import chosen_runs, places_named, run_names


def run(args: argparse.Namespace) -> int:
    """Record what is new, then show the MLflow UI on this machine until Ctrl-C."""
    from htr_exp.core.terminal import say
    from htr_exp.tracking.sync import store_of, sync_runs
    from htr_exp.tracking.ui import serve_ui

    workspace, uri = places_named(args).workspace, args.uri
    if uri is None:
        runs = chosen_runs(args)
        paths = [run.path for run in runs if run_names(args) or store_of(run.path, workspace)]
        done = sync_runs(paths, workspace=workspace, ask=False)
        for one in done:
            if one.problem:
                say(f"warning: {one.run}: {one.problem}", error=True)
        servers = [store for store in dict.fromkeys(one.store for one in done) if store.startswith("http")]
        if len(servers) == 1 and all(one.store in servers for one in done):
            (uri,) = servers
        elif servers:
            say(f"other runs are at {', '.join(servers)}")
    serve_ui(workspace, uri=uri, port=args.port, open_browser=args.open)
    return 0
