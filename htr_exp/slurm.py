"""What Slurm says and does: the only module that runs squeue, sacct, scancel, scontrol, sinfo, sacctmgr and sbatch's test."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

TIMEOUT_S = 20.0
"""How long a program of Slurm may take to answer; a busy controller makes its clients wait, a dead one for minutes."""

ALIVE = frozenset(("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "REQUEUED", "REQUEUE_FED",
                   "REQUEUE_HOLD", "RESIZING", "SIGNALING", "STAGE_OUT", "SPECIAL_EXIT"))  # fmt: skip
"""States of a job that Slurm will still run, runs, or tidies up after; in every other one it has ended."""


class SlurmSilent(Exception):
    """Slurm does not answer. The text is the program and its own words."""


@dataclass(frozen=True)
class Job:
    """A job, or a task of an array, as Slurm sees it."""

    id: str  # 123, or 123_4
    state: str  # Slurm's word: PENDING, RUNNING, COMPLETED, TIMEOUT, ...
    reason: str | None = None  # why it is pending, or how it ended, squeue's word
    node: str | None = None
    left_s: float | None = None  # until its time limit, of a running job
    restarts: int | None = None  # how often Slurm started it again; sacct does not say
    exit_code: str | None = None  # 1:0 = exit code 1, 0:9 = ended by signal 9
    by: str | None = None  # who cancelled it; squeue does not say
    starts_at: str | None = None  # when Slurm expects to start it, UTC, of a pending job
    ended_at: str | None = None  # UTC

    @property
    def ended(self) -> bool:
        return self.state not in ALIVE


@dataclass(frozen=True)
class Partition:
    """A partition and the nodes it has."""

    name: str
    state: str  # up, down, drain, inact
    max_time_min: int | None  # None: without limit
    nodes: int
    cpus: int  # of its largest node
    mem_gb: float  # of its largest node
    features: tuple[str, ...]
    gres: tuple[str, ...]  # per node, one word for each kind of node: gpu:4, gpu:a100:2


@dataclass(frozen=True)
class Configuration:
    """What a cluster's administrators have set, as far as it decides how a job lives and ends."""

    cluster: str
    version: str
    preempt_type: str  # none, partition_prio, qos
    preempt_mode: str  # REQUEUE, CANCEL, SUSPEND, OFF: where neither partition nor QOS says another
    exempt_s: float  # a job is not pre-empted before it has run so long
    user_signal: bool  # a pre-empted job gets the signal at once that it asked for near its time limit
    kill_wait_s: float  # from SIGTERM to SIGKILL
    requeues: bool  # a job that does not say whether it may be started again may
    accounts: bool  # sacct remembers jobs
    forgets_after_s: float  # how long squeue shows a job that has ended
    max_array: int  # jobs of one array


@dataclass(frozen=True)
class Preemption:
    """Which jobs push others aside, and what becomes of those."""

    by: tuple[str, ...]  # partitions, or QOS, whose jobs do so
    mode: str  # REQUEUE, CANCEL, SUSPEND
    grace_s: float  # from the first SIGTERM to the end


COLUMNS = {"JobArrayID": 40, "State": 20, "TimeLeft": 20, "StartTime": 24, "EndTime": 24, "RestartCnt": 8, "exit_code": 12,
           "NodeList": 80, "Reason": 200}  # fmt: skip
"""squeue's columns and their widths. The reason comes last: it alone may hold anything."""


def queue(others: Iterable[str] = ()) -> dict[str, Job]:
    """Return the present user's jobs, tasks of arrays one by one, with those that ended a moment ago.

    Args:
        others: names of users whose jobs are wanted, too; names that this machine does not know are left out.

    Raises:
        SlurmSilent: squeue does not answer.
    """
    # Without -t all a site without accounting would never tell how a job ended.
    wanted = ",".join(f"{name}:{width}" for name, width in COLUMNS.items())
    users = ",".join(dict.fromkeys([str(os.getuid()), *(name for name in others if _is_user(name))]))
    said = _answer(["squeue", "-h", "-r", "-t", "all", "-u", users, "-O", wanted])
    return {job.id: job for job in _rows_of_queue(said)}


