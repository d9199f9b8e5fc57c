# shellcheck shell=bash
# When something happened, by this machine's clock: what the API server says of pods and of the node is stamped as it comes.
# Its own times have no parts of a second.
# Relies on parts/all.sh, on $work and on bench_namespace.
# shellcheck disable=SC2154,SC2034

watchers=()

# watch NAME ARGUMENT...: kubectl's lines, each with its time before it, in $work/NAME.
watch() {
    local name=$1 lines
    shift
    exec {lines}< <(KUBECONFIG=$identities/admin.kubeconfig exec nsenter --net="/run/netns/$namespace" \
        "$(program kubectl)" --cache-dir "$running/kubectl-cache" get --watch "$@" 2>"$work/$name.errors")
    watchers+=($!)
    : >"$work/$name"
    while IFS= read -r line; do echo "$EPOCHREALTIME $line"; done <&"$lines" >>"$work/$name" &
    exec {lines}<&-
}

start_watching() {
    watch pods --namespace "$bench_namespace" pods \
        -o 'jsonpath={.metadata.name}{"|"}{.status.conditions[?(@.type=="Ready")].status}{"\n"}'
    watch capacity node "$node" -o 'jsonpath={.status.allocatable.intel\.com/vfs}{"\n"}'
}

stop_watching() {
    local process
    for process in "${watchers[@]}"; do kill "$process" 2>/dev/null || true; done
    watchers=()
}

# came FILE AWK_CONDITION [VARIABLE=VALUE...]: the time of the first line for which it holds, waited for.
came() {
    local file=$work/$1 condition=$2 found waited=0 assignments=() assignment
    shift 2
    for assignment; do assignments+=(-v "$assignment"); done
    until found=$(awk -F '[ |]' "${assignments[@]}" "$condition { print \$1; exit }" "$file") && [[ -n $found ]]; do
        ((waited++ < 1200)) || die "kubectl --watch told nothing of '$*' in $(basename "$file") within 60 s"
        sleep 0.05
    done
    echo "$found"
}

# shellcheck disable=SC2016  # awk's
created() { came pods '$2 == pod' "pod=$1"; }
# shellcheck disable=SC2016
ready() { came pods '$2 == pod && $3 == "True"' "pod=$1"; }
# deleted POD: the last line of a pod that is gone.
deleted() { awk -F '[ |]' -v pod="$1" '$2 == pod { last = $1 } END { print last }' "$work/pods"; }
# shellcheck disable=SC2016
capacity_after() { came capacity '$1 > since && $2 == wanted' "since=$1" "wanted=$2"; }

# Sets $clock, which is added to the node's time to have this machine's. The line that came fastest tells it best.
compare_clocks() {
    local there
    # shellcheck disable=SC2016  # expanded there
    clock=$(on_machine "$node" bash -c 'for ((i = 0; i < 20; i++)); do echo "$EPOCHREALTIME"; sleep 0.05; done' </dev/null |
        while read -r there; do less "$EPOCHREALTIME" "$there"; done | sort -n | head -n 1)
}
