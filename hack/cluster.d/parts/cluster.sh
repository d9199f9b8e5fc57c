# shellcheck shell=bash
# What every verb knows: names, addresses and folders of the one cluster that this machine can have, and how to speak.
# Each is named here and nowhere else.
# shellcheck disable=SC1090,SC1091,SC2034,SC2154

cluster_parts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cluster_d=$(dirname "$cluster_parts")
repository=$(dirname "$(dirname "$cluster_d")")
cache=$(realpath -m "${HARDWIRE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hardwire}/cluster")

readonly namespace=hardwire-cluster
# Its existence is the claim to be the one cluster; `down` removes it last.
readonly running=/run/hardwire-cluster
readonly processes=$running/processes logs=$running/logs

# Node management: the control plane has the bridge's own address, node N has 10.0.2.(10 + N).
readonly management_bridge=management hardware_bridge=hardware
readonly control_address=10.0.2.1 management_prefix=10.0.2 legacy_number=9
readonly api_url=https://$control_address:6443
readonly service_range=10.96.0.0/16 service_address=10.96.0.1 pod_range=10.244.0.0/16
# MiB.
readonly node_memory=2000 legacy_memory=384
readonly legacy_vlan=100 legacy_address=10.80.0.254/24
readonly pause_image=localhost/pause:1 busybox_image=docker.io/library/busybox:stable
readonly multus_image=localhost/multus-daemon:1

say() { echo "hack/cluster: $*" >&2; }
die() { say "$@" && exit 1; }

# One line a step, with the seconds since the beginning.
started_at=$SECONDS
step() { printf '%5d s  %s\n' "$((SECONDS - started_at))" "$*" >&2; }

need_root() { [[ $(id -u) -eq 0 ]] || die "only root can do this: it makes namespaces, bridges and virtual machines"; }
need_cluster() {
    need_root
    [[ -d $running ]] || die "no cluster is running; start one: hack/cluster up"
}

# need_memory: what the machines may use up, and the control plane, which took half a GiB.
need_memory() {
    local needed=$((nodes * node_memory + legacy_memory + 600)) available
    available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
    [[ $available -ge $needed ]] ||
        die "a cluster of $nodes node(s) needs $needed MiB of memory, and $available MiB are available: end something, or up with fewer --nodes"
}

# lock_cache: one `up` at a time makes what the cache lacks. What an ended one left half-made goes.
lock_cache() {
    exec 7>"$cache/lock"
    flock -n 7 || { say "waiting for another hack/cluster, which is making what the nodes need" && flock 7; }
    rm -rf "$cache"/work.*
}
unlock_cache() { exec 7>&-; }

# settings: the number of nodes and the like, as `up` was asked for them.
read_settings() {
    [[ -e $running/settings ]] || die "the cluster is incomplete: its up was ended; hack/cluster down, then up"
    # shellcheck disable=SC1091
    . "$running/settings"
}

node_names() {
    local number
    for ((number = 1; number <= nodes; number++)); do echo "node$number"; done
}

# machine_name N: node1 of 1 or node1, legacy of legacy; dies on what is none of this cluster's.
machine_name() {
    local name=$1
    [[ $name != [0-9]* ]] || name=node$name
    [[ $name == legacy ]] || grep -qxF -e "$name" <(node_names) ||
        die "'$1' is no node of this cluster: there are 1 to $nodes, and legacy"
    echo "$name"
}

machine_number() { if [[ $1 == legacy ]]; then echo "$legacy_number"; else echo "${1#node}"; fi; }
machine_address() { echo "$management_prefix.$((10 + $(machine_number "$1")))"; }

# inside COMMAND...: in the cluster's network namespace.
inside() { nsenter --net="/run/netns/$namespace" "$@"; }
