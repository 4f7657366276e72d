#!/bin/sh
# Runs the tests that need no Kafka, MongoDB or processes on every supported Python of this machine but that of .venv, each in an
# environment of its own below .cache/pythons: `make pythons`. Arguments go to pytest. Fails when a test fails on one of them.
set -eu
cd "$(dirname "$0")/.."
here=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
failed=""
for version in $(scripts/find_python.sh --supported); do
    [ "$version" != "$here" ] || continue
    if ! python=$(scripts/find_python.sh "$version" 2>/dev/null); then
        echo "Python $version is not on this machine"
        continue
    fi
    PYTHON=$python scripts/bootstrap.sh ".cache/pythons/$version"
    echo "the tests on Python $version"
    ".cache/pythons/$version/bin/python" -m pytest --quiet -m "not integration and not e2e" "$@" || failed="$failed $version"
done
[ -z "$failed" ] || { echo "tests failed on Python$failed" >&2; exit 1; }
