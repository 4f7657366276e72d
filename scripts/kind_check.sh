#!/usr/bin/env bash
# Runs the dev overlay on a real Kubernetes: `make kind-check`. Makes a cluster of one node with kind, applies
# deploy/k8s/overlays/demo, plays the demo's conversation, tries the network policies, restarts every service and plays again.
# Needs docker with an image registry, kubectl, and kind or go. The cluster is deleted at the end; KEEP=1 leaves it.
set -euo pipefail
cd "$(dirname "$0")/.."
KIND=v0.30.0
work="$PWD/.cache/kind-check"
cluster=whatsapp-cloud-check
export KUBECONFIG="$work/kubeconfig" DOCKER_BUILDKIT=1
images=(ingress conversation sender accounts wa graph_emulator ai_responder demo)
services=(ingress conversation sender accounts)
dev="kubectl --namespace whatsapp-cloud-dev"
kind=$(command -v kind || echo "$work/kind")

said() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }
failed() {
    said "FAIL  $*"
    kubectl get pods --all-namespaces
    $dev get events --sort-by=.lastTimestamp | tail -20
    exit 1
}
cluster() {
    docker version >/dev/null 2>&1 || { echo "kind-check needs a docker engine" >&2; exit 1; }
    command -v kubectl >/dev/null || { echo "kind-check needs kubectl" >&2; exit 1; }
    [ -x "$kind" ] || GOBIN="$work" go install "sigs.k8s.io/kind@$KIND"
    [ -n "${KEEP:-}" ] || trap '"$kind" delete cluster --name $cluster' EXIT
    "$kind" create cluster --name $cluster --wait 180s
    said "building"
    for image in "${images[@]}"; do
        docker build --quiet --build-arg "SERVICE=$image" --tag "whatsapp-cloud/$image:0.1.0" . >/dev/null
        "$kind" load docker-image --name $cluster "whatsapp-cloud/$image:0.1.0"
    done
}
ready() {
    $dev wait --for=condition=complete job/topics --timeout=300s >/dev/null || failed "the job makes the topics"
    for namespace in whatsapp-cloud-dev meta ingress-nginx; do
        kubectl --namespace $namespace wait --for=condition=available deployment --all --timeout=300s >/dev/null ||
            failed "everything in $namespace becomes ready"
    done
}
played() { # played NAME WHAT: the demo's conversation, from a pod beside the emulator
    story="kubectl --namespace meta"
    # The key is that whose digest the dev overlay has.
    $story run "$1" --image=whatsapp-cloud/demo:0.1.0 --image-pull-policy=Never --restart=Never \
        --env=GATEWAY_URL=http://gateway.ingress-nginx.svc:3000 --env=EMULATOR_URL=http://emulator:8080 \
        --env=DEMO_API_KEY=wk_fake_demo_key_of_the_compose_file --command -- python -m demo.play >/dev/null
    $story wait --for=jsonpath='{.status.phase}'=Succeeded "pod/$1" --timeout=120s >/dev/null ||
        { $story logs "$1" | tail -5; failed "$2"; }
    said "ok    $2: $($story logs "$1" | grep median)"
}
reaches() { # reaches SERVICE HOST PORT: whether a pod of the service gets a connection there
    $dev exec "deploy/$1" -- python -c \
        'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)' "$2" "$3" >/dev/null 2>&1
}
policies() { # closed ports are open to sender, which proves that something listens there
    for place in "accounts-internal 80" "conversation-internal 80" "emulator.meta.svc 8080"; do
        # shellcheck disable=SC2086  # two words
        reaches sender $place || failed "sender reaches $place"
        for service in ingress ai-responder; do
            # shellcheck disable=SC2086  # two words
            ! reaches $service $place || failed "$service is kept from $place"
        done
    done
    said "ok    network policies let sender through to accounts, conversation and Meta, and others not"
}

mkdir -p "$work"
cluster
kubectl apply --kustomize deploy/k8s/overlays/demo >/dev/null
ready
said "ok    everything is ready"
played story "the demo's conversation"
policies
$dev rollout restart "${services[@]/#/deployment/}" >/dev/null
for service in "${services[@]}"; do
    $dev rollout status "deployment/$service" --timeout=180s >/dev/null || failed "$service is replaced"
done
played story-again "the conversation after every service was replaced"
