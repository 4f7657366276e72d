#!/usr/bin/env bash
# Runs docker-compose.yml for real: `make compose-check`. Builds the images, brings up everything with the demo and with
# observability, and checks that it works. Needs docker with compose. At the end it removes what it has started.
set -euo pipefail
cd "$(dirname "$0")/.."
docker=${DOCKER:-docker}
python="$PWD/.venv/bin/python"
key=wk_fake_demo_key_of_the_compose_file
services=(ingress conversation sender accounts)
export OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318
for needed in "$docker version" "$docker compose version"; do
    $needed >/dev/null 2>&1 || { echo "compose-check needs a docker engine with compose ($needed fails)" >&2; exit 1; }
done
compose() { "$docker" compose --progress quiet --profile demo --profile obs "$@"; }
said() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }
failed() {
    said "FAIL  $*"
    compose ps --all --format '{{.Service}}: {{.Status}}'
    for service in $(compose ps --all --format '{{.Service}} {{.Status}}' | sed -n 's/ Restarting.*//p; s/ .*unhealthy.*//p'); do
        compose logs --tail 10 "$service"
    done
    exit 1
}
until_true() { # until_true SECONDS WHAT COMMAND…
    deadline=$(($(date +%s) + $1))
    what=$2
    shift 2
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || failed "$what"
        sleep 1
    done
    said "ok    $what"
}
up() { compose up --detach --no-build "$@"; }
healthy() { # each container of the four services says that it is ready
    ! compose ps --format '{{.Health}}' "${services[@]}" | grep --invert-match --quiet '^healthy$'
}
prometheus() { # prometheus QUERY: its first value, 0 where there is none
    "$python" -c 'import json, sys, urllib.parse, urllib.request
url = "http://localhost:9090/api/v1/query?" + urllib.parse.urlencode({"query": sys.argv[1]})
found = json.load(urllib.request.urlopen(url, timeout=5))["data"]["result"]
print(int(float(found[0]["value"][1])) if found else 0)' "$1" 2>/dev/null || echo 0
}
at_least() { [ "$(prometheus "$2")" -ge "$1" ]; }
played() {
    DEMO_API_KEY=$key "$python" -m demo.play >.cache/compose-check.log || { tail -5 .cache/compose-check.log; failed "$1"; }
    said "ok    $1: $(grep median .cache/compose-check.log)"
}
story_ended_well() { # the container of the demo's conversation, with its proof
    [ "$(compose wait story | tail -1 | grep -o '[0-9]*$')" = 0 ]
}
conversations() {
    "$python" -c 'import json, sys, urllib.request as r
asked = r.Request("http://localhost:3000/whatsapp-cloud/conversations", headers={"authorization": "Bearer " + sys.argv[1]})
print(sum(each["inboundCount"] for each in json.load(r.urlopen(asked, timeout=10))["data"]))' $key
}

trap 'compose down --volumes --remove-orphans --timeout 60 >/dev/null 2>&1' EXIT
mkdir -p .cache
compose down --volumes --remove-orphans >/dev/null 2>&1
said "building"
for service in "${services[@]}" wa graph_emulator ai_responder demo; do
    DOCKER_BUILDKIT=1 "$docker" build --quiet --build-arg "SERVICE=$service" --tag "whatsapp-cloud/$service" . >/dev/null
done
said "starting"
up
story_ended_well || { compose logs --no-log-prefix story | tail -5; failed "the demo's conversation"; }
said "ok    the demo's conversation: $(compose logs --no-log-prefix story | grep median)"
healthy || failed "every service is healthy"
for service in "${services[@]}"; do
    # shellcheck disable=SC2016  # for the shell in there
    compose exec -T "$service" sh -c '[ "$(id -u)" = 10001 ] && ! touch /app/x 2>/dev/null && ! touch /x 2>/dev/null && touch /tmp/x' ||
        failed "$service: user 10001, nothing to write but /tmp"
done
said "ok    every service is healthy, runs as user 10001, and can write to /tmp alone"
until_true 60 "Prometheus reads all four services and the collector" at_least 5 'count(up == 1)'
until_true 60 "spans have gone through the collector" at_least 30 'sum({__name__=~"otelcol_exporter_sent_spans.*"})'
before=$(conversations)

up --scale sender=2 --scale conversation=2 --no-deps --no-recreate sender conversation
until_true 90 "two senders and two conversations are healthy" healthy
until_true 60 "Prometheus reads all of them" at_least 7 'count(up == 1)'
up --force-recreate --no-deps --scale sender=2 --scale conversation=2 "${services[@]}"
until_true 90 "every service was made anew, with other addresses" healthy
played "the conversation, through the same gateway"

compose stop --timeout 60 "${services[@]}" >/dev/null
codes=$(compose ps --all --format '{{.ExitCode}}' "${services[@]}" | sort -u)
[ "$codes" = 0 ] || failed "services end by themselves, with exit code 0 (they had $codes)"
said "ok    services ended by themselves, with exit code 0"
compose down --timeout 60 >/dev/null
up
story_ended_well || failed "the conversation after everything was taken down and up"
[ "$(conversations)" -gt "$before" ] || failed "what was stored is there after everything was taken down and up"
said "ok    what was stored is there after everything was taken down and up ($before, then $(conversations) messages)"
