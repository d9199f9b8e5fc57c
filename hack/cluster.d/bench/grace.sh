# shellcheck shell=bash
# Pods that are deleted with grace 0 while their successors wait for the same VFs. The kubelet gives a VF away at once; the
# old pod's DEL comes later, and the successor's ADD waits for it.
# Relies on watch.sh, pods.sh and figures.sh.
# shellcheck disable=SC2154

# measure_grace FIGURE COUNT TIMES: so many at once. Other pods hold the rest of the VFs, so that successors get the same.
measure_grace() {
    local figure=$1 count=$2 times=$3 number old new
    step "grace 0: $count at once, $times times"
    if [[ $vfs -gt $count ]]; then
        pods others $((vfs - count)) | create
        await_pods others
    fi
    old=$figure-0
    pods "$old" "$count" | create
    await_pods "$old"
    for ((number = 1; number <= times; number++)); do
        new=$figure-$number
        devices_of "$old" >"$work/old"
        on_bench delete pod -l "group=$old" --grace-period=0 --force --wait=false >/dev/null 2>&1
        pods "$new" "$count" | create
        await_pods "$new"
        devices_of "$new" >"$work/new"
        note_successors "$figure"
        old=$new
    done
    remove_pods "$old,others"
}

# Each successor against the pod that had its VF before: since that was deleted, and since its DEL ended.
note_successors() {
    local figure=$1 pod device before began came ended last=0 since
    compare_clocks
    calls DEL >"$work/dels"
    while read -r pod device; do
        before=$(awk -v device="$device" '$2 == device { print $1 }' "$work/old")
        [[ -n $before ]] || die "$pod got $device, which none of the deleted pods had"
        began=$(deleted "$before")
        came=$(ready "$pod")
        since=$(less "$came" "$began")
        note "$figure-since-deletion" "$since"
        last=$(printf '%s\n' "$last" "$since" | sort -n | tail -n 1)
        # The one that did it: a later DEL finds nothing and moves nothing.
        ended=$(awk -v device="$device" -v began="$began" '$2 == device && $1 > began - 1 && / move / { print $1; exit }' "$work/dels")
        if [[ -n $ended ]]; then
            note "$figure-since-del" "$(less "$came" "$ended")"
        else
            missing=$((missing + 1))
            say "no DEL released $device, which $before had: hardwired did, or the plugin's log lacks it"
        fi
    done <"$work/new"
    note "$figure-last" "$last"
}

tell_grace() {
    heading 'A pod deleted with grace 0: until its successor on the same VF is ready'
    tell grace-one-since-deletion s 'alone, since the deletion'
    tell grace-one-since-del s 'alone, since the end of the old DEL'
    tell grace-all-since-deletion s "$vfs at once, each, since the deletion"
    tell grace-all-last s "$vfs at once, the last, since the deletion"
    tell grace-all-since-del s "$vfs at once, each, since the end of its old DEL"
}
