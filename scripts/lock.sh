#!/bin/sh
# Resolves all members together and writes requirements.lock: exact versions with hashes, and no index, so that any
# mirror can serve it (docs/decisions/0003).
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo "$PWD/.cache/uv/bin/uv")
[ -x "$uv" ] || { echo "run 'make setup' first: it installs uv" >&2; exit 1; }
"$uv" lock --quiet ${UPGRADE:+--upgrade}
{
    echo "# Written by 'make lock' (UPGRADE=1 takes newer versions). Exact versions, checked by hash, from any index."
    "$uv" export --quiet --all-packages --all-groups --no-emit-workspace --no-header --no-annotate \
        --format requirements-txt
} >requirements.lock.new
mv requirements.lock.new requirements.lock
