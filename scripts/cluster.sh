#!/bin/sh
# A real Kubernetes of one node on this machine, from packages alone, to try deploy/k8s on. Needs root, a Linux with
# overlayfs, iptables and ipset, and (Debian) golang, containerd, runc, containernetworking-plugins, etcd-server, iptables,
# ipset, conntrack, kubectl. Everything is below $CLUSTER; network and firewall are in a network namespace of their own.
#
#   scripts/cluster.sh build            compile Kubernetes, CoreDNS and kube-router (which enforces network policies)
#   scripts/cluster.sh up               start the node: `kubectl` reaches it with KUBECONFIG=$CLUSTER/etc/admin.kubeconfig
#   scripts/cluster.sh load FILE...     take images in (docker save), also as :0.1.0 where they are :latest
#   scripts/cluster.sh demo             the dev overlay with a stand-in for Meta and an AI; plays the demo's conversation
#   scripts/cluster.sh down             end everything; what is below $CLUSTER stays, but for pods
set -eu
cd "$(dirname "$0")/.."
repository=$PWD
: "${CLUSTER:=/var/lib/whatsapp-cluster}"
KUBERNETES=1.34.4
LIBRARIES=0.34.4
COREDNS=1.14.3
KUBE_ROUTER=2.1.0
netns=whatsapp-cluster
host=10.250.0.1
node=10.250.0.2
bin=$CLUSTER/bin
etc=$CLUSTER/etc
export KUBECONFIG="$etc/admin.kubeconfig"

inside() { nsenter --net="/run/netns/$netns" "$@"; }
images() { ctr --address "$CLUSTER/run/containerd.sock" --namespace k8s.io images "$@"; }

