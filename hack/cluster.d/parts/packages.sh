# shellcheck shell=bash
# What the cluster needs of the distribution beside what hack/vm sees to itself. The nodes show this machine's files, so what
# a kubelet or a CNI plugin calls is installed here; runc is only unpacked, as an engine of this machine may have its own.
# Relies on hack/vm.d/packages.sh and on cluster.sh.
# shellcheck disable=SC2154

# What must be there -> the package that has it.
readonly cluster_needs=(
    "/usr/bin/dropbearkey dropbear-bin"
    "/usr/bin/openssl openssl"
    "/usr/bin/jq jq"
    "/usr/sbin/mkfs.ext4 e2fsprogs"
    "/usr/sbin/iptables iptables"
    "/usr/sbin/ethtool ethtool"
    "/usr/lib/x86_64-linux-gnu/libseccomp.so.2 libseccomp2"
)

install_packages() {
    local entry path package missing=()
    for entry in "${cluster_needs[@]}"; do
        read -r path package <<<"$entry"
        # Where /bin is no link to /usr/bin, some are there.
        [[ -e $path || -e ${path#/usr} ]] || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    step "installing ${missing[*]}"
    mkdir -p "$cache"
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install --yes \
        --no-remove --no-install-recommends "${missing[@]}"; } >"$cache/apt.log" 2>&1 </dev/null; then
        tail -n 20 "$cache/apt.log" >&2
        die "apt-get could not install ${missing[*]}"
    fi
}

# Sets $runc.
unpack_runc() {
    local folder
    folder=$cache/programs/runc-$(hash_of /etc/os-release)
    runc=$folder/runc
    [[ ! -x $runc ]] || return 0
    step "unpacking the distribution's runc"
    local work
    work=$(mktemp -d "$cache/work.XXXXXX")
    unpack "$work/files" runc
    mkdir -p "$folder"
    find "$work/files" -type f -path '*/sbin/runc' -exec cp {} "$folder/runc.new" \;
    mv "$folder/runc.new" "$runc"
    rm -rf "$work"
}
