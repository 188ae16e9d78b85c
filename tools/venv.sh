#!/bin/sh
# Makes the virtual environment that every `make` target uses, and installs peerkey into it, editable and
# with the tools of development. Any step may be repeated; nothing outside the given directory is changed.
#
#   tools/venv.sh DIRECTORY      the first suitable interpreter, or the one that PYTHON names
#
# pip is used as it is configured (PIP_INDEX_URL, PIP_NO_INDEX, PIP_FIND_LINKS, pip.conf, proxies), so a
# machine without a network needs no more than a directory of wheels:  PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR
set -eu

fail() {
    echo "peerkey: $1" >&2
    exit 1
}

is_suitable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if is_suitable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    if [ -n "${PYTHON:-}" ]; then
        fail "$PYTHON is not Python 3.11 or newer; name another with: make setup PYTHON=/path/to/python3"
    fi
    found=$(python3 --version 2>&1) || found="no python3"
    fail "Python 3.11 or newer is needed (found: $found); name one with: make setup PYTHON=/path/to/python3"
}

directory=$1
cd "$(dirname "$0")/.."

if ! is_suitable "$directory/bin/python" || ! "$directory/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        fail "$python has no venv module; install it (Debian and Ubuntu: apt install python3-venv) and try again"
    echo "peerkey: making $directory with $("$python" --version)"
    "$python" -m venv --clear "$directory" || fail "$python could not make $directory"
fi

echo "peerkey: installing what pyproject.toml names (once; this takes a minute)"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check --prefer-binary --editable '.[dev]' ||
    fail "pip could not install the packages; without a network: make setup PIP_NO_INDEX=1 PIP_FIND_LINKS=DIRECTORY"

# The TPM's library has no wheels. Where its headers are missing, its tests skip and say what to install.
if command -v pkg-config >/dev/null 2>&1 && pkg-config --exists 'tss2-esys >= 2.4'; then
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --prefer-binary --editable '.[tpm]' ||
        echo "peerkey: pip could not build tpm2-pytss (a C compiler and Python.h are needed); tests of the TPM skip"
fi

# Ray is large. Without it and the client of Redis, the tests of clusters skip and say what to install.
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check --prefer-binary --editable '.[cluster]' ||
    echo "peerkey: pip could not install ray and redis; tests of clusters skip"
