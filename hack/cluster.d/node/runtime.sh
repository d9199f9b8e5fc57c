# shellcheck shell=bash
# containerd, the pods' ordinary network, and Multus before it.
# Relies on boot, services.sh and disk.sh. Runs in the guest.
# shellcheck disable=SC2154

start_runtime() {
    local waited=0
    modprobe br_netfilter
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
    echo 1 >/proc/sys/net/bridge/bridge-nf-call-ip6tables
    # A watch for each container's log and each mounted ConfigMap.
    echo 8192 >/proc/sys/fs/inotify/max_user_instances
    echo 1048576 >/proc/sys/fs/inotify/max_user_watches
    route_to_other_nodes
    mkdir -p /etc/containerd
    cat >/etc/containerd/config.toml <<CONFIGURATION
version = 3
[plugins.'io.containerd.cri.v1.images']
snapshotter = 'overlayfs'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '$pause_image'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
CONFIGURATION
    configure_pod_network
    service containerd containerd --config /etc/containerd/config.toml
    until ctr version >/dev/null 2>&1; do
        sleep 0.2
        ((waited++ < 300)) || { echo "boot: containerd did not come up; see /var/log/containerd.log" >&2 && return 1; }
    done
    import_image pause
}

# import_image NAME: from the disk, which keeps what containerd made of it: once.
import_image() {
    local image=/disk/images/$1.tar
    [[ -e $image ]] || return 0
    ctr -n k8s.io images import "$image" >>/var/log/images.log 2>&1
    mv "$image" "$image.imported"
}

configure_pod_network() {
    local pods
    pods='{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.'$number'.0/24"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}},
  {"type": "bandwidth", "capabilities": {"bandwidth": true}}]}'
    mkdir -p /etc/cni/net.d
    # Thick Multus writes its own when its pod runs; it is there from then on, over reboots too, as on any node.
    if [[ $multus == thin ]]; then
        install -m 0600 -D "$share/multus.kubeconfig" /etc/cni/net.d/multus.d/multus.kubeconfig
        cat >/etc/cni/net.d/00-multus.conf <<CONFIGURATION
{"cniVersion": "1.0.0", "name": "multus", "type": "multus", "kubeconfig": "/etc/cni/net.d/multus.d/multus.kubeconfig",
 "capabilities": {"portMappings": true, "bandwidth": true}, "delegates": [$pods]}
CONFIGURATION
    fi
    echo "$pods" >/etc/cni/net.d/10-pods.conflist
}
