# shellcheck shell=bash
# What start, stop and node share: where the cluster keeps its files, and how its processes are told from all others.

DIR=$(realpath -m "${HTR_EXP_CLUSTER_DIR:-${TMPDIR:-/tmp}/htr_exp-cluster}")
GPU_NODES=(gpu1 gpu2 gpu3)
NODES=("${GPU_NODES[@]}" cpu1)
LINKS=(slurm.conf gres.conf cgroup.conf slurmdbd.conf)
unset "${!SLURM_@}" "${!SLURMD_@}" # the caller may itself stand in a job, or name another cluster's slurm.conf

fail() { # WHAT [WHAT TO DO]
    printf 'error: %s\n' "$1" >&2
    [ $# = 1 ] || printf '  %s\n' "${@:2}" >&2
    exit 1
}

must_be_root() {
    [ "$(id -u)" = 0 ] || fail "the test cluster needs root, for munge and for Slurm's own files: run this as root, e.g. in a container"
}

# Every daemon of ours carries its state folder in its environment, which, unlike a pid file, never goes stale.
folder_of() { # PID
    case $(cat "/proc/$1/comm" 2>/dev/null) in
        slurmctld | slurmd | slurmdbd | mariadbd | munged) ;;
        *) return 0 ;;
    esac
    tr '\0' '\n' <"/proc/$1/environ" 2>/dev/null | sed -n 's/^HTR_EXP_CLUSTER_DIR=//p' | head -n 1
}

alive() { # PID: neither gone nor a zombie
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 1
    [ -n "$state" ] && [ "$state" != Z ]
}

pid_of() { # NAME: the process of our pid file, if it is alive and ours
    local pid
    pid=$(cat "$DIR/pid/$1.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && alive "$pid" && [ "$(folder_of "$pid")" = "$DIR" ] && echo "$pid"
}

running() { pid_of "$1" >/dev/null; }

end_process() { # PID [SECONDS]: asks, then kills
    local tick
    kill "$1" 2>/dev/null || return 0
    for ((tick = 0; tick < ${2:-10} * 20; tick++)); do
        alive "$1" || return 0
        sleep 0.05
    done
    kill -9 "$1" 2>/dev/null || true
}

end_daemon() { # NAME
    local pid
    if pid=$(pid_of "$1"); then end_process "$pid"; fi
    rm -f "$DIR/pid/$1.pid"
}

# A node is what has its namespace of names. Where the nodes share the machine's, what runs for a job there carries
# Slurm's SLURMD_NODENAME, and slurmd and its step daemons have the node's log open.
processes_of_node() { # NODE: the daemons first, since a step daemon that outlived its processes would report their end
    local files pid daemons=() jobs=()
    if [ -s "$DIR/pid/$1.names" ]; then
        files=$(find /proc/[0-9]*/ns/uts -lname "uts:?$(cat "$DIR/pid/$1.names")?" 2>/dev/null || true)
    else
        files=$(grep -lazsE "^SLURMD_NODENAME=$1\$" /proc/[0-9]*/environ || true
            find /proc/[0-9]*/fd -lname "$DIR/log/slurmd.$1.log" 2>/dev/null || true)
    fi
    for pid in $(cut -d/ -f3 <<<"$files" | sort -u); do
        alive "$pid" || continue
        case $(cat "/proc/$pid/comm" 2>/dev/null) in
            slurmd | slurmstepd) daemons+=("$pid") ;;
            *) jobs+=("$pid") ;;
        esac
    done
    echo "${daemons[@]}" "${jobs[@]}"
}

kill_node() { # NODE: as if somebody had pulled the plug
    local pids
    while read -ra pids < <(processes_of_node "$1") && [ "${#pids[@]}" -gt 0 ]; do
        kill -9 "${pids[@]}" 2>/dev/null || true
    done
    rm -f "$DIR/pid/slurmd.$1.pid" "$DIR/pid/$1.names"
}

# Starts a daemon on a host of its own name: a namespace of names and a hosts file that only it sees, so that jobs on
# two nodes see two host names, as on a real cluster, and so that all of them listen on loopback only. Where namespaces
# are not allowed, the nodes share the machine's name.
on_host() { # NAME COMMAND...
    local name=$1 namespace=()
    shift
    # shellcheck disable=SC2016 # expands inside
    [ -e "$DIR/etc/shared-name" ] || namespace=(unshare --uts --mount --propagation slave
        sh -c 'hostname "$1" && mount --bind "$2/etc/hosts" /etc/hosts &&
            readlink /proc/self/ns/uts | tr -dc 0-9 >"$2/pid/$1.names" && shift 2 && exec "$@"' sh "$name" "$DIR")
    (
        for fd in /proc/self/fd/*; do # a daemon must not keep its caller's pipes open
            fd=${fd##*/}
            [ "$fd" -le 2 ] || eval "exec $fd>&-" 2>/dev/null || true
        done
        cd /
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
            HTR_EXP_CLUSTER_DIR="$DIR" \
            "${namespace[@]}" "$@" </dev/null >>"$DIR/log/daemons.log" 2>&1
    )
}

start_node() { # NODE
    mkdir -p "$DIR/spool/$1"
    on_host "$1" slurmd -N "$1" ||
        fail "slurmd of $1 did not start: see $DIR/log/daemons.log and $DIR/log/slurmd.$1.log"
}