def _rows_of_queue(text: str) -> Iterator[Job]:
    for line in text.splitlines():
        values, start = [], 0
        for width in COLUMNS.values():
            values.append(line[start : start + width].strip())
            start += width
        id, state, left, starts, ends, restarts, exit_code, node, reason = values
        if not id:
            continue
        state = _state(state)
        yield Job(
            id=id,
            state=state,
            reason=_known(reason) if state not in ("RUNNING", "COMPLETING") else None,
            node=_known(node),
            left_s=seconds(left) if state in ("RUNNING", "SUSPENDED") else None,
            restarts=int(restarts) if restarts.isdigit() else None,
            exit_code=_of_wait(exit_code) if state not in ALIVE else None,
            starts_at=_moment(starts) if state == "PENDING" else None,
            ended_at=_moment(ends) if state not in ALIVE else None,
        )


def _of_wait(text: str) -> str | None:
    """Return what squeue calls an exit code, the status of wait(2), as sacct writes it: 768 is 3:0, 9 is 0:9."""
    if ":" in text or not text.isdigit():
        return text or None
    status = int(text)
    return f"0:{status & 0x7F}" if status & 0x7F else f"{_of_shell(status >> 8)}:0"


def _of_shell(code: int) -> int:
    return code - 128 if code > 128 else code  # sacct writes 128 + signal so, too


def accounts(ids: Iterable[str], since: str) -> dict[str, Job]:
    """Return what accounting knows of jobs, the latest record of each.

    Args:
        ids: 123, 123_4; more may be returned (other tasks of the same arrays).
        since: when the oldest of them was submitted, UTC as `utc_now` writes it: numbers come back after years.

    Raises:
        SlurmSilent: sacct does not answer, or the site keeps no accounts.
    """
    masters = sorted({id.partition("_")[0] for id in ids})
    if not masters:
        return {}
    # An hour of grace: the clocks of a login node and of the accounting host need not agree.
    start = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ") - timedelta(hours=1)
    said = _answer(
        ["sacct", "-a", "-X", "-P", "-n", "--delimiter=|", "--format=JobID,State,ExitCode,Submit,End,NodeList",
         "-S", start.strftime("%Y-%m-%dT%H:%M:%S"), "-j", ",".join(masters)]
    )  # fmt: skip
    if "accounting storage is disabled" in said:
        raise SlurmSilent(f"sacct: {_words(said)}")
    found: dict[str, tuple[str, Job]] = {}
    for line in said.splitlines():
        if line.count("|") != 5:
            continue
        id, state, exit_code, submitted, ended, node = line.split("|")
        by = re.search(r"\bby (\S+)", state)
        for one in _expanded(id):
            if one not in found or found[one][0] <= submitted:
                job = Job(
                    id=one,
                    state=_state(state),
                    node=_known(node),
                    exit_code=_known(exit_code),
                    by=_user(by[1]) if by else None,
                    ended_at=_moment(ended),
                )
                found[one] = (submitted, job)
    return {id: job for id, (_, job) in found.items()}


def cancel(ids: Sequence[str]) -> str | None:
    """End jobs; one that has ended already is no fault. Return what scancel refused, in its own words, or None.

    Raises:
        SlurmSilent: scancel does not answer.
    """
    refused = []
    for start in range(0, len(ids), 500):  # a command line has an end
        code, said = _run(["scancel", *ids[start : start + 500]])
        if silent := _silence("scancel", said):
            raise SlurmSilent(silent)
        if code and not re.search(r"already completing or completed|Invalid job id", said):
            refused.append(_words(said))
    return "; ".join(refused) or None


def requeue(job: str) -> str | None:
    """Put a job that runs back into the queue. Return scontrol's words if it is refused, or None.

    Raises:
        SlurmSilent: scontrol does not answer.
    """
    code, said = _run(["scontrol", "requeue", job])
    if silent := _silence("scontrol", said):
        raise SlurmSilent(silent)
    return (_words(said) or f"scontrol requeue {job}: exit code {code}") if code else None


