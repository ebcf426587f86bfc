#!/bin/sh
# Makes a fresh Debian into kraken's image: run in it as root, by %post of an image's definition or by `build` through
# chroot. Beside it lie kraken.lock, the versions of all packages with their digests, and uv.txt, the installer's own.
# Behind a proxy that signs for others, the certificates to trust meanwhile are bound to /mnt, as certificates.pem.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root
unset PYTHONDONTWRITEBYTECODE # compiled once, here: the image cannot be written to later
TMPDIR=$(mktemp -d /var/tmp/install.XXXXXX)
export TMPDIR
if [ -e /mnt/certificates.pem ]; then export SSL_CERT_FILE=/mnt/certificates.pem PIP_CERT=/mnt/certificates.pem; fi

apt-get update -qq
# Wheels bring their libraries but these; python3-venv only serves this script.
apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates libstdc++6 zlib1g libuuid1 >/dev/null

echo "installing the packages of kraken.lock"
python3 -m venv "$TMPDIR/uv"
"$TMPDIR/uv/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir --require-hashes -r "$HERE/uv.txt"
uv() { "$TMPDIR/uv/bin/uv" --no-config "$@"; }
UV_CACHE_DIR=${UV_CACHE_DIR:-$TMPDIR/cache} UV_LINK_MODE=copy
export UV_CACHE_DIR UV_LINK_MODE
uv venv -q --no-python-downloads --python /usr/bin/python3 /opt/kraken
# No package is built here: that would take a compiler, and give other bytes on each machine.
uv pip install -q --python /opt/kraken/bin/python --compile-bytecode --require-hashes --no-build -r "$HERE/kraken.lock"
ln -s /opt/kraken/bin/ketos /opt/kraken/bin/kraken /usr/local/bin/

# What `apptainer inspect` shows.
{
    echo "kraken $(/opt/kraken/bin/python -c 'from importlib.metadata import version; print(version("kraken"))')"
    echo "suite $(. /etc/os-release && echo "$VERSION_CODENAME")"
    echo "lock $(sha256sum <"$HERE/kraken.lock" | cut -d' ' -f1)"
} >/opt/kraken/labels
[ -z "${APPTAINER_LABELS:-}" ] || cat /opt/kraken/labels >>"$APPTAINER_LABELS"

# Nothing of the machine that built it stays: neither caches nor addresses nor names.
apt-get purge -y -qq --auto-remove python3-venv >/dev/null
apt-get clean
rm -rf "$TMPDIR" /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/*.log /var/log/apt/* \
    /etc/apt/sources.list.d/*
echo "# Built from Debian $(. /etc/os-release && echo "$VERSION_CODENAME"), main; name a mirror here to install more." >/etc/apt/sources.list
