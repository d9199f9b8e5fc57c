# shellcheck shell=bash
# The pair that hardwire replaces, beside it on the node and under a resource of its own: what a pod's start costs with it.
# Last of all, since hardwired may find VFs changed that sriov-cni had.
# Relies on starts.sh, and on $peers, a folder with the programs sriov and sriovdp.
# shellcheck disable=SC2154,SC2016  # expanded on the node

readonly replaced_resource=intel.com/replaced

measure_replaced() {
    local number share=$running/machines/$node/images
    step "pod start: $samples times with the replaced pair, $samples times without a VF"
    cp "$peers/sriov" "$peers/sriovdp" "$share/"
    echo '{"resourceList": [{"resourcePrefix": "intel.com", "resourceName": "replaced", "selectors": {"drivers": ["igbvf"]}}]}' \
        >"$share/sriovdp.json"
    on_machine "$node" sh -euc '
        mkdir -p /disk/bench /usr/share/misc
        cd /run/hack-vm/share/images
        install -m 0755 sriov /opt/cni/bin/sriov
        install -m 0755 sriovdp sriovdp.json /disk/bench/
        # It does not start without a database of names, and uses none of them.
        [ -e /usr/share/misc/pci.ids ] || echo "8086  Intel Corporation" >/usr/share/misc/pci.ids
        setsid /disk/bench/sriovdp -config-file /disk/bench/sriovdp.json >/var/log/sriovdp.log 2>&1 </dev/null &
        echo $! >/disk/bench/process' </dev/null
    rm -f "$share"/sriov*
    replaced_runs=1
    cluster_kubectl wait --for="jsonpath={.status.allocatable.intel\.com/replaced}=$vfs" "node/$node" --timeout=60s >/dev/null ||
        die "sriovdp did not offer $vfs of $replaced_resource: its log is /var/log/sriovdp.log on $node"
    network replaced sriov "$replaced_resource"
    start_once warm-replaced 1 replaced "$replaced_resource"
    for ((number = 1; number <= samples; number++)); do
        start_once replaced "$number" replaced "$replaced_resource"
        start_once without-replaced "$number"
    done
}

# After the pods. What sriov-cni leaves set on a VF goes with the VF.
stop_replaced() {
    local wanted
    [[ -n ${replaced_runs:-} ]] || return 0
    on_machine "$node" sh -c 'kill "$(cat /disk/bench/process)"; rm -rf /disk/bench /opt/cni/bin/sriov' </dev/null || true
    for wanted in 0 "$vfs"; do
        on_machine "$node" bash -s "$wanted" <"$cluster_d/bench/remake-on-node" >/dev/null ||
            say "the VFs of $node could not be made anew: hack/cluster reboot ${node#node} does it"
    done
}

tell_replaced() {
    heading 'Pod start with sriov-network-device-plugin and sriov-cni'
    tell replaced s 'with a VF'
    tell without-replaced s 'without one, in turns with it'
    tell_ratio replaced without-replaced 'ratio'
}
