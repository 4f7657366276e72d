#!/bin/sh
# Resolves all members together and writes requirements.lock, and for each image deploy/locks/<module>.txt, the part of it that
# goes into that image, with the members that are installed beside it (<module>.members). Exact versions with hashes, and no
# index, so that any mirror can serve them (docs/decisions/0003).
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo "$PWD/.cache/uv/bin/uv")
[ -x "$uv" ] || { echo "run 'make setup' first: it installs uv" >&2; exit 1; }
images="ingress conversation sender accounts wa graph_emulator ai_responder demo"
written="# Written by 'make lock' (UPGRADE=1 takes newer versions). Exact versions, checked by hash, from any index."

# export_to FILE OPTION…: the third-party packages that the options choose
export_to() {
    file=$1
    shift
    {
        echo "$written"
        "$uv" export --quiet --no-emit-workspace --no-header --no-annotate --format requirements-txt "$@"
    } >"$file.new"
    mv "$file.new" "$file"
}

"$uv" lock --quiet ${UPGRADE:+--upgrade}
export_to requirements.lock --all-packages --all-groups
mkdir -p deploy/locks
for module in $images; do
    package=$(echo "$module" | tr _ -)
    export_to "deploy/locks/$module.txt" --package "$package" --no-dev
    "$uv" export --quiet --package "$package" --no-dev --no-header --no-annotate --no-hashes --format requirements-txt |
        sed -n 's/^-e //p' >"deploy/locks/$module.members"
done
# uv itself, which builds the images. Of the minor version that the members' build backend has: then it is built in.
echo 'uv>=0.13,<0.14' | "$uv" pip compile --quiet ${UPGRADE:+--upgrade} --generate-hashes --no-annotate --no-emit-index-url \
    --custom-compile-command "make lock" --output-file deploy/locks/uv.txt - >/dev/null
