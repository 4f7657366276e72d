#!/bin/sh
# Makes .venv, or the folder that is its argument, from requirements.lock, with uv, which is itself installed from pip into
# .cache/uv. Runs again only when the lock or a member's pyproject.toml changes. Needs a supported Python and nothing else.
#
# PYTHON says which one: 3.13, or a path (find_python.sh). A .venv of another version is then made anew. Without PYTHON a .venv
# keeps its version, unless its Python no longer runs, as after an upgrade of the system.
set -eu
cd "$(dirname "$0")/.."
venv=${1:-.venv}

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
            apt_install "python$(version_of "$python")-venv" >&2
            "$python" -m venv .cache/uv
        fi
        echo "set-up: installing uv from pip" >&2
        .cache/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9' >&2
    fi
    echo "$PWD/.cache/uv/bin/uv"
}

version_of() { # version_of PYTHON: 3.13; empty where it does not run
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

stamp=$venv/.synced
python=$venv/bin/python
made=$(version_of "$python")
[ -d "$venv/lib/python$made" ] || made="" # packages of another version: the system's Python was replaced
if [ -z "$made" ] || [ -n "${PYTHON:-}" ]; then
    python=$(scripts/find_python.sh "${PYTHON:-}")
    [ "$(version_of "$python")" = "$made" ] || made=""
fi
wanted=$(cat requirements.lock pyproject.toml ./*/*/pyproject.toml scripts/bootstrap.sh | sha256sum)
if [ -n "$made" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

started=$(date +%s)
uv=$(make_uv)
if [ -z "$made" ]; then
    rm -rf "$venv"
    "$uv" venv --quiet --python "$python" "$venv"
fi
echo "set-up: installing the locked packages into $venv ($("$venv/bin/python" --version))"
VIRTUAL_ENV=$(cd "$venv" && pwd)
export VIRTUAL_ENV
"$uv" pip sync --quiet --require-hashes requirements.lock
members=$(for file in */*/pyproject.toml; do printf -- ' -e %s' "$(dirname "$file")"; done)
# shellcheck disable=SC2086  # one word per member is what is wanted
"$uv" pip install --quiet --no-deps $members
echo "$wanted" >"$stamp"
echo "set-up: done in $(($(date +%s) - started)) s"
