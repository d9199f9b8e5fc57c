# shellcheck shell=bash
# The cluster's network namespace and its two bridges: one to manage the nodes, one that the nodes' cards are plugged into.
# Neither filters VLANs, so frames pass with the tags that the cards' VFs give them.
# Relies on cluster.sh.
# shellcheck disable=SC2154

make_network() {
    local bridge
    ip netns add "$namespace"
    inside ip link set lo up
    for bridge in "$management_bridge" "$hardware_bridge"; do
        # No snooping: nobody here would answer for what it learned of multicast, which IPv6 neighbours are found by.
        inside ip link add name "$bridge" type bridge stp_state 0 forward_delay 0 mcast_snooping 0
        # Jumbo frames of pods pass.
        inside ip link set dev "$bridge" mtu 9000 up
    done
    inside ip address add "$control_address/24" dev "$management_bridge"
    # This machine's rules for bridged packets, where it has any, are none of the cluster's.
    # shellcheck disable=SC2016  # expanded by that shell
    inside bash -c 'for file in /proc/sys/net/bridge/bridge-nf-call-*; do [[ ! -e $file ]] || echo 0 >"$file"; done
        echo 1 >/proc/sys/net/ipv4/ip_forward'
}

# plug NAME BRIDGE: a tap for a virtual machine.
plug() {
    inside ip tuntap add dev "$1" mode tap
    inside ip link set dev "$1" master "$2" mtu 9000 up
}

# The API server reaches webhooks and pods: each node forwards to its pods, and any node to services.
route_to_pods() {
    local number
    for ((number = 1; number <= nodes; number++)); do
        inside ip route replace "10.244.$number.0/24" via "$management_prefix.$((10 + number))"
    done
    inside ip route replace "$service_range" via "$management_prefix.11"
}
