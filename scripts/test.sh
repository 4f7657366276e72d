#!/bin/sh
# Runs every test. Two runs go in parallel, each with its own Kafka and MongoDB, because both mostly wait: the end-to-end
# tests, and the rest. With pytest arguments, or with your own Kafka or MongoDB, there is one run.
set -u
python=$1
shift
if [ "$#" -gt 0 ] || [ -n "${TEST_INFRA:-}${KAFKA_BOOTSTRAP_SERVERS:-}${MONGODB_URI:-}" ]; then
    exec "$python" -m pytest "$@"
fi
output=.cache/test-e2e.txt
mkdir -p .cache
echo "the end-to-end tests run at the same time; their output follows when they end, and is in $output"
"$python" -m pytest -m e2e >"$output" 2>&1 &
e2e=$!
trap 'kill "$e2e" 2>/dev/null; exit 130' INT TERM
"$python" -m pytest -m "not e2e"
rest=$?
wait "$e2e"
ended=$?
cat "$output"
[ "$rest" -eq 0 ] && [ "$ended" -eq 0 ]
