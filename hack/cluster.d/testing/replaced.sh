# shellcheck shell=bash
# sriov-network-device-plugin and sriov-cni on the cluster, of the programs that --peers names.
# Relies on images.sh, nodes.sh, installation.sh and expect.sh, and on $peers.
# shellcheck disable=SC2154,SC2016  # scripts are expanded on the node

readonly replaced_image=localhost/replaced:1 their_pods=name=sriov-device-plugin

# use_replaced_pair: for this test, in the place of deploy/; waits until it offers all VFs.
use_replaced_pair() {
    load_replaced_pair
    afterwards end_replaced_pair
    remove .
    cluster_kubectl apply -f "$cluster_d/objects/replaced.yaml"
    installed_as=kube-system/kube-sriov-device-plugin
    await_rollout
    installed_as=kube-system/kube-sriov-cni-ds
    await_rollout
    await_all_allocatable
}

end_replaced_pair() {
    local number
    installed_as=kube-system/kube-sriov-device-plugin
    remove drop-in
    cluster_kubectl delete --ignore-not-found --timeout=600s -f "$cluster_d/objects/replaced.yaml"
    cluster_kubectl -n kube-system wait --for=delete pod -l "$their_pods" --timeout=600s
    for ((number = 1; number <= nodes; number++)); do
        on_node "$number" 'rm -rf /opt/cni/bin/sriov /opt/cni/bin/sriov.before-hardwire /var/lib/cni/sriov'
        # What sriov-cni leaves set on a VF goes with the VF.
        remove_vfs "$number" && make_vfs_again "$number"
    done
    installed_as=kube-system/hardwired
    apply .
    await_all_allocatable
}

# load_replaced_pair: as an image, beside a busybox.
load_replaced_pair() {
    local name root=$folder/replaced
    . "$running/guest"
    mkdir -p "$root"/{bin,usr/share/misc,host}
    cp "$kernel/busybox" "$root/bin/busybox"
    for name in sh cp mv sleep; do ln -s busybox "$root/bin/$name"; done
    cp "$peers/sriov" "$peers/sriovdp" "$root/bin/"
    # It does not start without a database of names, and uses none of them.
    echo "8086  Intel Corporation" >"$root/usr/share/misc/pci.ids"
    oci_archive "$folder/replaced.tar" "$replaced_image" "$root" /bin/sriovdp
    rm -r "$root"
    "$cluster_d/verbs/load-image" "$folder/replaced.tar"
    rm "$folder/replaced.tar"
}

# change_over NUMBER: the node's pod of the DaemonSet is deleted, and the next one is there.
change_over() {
    local old
    old=$(their_pod_on "$1")
    cluster_kubectl -n kube-system delete pod "$old" --timeout=600s
    wait_until 60 "node$1 has another pod of the DaemonSet, ready" has_other_pod "$1" "$old"
    wait_until 60 "node$1 offers 7 of $resource" has_allocatable "$1" 7
}

their_pod_on() {
    cluster_kubectl -n kube-system get pods -l "$their_pods" --field-selector "spec.nodeName=node$1" -o 'jsonpath={.items[0].metadata.name}'
}

has_other_pod() {
    local seen
    seen=$(cluster_kubectl -n kube-system get pods -l "$their_pods" --field-selector "spec.nodeName=node$1" -o json |
        jq -r '.items[] | "\(.metadata.name) \([.status.containerStatuses[]?.ready] | all)"')
    echo "$seen"
    [[ $seen == *" true" && $seen != "$2 "* && $(wc -l <<<"$seen") -eq 1 ]]
}
