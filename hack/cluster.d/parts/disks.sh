# shellcheck shell=bash
# The disk of a node: programs, plugins and images, and the folders that outlive a reboot. Made once into the cache, without
# mounting anything, and copied for each node.
# Relies on programs.sh, packages.sh, images.sh and e2fsprogs.
# shellcheck disable=SC2154

# Sets $base_disk.
make_base_disk() {
    local tree name work
    base_disk=$cache/disk-$({
        printf '%s\n' "${program_folders[@]}" "$runc" "$kernel"
        cat "$cluster_parts/disks.sh" "$cluster_parts/images.sh" "$repository/hack/image.d/layout.sh" "$cluster_d/images/pause.c"
    } | sha256sum | cut -c 1-12).ext4
    [[ ! -e $base_disk ]] || return 0
    step "making the nodes' disk"
    work=$(mktemp -d "$cache/work.XXXXXX")
    tree=$work/tree
    mkdir -p "$tree"/{bin,images,opt/cni/bin,etc/cni/net.d,var/log,var/lib/containerd,var/lib/kubelet,var/lib/cni,var/lib/hardwire}
    for name in kubelet kube-proxy containerd containerd-shim-runc-v2 ctr; do
        cp "$(program "$name")" "$tree/bin/"
    done
    cp "$runc" "$tree/bin/runc"
    cp "$(project_folder plugins)"/* "$(program multus)" "$(program multus-shim)" "$tree/opt/cni/bin/"
    write_images "$tree/images"
    rm -f "$cache"/disk-*.ext4
    # Sparse: what nobody wrote takes no space.
    mkfs.ext4 -q -E lazy_itable_init=1,root_owner=0:0 -d "$tree" "$work/disk" 8G >/dev/null
    mv "$work/disk" "$base_disk"
    rm -rf "$work"
}
