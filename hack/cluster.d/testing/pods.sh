# shellcheck shell=bash
# The pods and networks of the tests, in a namespace of their own.
# Relies on control-plane.sh, manifests.sh, nodes.sh and expect.sh.
# shellcheck disable=SC2154

readonly test_namespace=hardwire-test
# What the networks' plugin logs, on each node.
readonly plugin_log=/var/log/hardwire/test.log
readonly network_fields="\"capabilities\": {\"mac\": true}, \"mtu\": 1400, \"logFile\": \"$plugin_log\""

in_tests() { cluster_kubectl -n "$test_namespace" "$@"; }

# One network for each node, on one VLAN and in one subnet with the legacy host: leases of host-local are a node's own.
make_networks() {
    local number
    cluster_kubectl create namespace "$test_namespace" --dry-run=client -o yaml | cluster_kubectl apply -f - >/dev/null
    cluster_kubectl -n "$test_namespace" wait --for=create serviceaccount/default --timeout=600s >/dev/null
    # Of a run that was ended.
    in_tests delete pods --all --grace-period=1 --timeout=600s
    for ((number = 1; number <= nodes; number++)); do
        network_manifest "vlan100-node$number" hardwire "$resource" "10.80.0.${number}0" "10.80.0.${number}9" "$network_fields"
    done | in_tests apply -f - >/dev/null
}

# pod_with_vf NAME NUMBER [NETWORKS]
pod_with_vf() { pod_manifest "$1" tests "node$2" "${3:-vlan100-node$2}" "$resource"; }

# make_pods NODE NAME...: without waiting.
make_pods() {
    local number=$1 name
    shift
    for name; do pod_with_vf "$name" "$number"; done | in_tests apply -f - >/dev/null
}

# await_running NAME...
await_running() {
    in_tests wait --for=condition=Ready --timeout=600s "${@/#/pod/}" >/dev/null ||
        fail "pods $*: expected all of them to run, saw: $(in_tests get pods; in_tests get events | tail -n 12)"
}

start_pods() {
    make_pods "$@"
    shift
    await_running "$@"
}

delete_pods() { in_tests delete pod --timeout=600s "$@" >/dev/null; }

# status_of POD FILTER: of what Multus wrote about its net1.
status_of() {
    in_tests get pod "$1" -o json |
        jq -r ".metadata.annotations[\"k8s.v1.cni.cncf.io/network-status\"] | fromjson | .[] | select(.interface == \"net1\") | $2"
}
address_of() { status_of "$1" '.ips[0]'; }
vf_of() { status_of "$1" '."device-info".pci."pci-address"'; }

# given_to POD: the device that the kubelet's answer named.
# shellcheck disable=SC2016  # expanded there
given_to() { in_tests exec "$1" -- sh -c 'echo $PCIDEVICE_INTEL_COM_VFS'; }

# What stays the same of pods that nobody started again.
identities_of() {
    in_tests get pod "$@" -o json |
        jq -r '(.items // [.])[] | "\(.metadata.name) \(.status.phase) \(.status.containerStatuses[0] | "\(.containerID) \(.restartCount)")"'
}

# reaches POD ADDRESS
reaches() { in_tests exec "$1" -- ping -c 2 -W 5 "$2"; }

# no_attachments NUMBER: prints those that there are.
no_attachments() {
    local seen
    # shellcheck disable=SC2016  # expanded there
    seen=$(on_node "$1" 'for file in /run/hardwire/attachments/*.json; do [ ! -e "$file" ] || echo "$file"; done')
    echo "$seen"
    [[ -z $seen ]]
}

# no_leases NUMBER NETWORK: of host-local.
no_leases() {
    local seen
    # shellcheck disable=SC2016  # expanded there
    seen=$(on_node "$1" 'ls "/var/lib/cni/networks/$1" 2>/dev/null | grep "^[0-9]" || true' "$2")
    echo "$seen"
    [[ -z $seen ]]
}

# What each test is followed by, whatever became of it.
clean_up() {
    local number file
    in_tests delete pods --all --grace-period=1 --timeout=600s
    if [[ -s $folder/applied ]]; then
        while read -r file; do
            cluster_kubectl delete --ignore-not-found --grace-period=1 --timeout=600s -f "$file"
        done <"$folder/applied"
    fi
    for ((number = 1; number <= nodes; number++)); do
        wait_until 90 "nothing is attached on node$number" no_attachments "$number"
    done
    restore_installation
}
