#!/bin/sh
# Prints the Python to use, as a path.
#
#   find_python.sh                   python3 if its version is supported, else the newest supported one of this machine
#   find_python.sh 3.13              this version
#   find_python.sh /path/to/python   this one
#   find_python.sh --supported       no path, but the supported versions: the classifiers in pyproject.toml
set -eu
cd "$(dirname "$0")/.."
asked=${1:-}
supported=$(sed -n 's/.*"Programming Language :: Python :: \(3\.[0-9]*\)".*/\1/p' pyproject.toml | tr '\n' ' ')
listed=$(echo "${supported% }" | sed 's/ /, /g') # 3.11, 3.12

version_of() { # version_of PYTHON: 3.13; empty where it does not run, as pyenv's shim of a version that is not selected
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}
is_supported() {
    case " $supported" in *" ${1:-none} "*) ;; *) return 1 ;; esac
}
of_version() { # of_version 3.13: the Python of this version: on the PATH, or one that pyenv has
    for candidate in "python$1" python3 "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python3; do
        if [ "$(version_of "$candidate")" = "$1" ]; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}
fail() {
    echo "$*" >&2
    exit 1
}

case "$asked" in
--supported) echo "$supported" ;;
"")
    if is_supported "$(version_of python3)"; then command -v python3 && exit; fi
    for version in $(echo "$supported" | tr ' ' '\n' | sort -t. -k2 -nr); do
        of_version "$version" && exit
    done
    fail "no supported Python was found: install one of $listed, or set PYTHON=/path/to/python"
    ;;
[0-9]*)
    is_supported "$asked" || fail "Python $asked is not supported: PYTHON is one of $listed, or a path"
    of_version "$asked" ||
        fail "Python $asked was not found: install it (Debian/Ubuntu: python$asked python$asked-venv), or set PYTHON=/path/to/python"
    ;;
*)
    version=$(version_of "$asked")
    [ -n "$version" ] || fail "PYTHON=$asked does not run"
    is_supported "$version" || fail "PYTHON=$asked is Python $version, which is not supported: it is one of $listed"
    command -v "$asked"
    ;;
esac
