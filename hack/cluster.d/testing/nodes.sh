# shellcheck shell=bash
# The nodes and their hardware, as tests look at them and change them.
# Relies on machines.sh and expect.sh.
# shellcheck disable=SC2154,SC2016  # scripts are expanded on the node

readonly resource=intel.com/vfs
# Every machine has it, whatever its distribution installed.
readonly box=/run/hack-vm/busybox

# on_node NUMBER SCRIPT [ARGUMENT...]: a script of sh, as root there.
on_node() {
    local number=$1 script=$2
    shift 2
    on_machine "$(machine_name "$number")" sh -c "$script" on_node "$@" </dev/null
}

# vf_state NUMBER: what must be the same when nobody has a VF any more: what the PF says of each, its interface's name, MAC,
# MTU, and whether it is up.
vf_state() {
    on_node "$1" '
        ip link show dev ens1f0 | sed -n "s/^ *\(vf [0-9]\)/\1/p"
        for vf in /sys/class/net/ens1f0/device/virtfn*; do
            for link in "$vf"/net/*; do
                [ -e "$link" ] || { echo "$(readlink -f "$vf" | sed "s/.*\///"): no interface"; continue; }
                echo "$(readlink -f "$vf" | sed "s/.*\///"): ${link##*/} $(cat "$link/address") mtu $(cat "$link/mtu")" \
                    "$(ip -o link show dev "${link##*/}" | grep -q "[<,]UP[,>]" && echo up || echo down)"
            done
        done'
}

# has_vf_state NUMBER STATE: prints the difference.
has_vf_state() { diff <(echo "$2") <(vf_state "$1"); }

# make_vfs_again NUMBER: as the node's boot made them. Prints the uptime at which the last one had its interface.
make_vfs_again() {
    on_node "$1" '
        cd /sys/class/net/ens1f0/device
        # Each gets its name at once: a later one would be a change of a VF that hardwired has seen. So nothing is started in
        # between, which takes long on an emulated machine.
        uptime() { read -r up rest </proc/uptime && up=${up%.*}; }
        uptime
        limit=$((up + 150))
        echo 7 >sriov_numvfs &
        for vf in 0 1 2 3 4 5 6; do
            link=
            while [ -z "$link" ]; do
                for path in "virtfn$vf"/net/*; do [ ! -e "$path" ] || link=${path##*/}; done
                uptime
                [ "$up" -lt "$limit" ] || { echo "VF $vf has no interface" >&2; exit 1; }
            done
            [ "$link" = "ens1f0v$vf" ] || ip link set dev "$link" name "ens1f0v$vf" || exit 1
        done
        wait $! || exit 1
        cut -d " " -f 1 /proc/uptime'
}

# restore_vfs NUMBER: unless all are there under their names.
restore_vfs() {
    on_node "$1" 'for vf in 0 1 2 3 4 5 6; do [ -e "/sys/class/net/ens1f0/device/virtfn$vf/net/ens1f0v$vf" ] || exit 1; done' ||
        { remove_vfs "$1" && make_vfs_again "$1"; }
}

remove_vfs() { on_node "$1" 'echo 0 >/sys/class/net/ens1f0/device/sriov_numvfs; cut -d " " -f 1 /proc/uptime'; }

# allocatable NUMBER [RESOURCE]
allocatable() { cluster_kubectl get node "node$1" -o json | jq -r --arg resource "${2:-$resource}" '.status.allocatable[$resource] // "none"'; }

# has_allocatable NUMBER COUNT [RESOURCE]: prints what there is.
has_allocatable() {
    local seen
    seen=$(allocatable "$1" "${3:-$resource}")
    echo "$seen"
    [[ $seen == "$2" ]]
}

await_all_allocatable() {
    local number
    for ((number = 1; number <= nodes; number++)); do
        wait_until 120 "node$number offers 7 of $resource" has_allocatable "$number" 7
    done
}

# pinged NUMBER|legacy ADDRESS
pinged() { on_node "$1" '"$1" ping -c 2 -W 5 "$2"' "$box" "$2"; }
