# shellcheck shell=bash
# Starts what is in the image, of the other platform under qemu-user, with nothing of this machine's libraries.
#
# hardwired and its helper print their help, and hardwired checks deploy/'s configuration in a root file system that is the image's. hardwire attaches
# a veth to a namespace and detaches it, through the kernel of this machine: qemu-user translates the netlink messages.
# Relies on `fail`, $work, and of root.sh ${machine_of[@]} and ${loader_of[@]}.
# shellcheck disable=SC2154

# try_platform PLATFORM DIRECTORY: DIRECTORY is what make_roots made.
try_platform() {
    local root=$work/try-$1 emulator=qemu-${machine_of[$1]}-static under=()
    mkdir "$root" "$root/sys"
    cp --recursive --preserve=mode "$2/libraries/." "$2/programs/." "$root"
    cp deploy/base/configmap.yaml "$root"
    if [[ ${machine_of[$1]} != "$(uname -m)" ]]; then
        command -v "$emulator" >/dev/null || fail "no $emulator: the package qemu-user-static has it"
        cp "$(command -v "$emulator")" "$root/emulator"
        under=(/emulator)
    fi
    echo "$1: ${under[*]:+$("$emulator" --version | head -n 1)}"
    unshare --net --mount bash -euo pipefail -c "$(declare -f in_namespaces attach); in_namespaces \"\$@\"" try "$root" "${under[@]}" ||
        fail "$1: the image's programs do not work"
}

# in_namespaces ROOT [EMULATOR]: in network and mount namespaces that end with it.
in_namespaces() {
    local root=$1 emulator=("${@:2}") network result
    # sysfs shows the links of the namespace in which it was mounted.
    mount -t sysfs sysfs /sys
    mount --bind /sys "$root/sys"
    mount -t tmpfs tmpfs /run
    chroot "$root" "${emulator[@]}" /usr/bin/hardwired --help | grep install-cni >/dev/null
    echo "  hardwired --help: ok"
    chroot "$root" "${emulator[@]}" /usr/bin/hardwired-cluster --help | grep -q KUBECONFIG
    echo "  hardwired-cluster --help: ok"
    chroot "$root" "${emulator[@]}" /usr/bin/hardwired check --config /configmap.yaml | sed 's/^/  hardwired check: /'

    ip netns add pod
    ip link add name wire type veth peer name spare
    ip link set dev wire up
    network='{"cniVersion": "1.0.0", "name": "try", "type": "hardwire", "device": "spare", "mtu": 1400,
        "ipam": {"type": "host-local", "dataDir": "/run/leases", "subnet": "10.80.0.0/24"}}'
    result=$(attach ADD "$network")
    ip -netns pod -oneline address show dev net1 | grep 'inet 10\.80\.0\.' >/dev/null
    ip -netns pod link show dev net1 | grep 'mtu 1400' >/dev/null
    echo "  hardwire ADD: ok, $(jq -r '.ips[0].address' <<<"$result") on $(jq -r '.interfaces[0].name' <<<"$result")"
    network=$(jq -c --argjson result "$result" '. + {prevResult: $result}' <<<"$network")
    attach CHECK "$network" >/dev/null
    echo "  hardwire CHECK: ok"
    attach DEL "$network" >/dev/null
    ip link show dev spare | grep 'mtu 1500' >/dev/null
    [[ -z $(ls /run/hardwire/attachments) ]]
    echo "  hardwire DEL: ok, the interface is back with its own name and MTU"
}

# attach VERB NETWORK: hardwire, as a runtime calls it. It sees this machine's files, IPAM's plugin among them.
attach() {
    CNI_COMMAND=$1 CNI_CONTAINERID=try CNI_NETNS=/run/netns/pod CNI_IFNAME=net1 CNI_PATH=/usr/lib/cni HARDWIRE_STATE_DIR=/run/hardwire \
        "${emulator[@]/#/$root}" "$root/usr/bin/hardwire" <<<"$2" 2>/run/log || {
        cat /run/log >&2
        return 1
    }
}
