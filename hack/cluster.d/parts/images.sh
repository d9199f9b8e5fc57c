# shellcheck shell=bash
# The images that a cluster without a registry needs: the pause image, a busybox for pods, and Multus' daemon.
# Relies on cluster.sh, on hack/image.d/layout.sh, on gcc, and on $kernel, which has the distribution's static busybox.
# shellcheck disable=SC1091,SC2034,SC2154

epoch=0
. "$repository/hack/image.d/layout.sh"

# write_images DIRECTORY: an OCI archive of each.
write_images() {
    local into=$1 work=$1/work name
    mkdir -p "$work/pause" "$work/busybox"/{bin,dev,etc,home,proc,root,sys,tmp,usr,var}
    gcc -static -Os -o "$work/pause/pause" "$cluster_d/images/pause.c"
    strip "$work/pause/pause"
    oci_archive "$into/pause.tar" "$pause_image" "$work/pause" /pause

    cp "$kernel/busybox" "$work/busybox/bin/busybox"
    # Not those of a shell's own, which would have a busybox without that applet answer.
    for name in $("$kernel/busybox" --list); do
        [[ $name == busybox ]] || ln -s busybox "$work/busybox/bin/$name"
    done
    chmod 1777 "$work/busybox/tmp"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$work/busybox/etc/passwd"
    echo 'root:x:0:' >"$work/busybox/etc/group"
    oci_archive "$into/busybox.tar" "$busybox_image" "$work/busybox" /bin/sh

    # Its program changes to the node's own root for what it runs.
    mkdir -p "$work/multus"/{etc,hostroot,run,tmp,var}
    cp "$(program multus-daemon)" "$work/multus/multus-daemon"
    # Runtimes say /var/run, and its user's name is looked up.
    ln -s ../run "$work/multus/var/run"
    echo 'root:x:0:0:root:/:/' >"$work/multus/etc/passwd"
    oci_archive "$into/multus-daemon.tar" "$multus_image" "$work/multus" /multus-daemon
    rm -r "$work"
}

# oci_archive FILE REFERENCE ROOT COMMAND: one layer, one platform.
oci_archive() {
    local reference=$2 work=$3.oci layer identity config manifest
    mkdir "$work"
    start_layout "$work/layout"
    pack "$3" >"$work/layer"
    identity=$(digest_of "$work/layer")
    layer=$(add_blob "$work/layer" "$media.layer.v1.tar")
    jq -cn --arg command "$4" --arg identity "$identity" '{
        architecture: "amd64", os: "linux",
        config: {Cmd: [$command], Env: ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"]},
        rootfs: {type: "layers", diff_ids: [$identity]}}' >"$work/config"
    config=$(add_blob "$work/config" "$media.config.v1+json")
    jq -cn --arg type "$media.manifest.v1+json" --argjson config "$config" --argjson layer "$layer" \
        '{schemaVersion: 2, mediaType: $type, config: $config, layers: [$layer]}' >"$work/manifest"
    manifest=$(add_blob "$work/manifest" "$media.manifest.v1+json")
    write_archive "$1" "$manifest" "$(jq -cn --arg name "$reference" '{"io.containerd.image.name": $name}')"
    rm -r "$work"
}
