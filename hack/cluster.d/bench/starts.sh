# shellcheck shell=bash
# How long a pod takes from its creation until it is ready: with a VF and without one, in turns, and what of it an ADD is.
# Relies on watch.sh, pods.sh and figures.sh.
# shellcheck disable=SC2154

# start_once FIGURE NUMBER [NETWORK RESOURCE]
start_once() {
    local figure=$1 name=$1-$2 began came
    shift 2
    pod_manifest "$name" "$figure" "$node" "$@" | create
    await_pods "$figure"
    began=$(created "$name")
    came=$(ready "$name")
    note "$figure" "$(less "$came" "$began")"
    remove_pods "$figure"
}

measure_starts() {
    local number
    step "pod start: $samples times with a VF, $samples times without"
    # The first of each kind reads programs from the disk that the others have in memory.
    start_once warm 1
    start_once warm 2 vfs intel.com/vfs
    on_machine "$node" rm -f "$plugin_log" </dev/null
    for ((number = 1; number <= samples; number++)); do
        start_once with-vf "$number" vfs intel.com/vfs
        start_once without "$number"
    done
    compare_clocks
    calls ADD >"$work/adds"
    [[ -s $work/adds ]] || die "the plugin wrote no line of an ADD into $plugin_log on $node"
    awk '{ for (i = 3; i < NF; i++) if ($i ~ /^[a-z]+$/ && $(i + 1) ~ /^[0-9.]+$/) print "add-" $i, $(i + 1) }' "$work/adds" |
        while read -r figure number; do note "$figure" "$number"; done
}

tell_starts() {
    local phase
    heading 'Pod start, from its creation until it is ready'
    tell with-vf s 'with a VF'
    tell without s 'without one'
    tell_ratio with-vf without 'ratio'
    heading "ADD of hardwire, and its phases"
    tell add-total ms 'all of it'
    for phase in ipam addresses move pf journal lock announce; do
        [[ ! -s $work/figures/add-$phase ]] || tell "add-$phase" ms "$phase"
    done
}
