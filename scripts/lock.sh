#!/bin/sh
# Resolves all members together and writes requirements.lock, and for the images deploy/locks: the part of it that goes into
# each, one file for those that have the same, and images.txt, which says what an image is made of. Exact versions with hashes,
# and no index, so that any mirror can serve them (docs/decisions/0003).
#
#   make lock              keeps locked versions, adds new packages, drops unused ones
#   make lock UPGRADE=1    the newest versions that the ranges allow
set -eu
cd "$(dirname "$0")/.."
repository=$PWD
uv=$(command -v uv || echo "$PWD/.cache/uv/bin/uv")
[ -x "$uv" ] || { echo "run 'make setup' first: it installs uv" >&2; exit 1; }
written="# Written by 'make lock' (UPGRADE=1 takes newer versions). Exact versions, checked by hash, from any index."

# uv resolves copies of the members' pyproject.toml, because what is locked goes into the root's as constraints.
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cp --parents pyproject.toml ./*/*/pyproject.toml "$tree"
if [ -z "${UPGRADE:-}" ]; then
    sed -n 's/^\([a-z0-9._-]*==[^\\]*[^ \\]\) *\\$/    "\1",/p' requirements.lock >"$tree/locked"
    sed -i -e '/^package = false$/a constraint-dependencies = [' -e '/^package = false$/a ]' "$tree/pyproject.toml"
    sed -i "/^constraint-dependencies = \[\$/r $tree/locked" "$tree/pyproject.toml"
fi
cd "$tree"
"$uv" lock --quiet || { echo "the locked versions do not fit the ranges: run make lock UPGRADE=1" >&2; exit 1; }

# export_to FILE OPTION…: the third-party packages that the options choose
export_to() {
    file=$1
    shift
    {
        echo "$written"
        "$uv" export --quiet --no-emit-workspace --no-header --no-annotate --format requirements-txt "$@"
    } >"$file"
}
export_to requirements.lock --all-packages --all-groups
mkdir locks
echo "# Written by 'make lock': each image, its lock (that of the first image with the same), and its members." >locks/images.txt
for image in ingress conversation sender accounts wa graph_emulator ai_responder demo; do
    package=$(echo "$image" | tr _ -)
    export_to "$image.txt" --package "$package" --no-dev
    lock=$image.txt
    for other in locks/*.txt; do
        if cmp -s "$image.txt" "$other"; then lock=${other#locks/}; fi
    done
    [ -e "locks/$lock" ] || cp "$image.txt" "locks/$lock"
    members=$("$uv" export --quiet --package "$package" --no-dev --no-header --no-annotate --no-hashes --format requirements-txt |
        sed -n 's/^-e //p' | tr '\n' ' ')
    echo "$image $lock ${members% }" >>locks/images.txt
done
# uv itself, which builds the images. Of the minor version that the members' build backend has: then it is built in.
cp "$repository/deploy/locks/uv.txt" locks/uv.txt
echo 'uv>=0.13,<0.14' | "$uv" pip compile --quiet ${UPGRADE:+--upgrade} --generate-hashes --no-annotate --no-emit-index-url \
    --custom-compile-command "make lock" --output-file locks/uv.txt - >/dev/null

cd "$repository"
cp "$tree/requirements.lock" requirements.lock
rm -rf deploy/locks
cp -r "$tree/locks" deploy/locks
