# shellcheck shell=bash
# The virtual machines: hack/vm's, with a NIC for their management, their cards on the cluster's hardware network, and a disk.
# Relies on hack/vm.d, cluster.sh, network.sh, processes.sh and certificates.sh.
# shellcheck disable=SC2154,SC2034

# What a node's guest finds in its share: who it is, and with whose keys it speaks.
describe_machine() {
    local name=$1 role=node folder=$running/machines/$1
    [[ $name != legacy ]] || role=legacy
    mkdir -p "$folder/images"
    {
        echo "name=$name role=$role number=$(machine_number "$name") address=$(machine_address "$name")"
        echo "nodes=$nodes vfs=$vfs multus=$multus pause_image=$pause_image pod_range=$pod_range"
        echo "management_prefix=$management_prefix control_address=$control_address service_range=$service_range"
        echo "legacy_vlan=$legacy_vlan legacy_address=$legacy_address"
    } >"$folder/machine"
    cp "$identities/ca.crt" "$identities/dropbear-host-key" "$identities/authorized_keys" "$folder/"
    if [[ $role == node ]]; then
        cp "$identities/$name.kubeconfig" "$folder/kubelet.kubeconfig"
        cp "$identities/kube-proxy.kubeconfig" "$identities/multus.kubeconfig" "$folder/"
        cp --sparse=always "$base_disk" "$disks/$name"
    fi
    plug "$name-m" "$management_bridge"
    plug "$name-h" "$hardware_bridge"
}

make_login_keys() {
    local key name
    dropbearkey -t ed25519 -f "$identities/dropbear-host-key" >/dev/null 2>&1
    dropbearkey -t ed25519 -f "$identities/login-key" 2>/dev/null | grep '^ssh-' >"$identities/authorized_keys"
    # dropbear takes a comment behind the key for a part of it.
    key=$(dropbearkey -y -f "$identities/dropbear-host-key" | awk '/^ssh-/ { print $1, $2 }')
    mkdir -p "$identities/.ssh"
    for name in $(node_names) legacy; do echo "$(machine_address "$name") $key"; done >"$identities/.ssh/known_hosts"
}

# power_on NAME: boots it.
power_on() {
    local name=$1 folder=$running/machines/$1 number arguments kernel initramfs accelerator
    local target='' cpus=2 memory=$node_memory nics=1 mac_prefix
    number=$(machine_number "$name")
    mac_prefix=52:54:00:11:$(printf %02x "$number")
    [[ $name != legacy ]] || { nics=0 memory=$legacy_memory cpus=1; }
    # shellcheck disable=SC1091
    . "$running/guest"
    rm -f "$folder/started" "$folder/status"
    [[ ! -e $folder/console ]] || mv "$folder/console" "$folder/console.before"
    write_run "$folder" "$kernel" / /bin/bash "$cluster_d/node/boot"
    qemu_arguments "$folder" "$kernel" "$initramfs" "$accelerator"
    arguments+=(
        -netdev "tap,id=management,ifname=$name-m,script=no,downscript=no"
        -device "virtio-net-pci,netdev=management,mac=$mac_prefix:01"
        # A hub does not know the header that taps can put before a frame.
        -netdev "tap,id=hardware,ifname=$name-h,script=no,downscript=no,vnet_hdr=off"
    )
    if [[ $name == legacy ]]; then
        arguments+=(-device "virtio-net-pci,netdev=hardware,mac=$mac_prefix:02")
    else
        arguments+=(
            -netdev "hubport,id=uplink,hubid=0,netdev=hardware"
            -netdev "hubport,id=spare,hubid=0" -device "e1000e,netdev=spare,mac=$mac_prefix:03"
            # What the guest has written is this machine's to keep, also when QEMU is killed; flushing to the real disk
            # would only take time.
            -drive "file=${disks//,/,,}/$name,format=raw,if=none,id=disk,cache=unsafe"
            -device "virtio-blk-pci,drive=disk"
        )
    fi
    start "$name" qemu-system-x86_64 "${arguments[@]}"
}

# await_started NAME...: until their guests take commands.
await_started() {
    local name waited again
    for name; do
        waited=0 again=
        until [[ -e $running/machines/$name/reachable ]]; do
            if [[ -z $again ]] && has_lost_its_timer "$name" && { ! alive "$name" || is_silent "$name"; }; then
                step "the emulator lost the timer of a processor of $name: booting it again, once"
                end "$name"
                power_on "$name"
                again=1
            fi
            need_alive "$name"
            ((waited++ < 1200)) || {
                tail -n 30 "$running/machines/$name"/{console,out,err} >&2 || true
                die "$name did not come up within 10 minutes"
            }
            sleep 0.5
        done
    done
}

# What then ends the guest is its kernel's notice of it.
has_lost_its_timer() { grep -qsE "RCU Stall|kthread timer wakeup didn't happen" "$running/machines/$1/console"; }

# Nor does every guest come to its end so: a minute in which its console says nothing more.
is_silent() { [[ $(($(date +%s) - $(stat -c %Y "$running/machines/$1/console"))) -ge 60 ]]; }

# boot_of NAME: which boot of it the API server knows of. A node that has ended stays Ready there for 40 s.
boot_of() { cluster_kubectl get node "$1" -o 'jsonpath={.status.nodeInfo.bootID}'; }

await_boot_other_than() {
    local name=$1 before=$2 now='' waited=0
    until now=$(boot_of "$name" 2>/dev/null) && [[ -n $now && $now != "$before" ]]; do
        need_alive "$name" kube-apiserver
        ((waited++ < 600)) || die "the kubelet of $name did not come back within 10 minutes"
        sleep 1
    done
}

# await_ready NAME...: until the API server calls the nodes Ready.
await_ready() {
    local name since is_restarted
    for name; do
        since=$SECONDS is_restarted=
        until is_ready "$name"; do
            need_alive "$name" kube-apiserver
            # The first registration at a new API server can come too early for a part of it, which is not asked for again.
            if [[ -z $is_restarted && $((SECONDS - since)) -ge 90 ]]; then
                is_restarted=1
                # shellcheck disable=SC2016  # expanded there
                on_machine "$name" sh -c 'kill $(cat /run/node/kubelet.pid)' </dev/null || true
            fi
            if [[ $((SECONDS - since)) -ge 600 ]]; then
                on_machine "$name" tail -n 20 /var/log/kubelet.log </dev/null >&2 || true
                die "$name was not Ready within 10 minutes; the end of its kubelet's log is above"
            fi
            sleep 1
        done
    done
}

is_ready() {
    [[ $(cluster_kubectl get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null) == True ]]
}

await_file() {
    local waited=0
    until on_machine "$1" test -s "$2" </dev/null; do
        ((waited++ < 100)) || die "$1 has no $2 after 100 s"
        sleep 1
    done
}

# await_thick_multus NAME...: until its daemon runs as its DaemonSet says, and has told the runtimes of these nodes.
await_thick_multus() {
    local name
    cluster_kubectl -n kube-system rollout status daemonset/kube-multus-ds --timeout=300s >/dev/null
    for name; do await_file "$name" /etc/cni/net.d/00-multus.conf; done
}

# on_machine NAME COMMAND...: as root on it, with its standard streams and its exit status.
on_machine() {
    local name=$1 terminal=-T
    shift
    [[ ! -t 0 || ! -t 1 ]] || terminal=-t
    need_alive "$name"
    # HOME: where its known hosts are.
    HOME=$identities inside dbclient -q "$terminal" -i "$identities/login-key" "root@$(machine_address "$name")" \
        "export PATH=/disk/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root; exec $(quote "$@")"
}
