#!/bin/sh
# Makes .venv from requirements.lock, with uv, which is itself installed from pip into .cache/uv.
# Runs again only when the lock or a member's pyproject.toml changes. Needs Python >= 3.11 and nothing else.
set -eu
cd "$(dirname "$0")/.."

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "no Python 3.11 or newer was found; install one or set PYTHON=/path/to/python" >&2
    exit 1
}

apt_install() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "set-up: installing $* with apt"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
    else
        echo "Please install: $*   (Debian/Ubuntu: sudo apt-get install $*)" >&2
        exit 1
    fi
}

make_uv() {
    command -v uv >/dev/null && [ -z "${OWN_UV:-}" ] && { command -v uv; return; }
    if [ ! -x .cache/uv/bin/uv ]; then
        mkdir -p .cache
        rm -rf .cache/uv
        if ! "$python" -m venv .cache/uv >/dev/null 2>&1; then
            rm -rf .cache/uv
            apt_install python3-venv >&2
            "$python" -m venv .cache/uv
        fi
        echo "set-up: installing uv from pip" >&2
        .cache/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9' >&2
    fi
    echo "$PWD/.cache/uv/bin/uv"
}

python=$(find_python)
stamp=.venv/.synced
wanted=$(cat requirements.lock pyproject.toml ./*/*/pyproject.toml scripts/bootstrap.sh | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

started=$(date +%s)
uv=$(make_uv)
[ -x .venv/bin/python ] || "$uv" venv --quiet --python "$python" .venv
echo "set-up: installing the locked packages into .venv"
export VIRTUAL_ENV="$PWD/.venv"
"$uv" pip sync --quiet --require-hashes requirements.lock
members=$(for file in */*/pyproject.toml; do printf -- ' -e %s' "$(dirname "$file")"; done)
# shellcheck disable=SC2086  # one word per member is what is wanted
"$uv" pip install --quiet --no-deps $members
echo "$wanted" >"$stamp"
echo "set-up: done in $(($(date +%s) - started)) s"