compile() { # compile PROGRAM PACKAGE: in the present folder's module
    [ -x "$bin/$1" ] || {
        echo "compiling $1"
        CGO_ENABLED=0 go build -mod=mod -o "$bin/$1" -ldflags \
            "-s -w -X k8s.io/component-base/version.gitVersion=v$KUBERNETES" "$2"
    }
}
module() { # module NAME REQUIREMENT PACKAGE...: an empty module that needs these packages; Kubernetes' libraries of one version
    mkdir -p "$CLUSTER/src/$1"
    cd "$CLUSTER/src/$1"
    [ ! -e go.sum ] || return 0
    required=$2
    shift 2
    go mod init example.com/cluster 2>/dev/null
    go mod edit -require "$required"
    [ "$required" = "github.com/coredns/coredns@v$COREDNS" ] || {
        declared=$(go mod download -json "k8s.io/kubernetes@v$KUBERNETES" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
        sed -n 's|^\t*\(k8s.io/[a-z-]*\) => \./staging.*|\1|p' "$declared" | while read -r library; do
            go mod edit -replace "$library=$library@v$LIBRARIES"
        done
    }
    { printf '//go:build tools\n\npackage main\n\n'; for package in "$@"; do printf 'import _ "%s"\n' "$package"; done; } > tools.go
}
build() {
    mkdir -p "$bin" "$CLUSTER/src/pause"
    cp "$repository/deploy/check/cluster/pause.go" "$CLUSTER/src/pause/main.go"
    CGO_ENABLED=0 go build -o "$bin/pause" "$CLUSTER/src/pause/main.go"
    programs="kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy"
    # shellcheck disable=SC2046,SC2086  # one word each
    module kubernetes "k8s.io/kubernetes@v$KUBERNETES" $(printf 'k8s.io/kubernetes/cmd/%s ' $programs)
    go mod tidy 2>/dev/null
    for program in $programs; do compile "$program" "k8s.io/kubernetes/cmd/$program"; done
    router=github.com/cloudnativelabs/kube-router/v2
    module kube-router "$router@v$KUBE_ROUTER" "$router/cmd/kube-router"
    go mod tidy 2>/dev/null
    compile kube-router "$router/cmd/kube-router"
    module coredns "github.com/coredns/coredns@v$COREDNS" github.com/coredns/coredns/coremain
    cp "$repository/deploy/check/cluster/coredns.go" main.go
    go mod tidy 2>/dev/null
    compile coredns main.go
    for image in pause coredns; do
        python3 "$repository/scripts/cluster_image.py" "$bin/$image" "local/$image:1" "$CLUSTER/$image.tar"
    done
}

start() { # start NAME COMMAND...: in the node's network; it stays until `down`
    name=$1
    shift
    if [ -e "$CLUSTER/run/$name.pid" ] && kill -0 "$(cat "$CLUSTER/run/$name.pid")" 2>/dev/null; then return 0; fi
    nsenter --net="/run/netns/$netns" setsid "$@" < /dev/null > "$CLUSTER/log/$name.log" 2>&1 &
    echo $! > "$CLUSTER/run/$name.pid"
}
stop() { # stop NAME: within ten seconds, or by force
    [ -e "$CLUSTER/run/$1.pid" ] || return 0
    process=$(cat "$CLUSTER/run/$1.pid")
    kill "$process" 2>/dev/null || true
    for _ in $(seq 10); do
        kill -0 "$process" 2>/dev/null || break
        sleep 1
    done
    kill -9 "$process" 2>/dev/null || true
    rm -f "$CLUSTER/run/$1.pid"
}
until_done() { # until_done WHAT COMMAND...: within two minutes
    what=$1
    shift
    for _ in $(seq 120); do
        if "$@" > /dev/null 2>&1; then return 0; fi
        sleep 1
    done
    echo "$what: not within two minutes; see $CLUSTER/log" >&2
    return 1
}
network() {
    [ ! -e "/run/netns/$netns" ] || return 0
    ip netns add "$netns"
    ip link add cluster0 type veth peer name eth0 netns "$netns"
    ip addr add "$host/24" dev cluster0
    ip link set cluster0 up
    ip -n "$netns" addr add "$node/24" dev eth0
    ip -n "$netns" link set eth0 up
    ip -n "$netns" link set lo up
    ip -n "$netns" route add default via "$host"
    inside sysctl -qw net.ipv4.ip_forward=1
}
identities() { # one certificate, which is its own authority, and one token: for a cluster that nobody else reaches
    [ ! -e "$etc/admin.kubeconfig" ] || return 0
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout "$etc/ca.key" -out "$etc/ca.crt" -subj /CN=cluster \
        -addext "subjectAltName=IP:127.0.0.1,IP:$node,IP:10.96.0.1,DNS:kubernetes.default.svc" 2>/dev/null
    openssl genrsa -out "$etc/accounts.key" 2048 2>/dev/null
    token=$(openssl rand -hex 16)
    echo "$token,admin,admin,\"system:masters\"" > "$etc/tokens.csv"
    kubectl config set-cluster here --server="https://$node:6443" --certificate-authority="$etc/ca.crt" >/dev/null
    kubectl config set-credentials admin --token="$token" >/dev/null
    kubectl config set-context here --cluster=here --user=admin >/dev/null
    kubectl config use-context here >/dev/null
    chmod 600 "$etc"/*
}
plane() {
    peers=http://127.0.0.1:2380
    start etcd etcd --data-dir "$CLUSTER/etcd" --listen-client-urls http://127.0.0.1:2379 \
        --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls "$peers"
    start apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address="$node" \
        --tls-cert-file="$etc/ca.crt" --tls-private-key-file="$etc/ca.key" --token-auth-file="$etc/tokens.csv" \
        --authorization-mode=RBAC --service-cluster-ip-range=10.96.0.0/16 \
        --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$etc/accounts.key" \
        --service-account-signing-key-file="$etc/accounts.key" --kubelet-preferred-address-types=InternalIP
    until_done "the API server" kubectl get --raw /readyz
    start controllers "$bin/kube-controller-manager" --kubeconfig="$KUBECONFIG" --use-service-account-credentials \
        --service-account-private-key-file="$etc/accounts.key" --root-ca-file="$etc/ca.crt" --allocate-node-cidrs \
        --cluster-cidr=10.244.0.0/16 --service-cluster-ip-range=10.96.0.0/16
    start scheduler "$bin/kube-scheduler" --kubeconfig="$KUBECONFIG" --leader-elect=false
}
machine() {
    for file in containerd.toml kubelet.yaml; do
        [ -e "$etc/$file" ] || sed "s|@CLUSTER@|$CLUSTER|g" "$repository/deploy/check/cluster/$file" > "$etc/$file"
    done
    sed "s|@CLUSTER@|$CLUSTER|g" "$repository/deploy/check/cluster/pods.conflist" > "$CLUSTER/cni/pods.conflist"
    start containerd containerd --config "$etc/containerd.toml"
    until_done containerd images list
    for image in pause coredns; do images import "$CLUSTER/$image.tar" >/dev/null; done
    start kubelet "$bin/kubelet" --config="$etc/kubelet.yaml" --kubeconfig="$KUBECONFIG" --root-dir="$CLUSTER/kubelet" \
        --cert-dir="$etc" --node-ip="$node" --hostname-override=node
    start proxy "$bin/kube-proxy" --kubeconfig="$KUBECONFIG" --hostname-override=node --cluster-cidr=10.244.0.0/16 \
        --proxy-mode=iptables --conntrack-max-per-core=0
    until_done "the node" kubectl get node node
    # Policies alone: the one node needs no routes, and kube-proxy has the services.
    start policies "$bin/kube-router" --run-firewall=true --run-router=false --run-service-proxy=false \
        --run-loadbalancer=false --kubeconfig="$KUBECONFIG" --hostname-override=node --service-cluster-ip-range=10.96.0.0/16
    kubectl apply -f "$repository/deploy/check/cluster/dns.yaml" >/dev/null
    kubectl -n kube-system rollout status deployment/coredns --timeout=120s
}
up() {
    mkdir -p "$etc" "$CLUSTER/log" "$CLUSTER/run" "$CLUSTER/cni"
    network
    identities
    plane
    machine
    kubectl get nodes
}
load() {
    for file in "$@"; do images import "$file"; done
    for name in $(images list -q | grep '/whatsapp-cloud/.*:latest$'); do
        images tag --force "$name" "${name%:latest}:0.1.0" >/dev/null
    done
}
demo() {
    kubectl apply -k "$repository/deploy/check/cluster/demo"
    kubectl -n whatsapp-cloud-dev wait --for=condition=complete job/topics --timeout=300s
    for namespace in whatsapp-cloud-dev meta ingress-nginx; do
        kubectl -n "$namespace" wait --for=condition=available deployment --all --timeout=300s
    done
    # The key is that whose digest the dev overlay has.
    inside env DEMO_API_KEY=wk_fake_demo_key_of_the_compose_file \
        "GATEWAY_URL=http://$(kubectl -n ingress-nginx get service gateway -o jsonpath='{.spec.clusterIP}'):3000" \
        "EMULATOR_URL=http://$(kubectl -n meta get service emulator -o jsonpath='{.spec.clusterIP}'):8080" \
        "$repository/.venv/bin/python" -m demo.play
}
down() {
    kubectl delete namespace whatsapp-cloud-dev meta ingress-nginx --ignore-not-found --timeout=90s || true
    kubectl -n kube-system delete deployment coredns --ignore-not-found || true
    kubectl -n kube-system wait --for=delete pod --all --timeout=60s || true
    for name in policies proxy kubelet scheduler controllers apiserver etcd containerd; do stop "$name"; done
    ip link delete cluster0 2>/dev/null || true
    ip netns delete "$netns" 2>/dev/null || true
}
case ${1:-} in
    build | up | load | demo | down) "$@" ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
