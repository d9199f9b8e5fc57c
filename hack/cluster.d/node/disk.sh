# shellcheck shell=bash
# The machine's disk, and what of it is where: all that a node keeps over a reboot.
# Relies on boot. Runs in the guest.

mount_disk() {
    local folder
    modprobe -a virtio_blk ext4
    mkdir -p /disk
    mount -t ext4 /dev/vda /disk
    for folder in /opt/cni/bin /etc/cni /var/log /var/lib/containerd /var/lib/kubelet /var/lib/cni /var/lib/hardwire; do
        mkdir -p "$folder"
        mount --bind "/disk$folder" "$folder"
    done
}

delegate_cgroups() {
    local controller
    for controller in $(</sys/fs/cgroup/cgroup.controllers); do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
    done
}
