"""Slurm's programs as far as we ask them: run by the name of each, it plays what the JSON file named by FAKE_SLURM says.

`{"squeue": {"out": "...", "err": "...", "code": 1, "sleep_s": 3}, ...}`; a program that is not named says nothing and succeeds.
Each call is logged beside it, in slurm-calls.jsonl.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

program = globals()["PROGRAM"]  # given by the program on PATH that runs this file
scenario = Path(os.environ["FAKE_SLURM"])
play = json.loads(scenario.read_text()).get(program, {})
call = {"program": program, "argv": sys.argv[1:], "stdin": "" if sys.stdin is None else sys.stdin.read()}
call["env"] = {
    name: os.environ.get(name) for name in ("TZ", "LC_ALL", "SQUEUE_FORMAT", "SACCT_FORMAT", "SLURM_TIME_FORMAT")
}
with open(scenario.with_name("slurm-calls.jsonl"), "a") as log:
    log.write(json.dumps(call) + "\n")
time.sleep(play.get("sleep_s", 0))
sys.stdout.write(play.get("out", ""))
sys.stderr.write(play.get("err", ""))
sys.exit(play.get("code", 0))
