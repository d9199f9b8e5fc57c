# shellcheck shell=bash
# VFs that are removed and made again: until hardwired has told the kubelet, and until the node's capacity shows it. The
# kubelet publishes a changed node every 10 s, which is its own.
# Relies on watch.sh and figures.sh.
# shellcheck disable=SC2154

measure_remake() {
    local number
    step "VFs removed and made again, $1 times"
    for ((number = 1; number <= $1; number++)); do
        remake removed 0
        remake made "$vfs"
    done
}

# remake FIGURE WANTED: the node says when it began, when the kernel had done it, and when the kubelet was told.
remake() {
    local figure=$1 wanted=$2 said stamp began='' changed='' told='' shown
    while read -r said; do
        stamp=$EPOCHREALTIME
        case $said in
            began) began=$stamp ;;
            changed) changed=$stamp ;;
            told) told=$stamp ;;
        esac
    done < <(on_machine "$node" bash -s "$wanted" <"$cluster_d/bench/remake-on-node" 2>"$work/remake.errors")
    [[ -n $told ]] || { cat "$work/remake.errors" >&2; die "hardwired did not tell the kubelet of $wanted VFs"; }
    shown=$(capacity_after "$began" "$wanted")
    note "$figure-kernel" "$(less "$changed" "$began")"
    note "$figure-told" "$(less "$told" "$changed")"
    note "$figure-capacity" "$(less "$shown" "$changed")"
}

tell_remake() {
    heading "All $vfs VFs removed, and made again"
    tell removed-kernel s 'removed: what the kernel takes'
    tell removed-told s "then, until hardwired has told the kubelet (ours)"
    tell removed-capacity s 'then, until the node shows it (the kubelet: every 10 s)'
    tell made-kernel s 'made: what the kernel takes'
    tell made-told s "then, until hardwired has told the kubelet (ours)"
    tell made-capacity s 'then, until the node shows it (the kubelet: every 10 s)'
}
