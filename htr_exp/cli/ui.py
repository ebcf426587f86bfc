"""`ui`: the MLflow UI on this machine."""

from __future__ import annotations

import argparse

from htr_exp.cli.chosen_runs import chosen_runs, places_named, run_names


def run(args: argparse.Namespace) -> int:
    """Record what is new, then show the MLflow UI on this machine until Ctrl-C."""
    from htr_exp.core.terminal import say
    from htr_exp.tracking.sync import experiments_of, store_of, sync_runs
    from htr_exp.tracking.ui import serve_ui

    workspace, uri = places_named(args).workspace, args.uri
    runs = chosen_runs(args)
    run_ids: list[str] = []
    if uri is None:
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
        run_ids = [one.run_id for one in done if one.run_id and run_names(args)]
    experiments = experiments_of([run.path for run in runs], uri, workspace) if uri else None
    serve_ui(workspace, uri=uri, port=args.port, open_browser=args.open, run_ids=run_ids, experiments=experiments)
    return 0