def partitions() -> dict[str, Partition]:
    """Return the partitions that the present user sees.

    Raises:
        SlurmSilent: sinfo does not answer.
    """
    said = _answer(["sinfo", "-h", "-e", "-o", "%R|%a|%l|%D|%c|%m|%G|%f"])
    kinds: dict[str, list[list[str]]] = {}
    for line in said.splitlines():
        name, *values = (value.strip() for value in line.split("|", 7))
        if len(values) == 7:
            kinds.setdefault(name, []).append(values)
    return {name: _partition(name, rows) for name, rows in kinds.items()}


def _partition(name: str, kinds: Sequence[Sequence[str]]) -> Partition:
    limit = seconds(kinds[0][1])
    gres = {re.sub(r"\(.*?\)", "", word) for kind in kinds for word in kind[5].split(",") if _known(word)}
    features = {word for kind in kinds for word in re.split(r"[,|]", kind[6]) if _known(word)}
    return Partition(
        name=name,
        state=kinds[0][0],
        max_time_min=None if limit is None else int(limit // 60),
        nodes=sum(_number(kind[2]) for kind in kinds),
        cpus=max(_number(kind[3]) for kind in kinds),
        mem_gb=round(max(_number(kind[4]) for kind in kinds) / 1024, 1),
        features=tuple(sorted(features)),
        gres=tuple(sorted(gres)),
    )


def configuration() -> Configuration:
    """Return how the cluster is set up.

    Raises:
        SlurmSilent: the controller does not answer.
    """
    said = _answer(["scontrol", "show", "config"])
    values = dict(re.findall(r"^(\S+)[ \t]*=[ \t]*(.*?)[ \t]*$", said, re.MULTILINE))

    def of(name: str) -> str:
        return _known(str(values.get(name, ""))) or ""

    signals = f"{of('SlurmctldParameters')},{of('PreemptParameters')}".lower()  # its place changed with 23.02
    return Configuration(
        cluster=of("ClusterName"),
        version=of("SLURM_VERSION"),
        preempt_type=of("PreemptType").rpartition("/")[2] or "none",
        preempt_mode=_kind(of("PreemptMode")),
        exempt_s=seconds(of("PreemptExemptTime")) or 0.0,
        user_signal="send_user_signal" in signals,
        kill_wait_s=float(_number(of("KillWait"))),
        requeues=of("JobRequeue") != "0",
        accounts=of("AccountingStorageType").rpartition("/")[2] not in ("", "none"),
        forgets_after_s=float(_number(of("MinJobAge"))),
        max_array=_number(of("MaxArraySize")),
    )


def partition_preemption(nodes: Mapping[str, Mapping[str, str]]) -> dict[str, Preemption]:
    """Return the partitions whose jobs may be pre-empted by those of other partitions, where Slurm goes by partitions.

    Args:
        nodes: of each partition, as `node_states` returns them: only jobs on the same nodes meet.

    Raises:
        SlurmSilent: the controller does not answer.
    """
    rows = [
        dict(word.split("=", 1) for word in line.split() if "=" in word)
        for line in _answer(["scontrol", "-o", "show", "partition"]).splitlines()
    ]
    known = {row["PartitionName"]: row for row in rows if "PartitionName" in row}
    found = {}
    for name, row in known.items():
        mode = row.get("PreemptMode", "OFF").upper()
        by = [
            other
            for other, rival in known.items()
            if _number(rival.get("PriorityTier", "")) > _number(row.get("PriorityTier", ""))
            and nodes.get(other, {}).keys() & nodes.get(name, {}).keys()
        ]
        if by and mode != "OFF":
            found[name] = Preemption(tuple(by), _kind(mode), float(_number(row.get("GraceTime", ""))))
    return found


def qos_preemption(default_mode: str) -> dict[str, Preemption]:
    """Return the QOS whose jobs may be pre-empted by those of other QOS, where Slurm goes by QOS.

    Args:
        default_mode: what becomes of a job whose QOS does not say it.

    Raises:
        SlurmSilent: sacctmgr does not answer.
    """
    said = _answer(["sacctmgr", "-n", "-P", "show", "qos", "format=name,preempt,preemptmode,gracetime"])
    rows = [line.split("|") for line in said.splitlines() if line.count("|") == 3]
    by: dict[str, list[str]] = {}
    for name, victims, _, _ in rows:
        for victim in filter(None, victims.split(",")):
            by.setdefault(victim, []).append(name)
    return {
        name: Preemption(
            tuple(by[name]),
            _kind(default_mode if mode.lower() in ("", "cluster") else mode.upper()),
            seconds(grace) or 0.0,
        )
        for name, _, mode, grace in rows
        if name in by
    }


def _kind(mode: str) -> str:
    """Return the one of several words of a PreemptMode that says what becomes of a job: GANG,SUSPEND suspends it."""
    return next((word for word in ("SUSPEND", "REQUEUE", "CANCEL") if word in mode.upper()), mode)


def node_states() -> dict[str, dict[str, str]]:
    """Return the nodes of each partition with their states: idle, mixed, allocated, down, drained, ...

    Raises:
        SlurmSilent: sinfo does not answer.
    """
    found: dict[str, dict[str, str]] = {}
    for line in _answer(["sinfo", "-h", "-N", "-o", "%N|%R|%T"]).splitlines():
        if line.count("|") == 2:
            node, partition, state = line.split("|")
            found.setdefault(partition.strip(), {})[node.strip()] = state.strip()
    return found


def test(script: str) -> str | None:
    """Ask sbatch whether it would take a job script. Return None if so, else its own words.

    Raises:
        SlurmSilent: there is no sbatch here, or it does not answer.
    """
    code, said = _run(["sbatch", "--test-only"], stdin=script)
    return (_words(said) or f"exit code {code}") if code else None


Settings = Mapping[str, Any]


def meaning(words: str, settings: Settings) -> str:
    """Return sbatch's refusal in plain words: its own, the key with the value as typed, what to change.

    Args:
        words: what `test`, or sbatch, said.
        settings: the keys of the `slurm` group.
    """
    said = _words(words)
    for pattern, explain in REFUSALS:
        if found := re.search(pattern, said, re.IGNORECASE):
            return f"sbatch: {said}: {explain(settings, found)}"
    return f"sbatch: {said}: change what it names, with slurm.KEY=VALUE (other options: slurm.extra.OPTION=VALUE)"


def _typed(settings: Settings, *keys: str) -> str:
    """Return keys with their values as they are typed; those that are set, or the first."""
    values = {key: settings.get(key) for key in keys}
    return " ".join(f"slurm.{key}={value}" for key, value in values.items() if value is not None) or f"slurm.{keys[0]}"


def _partition_here(settings: Settings) -> Partition | None:
    try:
        return partitions().get(str(settings.get("partition")))
    except SlurmSilent:
        return None


def _no_partition(settings: Settings, found: re.Match[str]) -> str:
    try:
        known = f": choose one of {', '.join(sorted(partitions()))}"
    except SlurmSilent:
        known = ": `sinfo -o %P` lists them"
    if settings.get("partition") is None:
        return f"slurm.partition is not set, and this cluster has no default{known}"
    return f"{_typed(settings, 'partition')} is no partition of this cluster{known}"


def _too_long(settings: Settings, found: re.Match[str]) -> str:
    here = _partition_here(settings)
    limit = f"at most slurm.time_min={here.max_time_min}" if here and here.max_time_min else "less"
    return f"{_typed(settings, 'time_min')} is more than {_typed(settings, 'partition', 'qos')} allows: choose {limit}"


def _no_such_node(settings: Settings, found: re.Match[str]) -> str:
    typed = _typed(settings, "gres", "constraint", "cpus_per_task", "mem_gb", "nodelist", "exclude")
    packed = settings.get("runs_per_gpu") or 1
    several = f" (CPUs and memory are of one run, and slurm.runs_per_gpu={packed} share a job)" if packed > 1 else ""
    return f"no node has {typed}{several}: {_what_there_is(settings)}"


def _what_there_is(settings: Settings) -> str:
    here = _partition_here(settings)
    if here is None:
        return "`sinfo -e -o '%P %c %m %G %f'` says what nodes have"
    return (
        f"the largest node of slurm.partition={here.name} has {here.cpus} CPUs and {here.mem_gb:g} GB, "
        f"gres {', '.join(here.gres) or 'none'}, features {', '.join(here.features) or 'none'}"
    )


OPTIONS = {"time": "time_min", "mem": "mem_gb"}
"""Options of sbatch that have another name, and unit, here."""


def _malformed(settings: Settings, found: re.Match[str]) -> str:
    key = OPTIONS.get(found[1], found[1].replace("-", "_"))
    if key not in settings or key == "extra":
        return f"slurm.extra.{found[1]}={(settings.get('extra') or {}).get(found[1])} is not as sbatch wants it (`man sbatch`)"
    return f"{_typed(settings, key)} is not as sbatch wants it (`man sbatch`, --{found[1]})"


def _names(*keys: str, then: str) -> Callable[[Settings, re.Match[str]], str]:
    return lambda settings, found: f"{_typed(settings, *keys)}: {then}"


REFUSALS: tuple[tuple[str, Callable[[Settings, re.Match[str]], str]], ...] = (
    (r"unrecognized option:? '?-*([\w-]+)",
     lambda settings, found: f"slurm.extra.{found[1]}: sbatch has no such option here; `sbatch --help` lists them"),
    (r"invalid --([\w-]+) specification", _malformed),
    (r"MaxSubmit|MaxJobCount",
     lambda settings, found: "so many jobs may not wait at once: wait until some have ended and run the same command "
     "again, give fewer points, or put several runs in one job with slurm.runs_per_gpu"),
    (r"MaxWall", _too_long),
    (r"accounting/QOS policy|\b(?:QOS|Assoc)\w*(?:Max|Min|Grp|Limit)",
     _names("qos", "account", "time_min", "gres", "mem_gb", "cpus_per_task", then="more than your account or QOS may "
            "have: ask for less, wait for jobs to end, or choose another slurm.qos or slurm.account")),
    (r"group not permitted|required partition not available|user not in",
     _names("partition", then="it is closed to you, or down: choose another (`sinfo -o '%P %a %l'`)")),
    (r"account/partition|invalid account|accounts? .*not (?:permitted|allowed)",
     _names("account", "partition", then="this account does not exist, or may not use this partition: "
            "`sacctmgr show assoc user=$USER format=account,partition,qos` lists yours")),
    (r"invalid partition|no partition specified", _no_partition),
    (r"invalid qos|qos .*not (?:permitted|allowed)|QOS.*usage threshold",
     _names("qos", then="not a QOS of yours, or not in this partition: "
            "`sacctmgr show assoc user=$USER format=account,partition,qos` lists yours")),
    (r"time limit", _too_long),
    (r"invalid feature|feature specification",
     lambda settings, found: f"{_typed(settings, 'constraint')}: no node has it; {_what_there_is(settings)}"),
    (r"generic resource|\bgres\b",
     lambda settings, found: f"{_typed(settings, 'gres')}: not a resource of this cluster; {_what_there_is(settings)}"),
    (r"node configuration|can ?not be satisfied|partition configuration|more processors requested|memory required by task",
     _no_such_node),
    (r"node name|nodes? not in this partition|required node not available|node list",
     _names("nodelist", "exclude", then="`sinfo -N -o '%N %P %T'` lists the nodes and their partitions")),
    (r"array", _names("array_parallelism", then="the sweep has more points than this cluster takes in one array "
                      "(`scontrol show config | grep MaxArraySize`): give fewer points")),
    (r"reservation", _names("extra", then="`scontrol show reservation` lists those there are")),
    (r"wckey", _names("extra", then="this cluster wants another one: slurm.extra.wckey=NAME")),
    (r"unable to contact|socket timed out|zero bytes|connection refused|configuration source|rate limit|backup controller",
     lambda settings, found: "Slurm does not answer: wait some minutes and run the same command again"),
)  # fmt: skip
"""What sbatch says -> how it is explained; the first that is found. Texts: src/common/slurm_errno.c of Slurm."""


def _answer(argv: Sequence[str]) -> str:
    """Return what a program prints, without its errors unless it prints nothing else.

    Raises:
        SlurmSilent: it fails.
    """
    code, said = _run(argv, errors_apart=True)
    if code:
        raise SlurmSilent(f"{argv[0]}: {_last(said) or f'exit code {code}'}")
    return said


def _run(argv: Sequence[str], *, stdin: str | None = None, errors_apart: bool = False) -> tuple[int, str]:
    """Return exit code and words of a program of Slurm; with `errors_apart` its errors only where it failed or says nothing.

    Raises:
        SlurmSilent: it is missing, or takes too long.
    """
    # Everyone's own SQUEUE_FORMAT, SACCT_FORMAT and the like would change what is read here.
    own = ("SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_", "SCONTROL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    environment |= {"LC_ALL": "C.UTF-8", "TZ": "UTC", "SLURM_TIME_FORMAT": "standard", "SLURM_BITSTR_LEN": "0"}
    try:
        done = subprocess.run(
            argv, input=stdin or "", capture_output=True, text=True, errors="replace", env=environment, timeout=TIMEOUT_S
        )  # fmt: skip
    except FileNotFoundError:
        raise SlurmSilent(f"{argv[0]}: there is no such program here") from None
    except OSError as error:
        raise SlurmSilent(f"{argv[0]}: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise SlurmSilent(f"{argv[0]}: no answer within {TIMEOUT_S:g} s") from None
    if errors_apart and done.returncode == 0 and done.stdout:
        return 0, done.stdout
    return done.returncode, "\n".join(text for text in (done.stdout, done.stderr) if text)


def _silence(program: str, said: str) -> str | None:
    """Return the words of a program whose controller does not answer, or None."""
    lost = re.search(
        r"unable to contact|socket timed out|zero bytes|connection refused|configuration source", said, re.IGNORECASE
    )
    return f"{program}: {_last(said)}" if lost else None


def _last(said: str) -> str:
    """Return the last thing that a program says: what comes before tells of its tries."""
    return _words(said).rpartition("; ")[2]


def _words(said: str) -> str:
    """Return the words of a program without what each line begins with."""
    lines = (re.sub(r"^(?:(?:\w+: )?(?:error|fatal): |s\w+: )+", "", line.strip()) for line in said.splitlines())
    kept = [line for line in dict.fromkeys(lines) if line and not line.startswith('Try "')]
    return "; ".join(kept).rstrip(".")


def seconds(text: str) -> float | None:
    """Return a time as Slurm writes it (`1-02:03:04`, `02:03:04`, `03:04`), or None for `UNLIMITED` and its like."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text.strip())
    if found is None:
        return None
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)


def _state(text: str) -> str:
    return re.split(r"[ +]", text.strip().upper(), maxsplit=1)[0]


def _moment(text: str) -> str | None:
    return f"{text.strip()}Z" if re.match(r"\d{4}-", text) else None


def _known(text: str) -> str | None:
    return None if text.strip() in ("", "None", "(null)", "N/A", "None assigned", "Unknown") else text.strip()


def _number(text: str) -> int:
    found = re.match(r"\d+", text)
    return int(found[0]) if found else 0


def _is_user(name: str) -> bool:
    try:
        return pwd.getpwnam(name) is not None
    except KeyError:
        return False


def _user(name: str) -> str:
    try:
        return pwd.getpwuid(int(name)).pw_name
    except (ValueError, KeyError):
        return name


def _expanded(id: str) -> Iterator[str]:
    """Yield the tasks that an array's record stands for: `123_[4-6%2]` is 123_4, 123_5 and 123_6."""
    master, _, tasks = id.partition("_")
    if not tasks.startswith("["):
        yield id
        return
    for part in tasks.strip("[]").partition("%")[0].split(","):
        first, _, last = part.partition("-")
        last, _, step = last.partition(":")
        if first.isdigit():
            yield from (f"{master}_{task}" for task in range(int(first), int(last or first) + 1, int(step or 1)))
