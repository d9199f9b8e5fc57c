# shellcheck shell=bash
# The pods that are measured, all on one node, and their networks.
# Relies on parts/all.sh, parts/manifests.sh, on $bench_namespace and on $node.
# shellcheck disable=SC2154

on_bench() { cluster_kubectl --namespace "$bench_namespace" "$@"; }

# network NAME TYPE RESOURCE
network() {
    local fields='"spoofchk": "on"'
    [[ $2 != hardwire ]] || fields+=", \"logFile\": \"$plugin_log\""
    network_manifest "$1" "$2" "$3" 10.80.0.10 10.80.0.200 "$fields" | on_bench apply -f - >/dev/null
}

# pods GROUP COUNT: each with a VF.
pods() {
    local number
    for ((number = 1; number <= $2; number++)); do pod_manifest "$1-$number" "$1" "$node" vfs intel.com/vfs; done
}

create() { on_bench create -f - >/dev/null; }
await_pods() {
    on_bench wait --for=condition=Ready pod -l "group=$1" --timeout=180s >/dev/null && return
    on_bench get pods -o wide >&2
    on_bench get events --sort-by=.lastTimestamp | tail -n 10 >&2
    die "the pods of the group $1 were not ready within 180 s; what there is is above"
}
remove_pods() { on_bench delete pod -l "group in ($1)" >/dev/null; }

# devices_of GROUP: lines of POD DEVICE.
devices_of() {
    on_bench get pods -l "group=$1" -o go-template='{{range .items}}{{"pod "}}{{.metadata.name}}{{"\n"}}{{
        index .metadata.annotations "k8s.v1.cni.cncf.io/network-status"}}{{"\n"}}{{end}}' |
        awk '$1 == "pod" { pod = $2 } $1 == "\"pci-address\":" { gsub(/[",]/, "", $2); print pod, $2 }'
}

# calls VERB: lines of TIME DEVICE and the line with the times of the phases, of this run, by this machine's clock.
calls() {
    local file=$work/plugin.log
    on_machine "$node" cat "$plugin_log" </dev/null | grep -E ': (ADD|DEL) took ' >"$file" || true
    paste -d ' ' <(cut -d ' ' -f 1 "$file" | date -u -f - +%s.%N) "$file" | awk -v clock="$clock" -v verb="$1" '
        match($0, / device=[0-9a-f:.]*/) {
            device = substr($0, RSTART + 8, RLENGTH - 8)
            call = index($0, ": " verb " took ")
            if (call) printf "%.3f %s total %s\n", $1 + clock, device, substr($0, call + length(verb) + 8)
        }'
}
