#!/bin/sh
# Makes local images by the names that the Dockerfile and the compose file use, from package registries alone: for machines
# that no image registry is open to. They start as the real ones do (the same variables, paths, users and options); versions
# are those that packages have. Needs root, docker, debootstrap, go, npm's and Debian's packages. Grafana has no package.
set -eu
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
work="$root/.cache/stand-ins"
docker=${DOCKER:-docker}
export DOCKER_BUILDKIT=1
mkdir -p "$work"

image_of() { # image_of NAME: with the tag that the compose file has
    sed -n "s#^ *image: \($1:[^ ]*\)\$#\1#p" "$root/docker-compose.yml" | head -1
}
base() {
    tag=$(sed -n 's/^ARG PYTHON_IMAGE=//p' "$root/Dockerfile")
    "$docker" image inspect "$tag" >/dev/null 2>&1 && return
    echo "stand-in for $tag"
    rm -rf "$work/base"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/base" >"$work/base.log"
    # Whatever this machine trusts, packages are fetched by in there too.
    cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
    rm -rf "$work/base/var/cache/apt/archives"/*.deb "$work/base/var/lib/apt/lists"/*
    tar -C "$work/base" -c . | "$docker" import -c 'CMD ["python3"]' - "$tag" >/dev/null
}
stand_in() { # stand_in FOLDER IMAGE FILE…: the folder with the files beside it, as the image of the compose file
    folder=$1
    tag=$(image_of "$2")
    shift 2
    "$docker" image inspect "$tag" >/dev/null 2>&1 && return
    echo "stand-in for $tag"
    rm -rf "${work:?}/$folder"
    cp -r "$folder" "$work/$folder"
    for file in "$@"; do cp -r "$file" "$work/$folder/"; done
    "$docker" build --quiet --network host --tag "$tag" "$work/$folder" >/dev/null
}

base
"$root/.venv/bin/python" -m local_stack fetch
cache=$("$root/.venv/bin/python" -c 'from local_stack.fetch.cache import cache_folder; print(cache_folder())')
mkdir -p "$work/jars"
cp "$cache"/kafka-*/*.jar "$work/jars/"
stand_in kafka apache/kafka "$work/jars"
stand_in mongo mongo "$(find "$cache" -path '*/fiftyone/db/bin/mongod')"
stand_in nginx nginx
stand_in prometheus prom/prometheus
[ -x "$work/otelcol" ] || (cd collector && CGO_ENABLED=0 go build -ldflags='-s -w' -o "$work/otelcol" .)
stand_in collector otel/opentelemetry-collector "$work/otelcol"
stand_in tempo grafana/tempo "$work/otelcol"
