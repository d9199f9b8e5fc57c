# shellcheck shell=bash
# The machine's links: names that say what they are, addresses, routes to the other nodes' pods, and the card's VFs.
# Relies on boot and its variables. Runs in the guest.
# shellcheck disable=SC2154

# rename_link MAC_END NAME: the link whose address ends so; the first bytes are those of every card here.
rename_link() {
    local file link
    for file in /sys/class/net/*/address; do
        link=$(basename "$(dirname "$file")")
        [[ $(<"$file") == "52:54:00:11:$(printf %02x "$number"):$1" ]] || continue
        # A VF has its card's address at no time, but a link of this name may be there after a restart of this script.
        [[ $link == "$2" ]] || ip link set dev "$link" name "$2"
        return
    done
    echo "boot: there is no link with the address ...:$1" >&2
    return 1
}

bring_up_management() {
    modprobe virtio_net
    rename_link 01 mgmt0
    ip address add "$address/24" dev mgmt0
    ip link set dev mgmt0 up
    # As on any node. It leads nowhere, but an address of a service is only translated on the way to somewhere.
    ip route add default via "$control_address"
}

bring_up_legacy() {
    rename_link 02 eth0
    ip link set dev eth0 up
    ip link add link eth0 name "eth0.$legacy_vlan" type vlan id "$legacy_vlan"
    ip address add "$legacy_address" dev "eth0.$legacy_vlan"
    ip link set dev "eth0.$legacy_vlan" up
}

# The card is up and has its carrier first: igb tells its VFs their addresses when they are made, and only then.
make_vfs() {
    local link index waited=0
    modprobe -a e1000e vfio-pci
    rename_link 33 ens1f0
    rename_link 03 ens2
    ip link set dev ens2 up
    ip link set dev ens1f0 up
    until [[ $(cat /sys/class/net/ens1f0/carrier 2>/dev/null) == 1 ]]; do
        sleep 0.1
        ((waited++ < 300)) || { echo "boot: ens1f0 had no carrier within 30 s" >&2 && return 1; }
    done
    echo "$vfs" >/sys/class/net/ens1f0/device/sriov_numvfs
    for ((index = 0; index < vfs; index++)); do
        waited=0
        until link=$(ls "/sys/class/net/ens1f0/device/virtfn$index/net" 2>/dev/null) && [[ -n $link ]]; do
            sleep 0.1
            ((waited++ < 300)) || { echo "boot: VF $index had no interface within 30 s" >&2 && return 1; }
        done
        ip link set dev "$link" name "ens1f0v$index"
    done
}

# The pod network is routed: each node has a /24 of its own behind its management address.
route_to_other_nodes() {
    local other
    for ((other = 1; other <= nodes; other++)); do
        [[ $other -eq $number ]] || ip route replace "10.244.$other.0/24" via "$management_prefix.$((10 + other))"
    done
}
