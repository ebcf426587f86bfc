# shellcheck shell=bash disable=SC2034 # used where this is read
# What the scripts that build images and environments share. They keep what they made in the cache, and make it aside
# first, in a folder that goes when they end, however they end: what has its name is whole.

CACHE=$(realpath -m "${HTR_EXP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/htr_exp}")
BEGAN=$SECONDS

say() { printf '[%4d s] %s\n' $((SECONDS - BEGAN)) "$*" >&2; }
fail() { # WHAT [WHAT TO DO...]
    printf 'error: %s\n' "$1" >&2
    [ $# = 1 ] || printf '  %s\n' "${@:2}" >&2
    exit 1
}
cannot() { # WHY [WHAT TO DO...]: this machine is not one where it can be done
    printf 'cannot: %s\n' "$1" >&2
    [ $# = 1 ] || printf '  %s\n' "${@:2}" >&2
    exit 3
}

system() { # NAME: what /etc/os-release has under it
    sed -n "s/^$1=\"\\{0,1\\}\\([^\"]*\\)\"\\{0,1\\}\$/\\1/p" /etc/os-release 2>/dev/null || true
}

key_of() { # FILE...: changes with what is in them
    sha256sum "$@" | cut -d' ' -f1 | sha256sum | cut -c1-16
}

ASIDE=
set_aside() { # FOLDER: ASIDE is a new folder within it, for what is half-made; one script at a time works in FOLDER
    mkdir -p "$1"
    exec 8>"$1/.lock"
    flock -n 8 || { say "waiting for another build in $1" && flock 8; }
    rm -rf "$1"/.aside.* # of one that was killed: whoever holds the lock is the only one
    ASIDE=$(mktemp -d "$1/.aside.XXXXXX")
    trap 'rm -rf "$ASIDE"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

need_space() { # FOLDER GIGABYTES FOR
    local there=$1 free
    while [ ! -d "$there" ]; do there=$(dirname "$there"); done
    free=$(($(df --output=avail -k "$there" | tail -n 1) / 1000000))
    [ "$free" -ge "$2" ] ||
        fail "$3 needs $2 GB in $1, where $free GB are free" "make room there, or choose another folder with HTR_EXP_CACHE=FOLDER"
    say "$3: needs $2 GB in $1, $free GB are free"
}

logged() { # FILE COMMAND...: what it says goes to FILE, and is shown if it fails
    local log=$1 code=0
    shift
    "$@" >"$log" 2>&1 8>&- || code=$?
    [ $code = 0 ] || { tail -n 15 "$log" | sed 's/^/  | /' >&2 && return $code; }
}

mirror() { # where Debian's packages come from: as this machine has it
    local uri=${HTR_EXP_MIRROR:-}
    if [ -z "$uri" ] && [ "$(system ID)" = debian ]; then
        uri=$(apt-get indextargets --format "\$(RELEASE) \$(COMPONENT) \$(REPO_URI)" 'Created-By: Packages' 2>/dev/null |
            awk -v suite="$(system VERSION_CODENAME)" '$2 == "main" && ($1 == suite || $1 == "stable") { print $3; exit }')
    fi
    [ -n "$uri" ] || fail "this machine's apt sources name no Debian mirror" \
        "name one: HTR_EXP_MIRROR=<address of a Debian mirror>, from the list at www.debian.org/mirror/list"
    echo "${uri%/}"
}

apt_of() { # SUITE FOLDER COMMAND...: apt-get on another suite, all of whose state lies in FOLDER: the machine's apt never sees it
    local suite=$1 state=$2
    shift 2
    mkdir -p "$state"/{lists/partial,cache/archives/partial}
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $suite main" >"$state/sources.list"
    # A mirror that lags behind serves as well: what it has is signed all the same.
    apt-get -qq -o Acquire::Check-Valid-Until=false -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$state/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$state/cache" -o APT::Sandbox::User=root "$@"
}

needs_packages() { # PROGRAM=PACKAGE...: Debian's packages of the programs that are missing here
    local pair missing=()
    for pair in "$@"; do
        PATH=$PATH:/usr/sbin command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
}

install_packages() { # PACKAGE...
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        cannot "missing here: $*" "install them, as root: apt-get install $*"
    fi
    say "installing $*"
    local log
    log=$(mktemp)
    # shellcheck disable=SC2016 # expands inside
    DEBIAN_FRONTEND=noninteractive logged "$log" flock /var/lib/apt \
        sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' sh "$@" ||
        fail "apt-get could not install $*" "all it said: $log"
    rm -f "$log"
}

new_root() { # SUITE FOLDER [PACKAGE,...]: the smallest Debian there is
    needs_packages debootstrap=debootstrap
    say "debootstrap $1"
    local link code=0 # debootstrap cannot stand a space in the path
    link=$(mktemp -d)
    mkdir -p "$2"
    ln -s "$2" "$link/root"
    PATH=$PATH:/usr/sbin logged "$ASIDE/debootstrap.log" \
        debootstrap --variant=minbase --force-check-gpg --include="ca-certificates${3:+,$3}" "$1" "$link/root" "$(mirror)" || code=$?
    rm -r "$link"
    [ $code = 0 ] || fail "debootstrap could not make a Debian $1"
    # What debootstrap took over from this machine.
    : >"$2/etc/resolv.conf"
    echo localhost >"$2/etc/hostname"
    echo '127.0.0.1 localhost' >"$2/etc/hosts"
}

# A quarter of the default's time, for a file that is 5 % larger.
SQUASH=(--mksquashfs-args "-Xcompression-level 3")

pack() { # FOLDER DEFINITION SIF: FOLDER with all sections of DEFINITION from %environment on
    local work
    work=$(mktemp -d "$ASIDE/pack.XXXXXX")
    { # a path in it may hold no space: the folder is found through a link beside it
        printf 'Bootstrap: localimage\nFrom: root\n\n'
        [ ! -e "$1/opt/kraken/labels" ] || { echo %labels && sed 's/^/    /' "$1/opt/kraken/labels" && echo; }
        sed -n '/^%environment/,$p' "$2"
    } >"$work/image.def"
    ln -s "$1" "$work/root"
    rm -rf "${1:?}"/dev/* # device files cannot be copied everywhere, and a container has its own
    say "packing"
    # Tested afterwards, as a file: what a build tests is the folder.
    (cd "$work" && APPTAINER_TMPDIR=$work logged "$ASIDE/pack.log" apptainer build --notest "${SQUASH[@]}" image.sif image.def) ||
        fail "apptainer could not pack $1"
    say "testing"
    logged "$ASIDE/test.log" apptainer test --cleanenv --no-home "$work/image.sif" || fail "the image does not pass its own test"
    mkdir -p "$(dirname "$3")"
    mv "$work/image.sif" "$3"
}
