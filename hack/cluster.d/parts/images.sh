# shellcheck shell=bash
# The images that a cluster without a registry needs: the pause image, a busybox for pods, and Multus' daemon.
# Relies on cluster.sh, on gcc, and on $kernel, which has the distribution's static busybox.
# shellcheck disable=SC2154

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
    local file=$1 reference=$2 root=$3 command=$4 layout layer config manifest
    layout=$(mktemp -d "$root.oci.XXXXXX")
    mkdir -p "$layout/blobs/sha256"
    tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$layout/layer" .
    layer=$(blob "$layout" "$layout/layer")
    cat >"$layout/config" <<JSON
{"architecture": "amd64", "os": "linux", "config": {"Cmd": ["$command"], "Env": ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"]},
 "rootfs": {"type": "layers", "diff_ids": ["${layer%% *}"]}}
JSON
    config=$(blob "$layout" "$layout/config")
    cat >"$layout/manifest" <<JSON
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
 "config": $(descriptor application/vnd.oci.image.config.v1+json "$config"),
 "layers": [$(descriptor application/vnd.oci.image.layer.v1.tar "$layer")]}
JSON
    manifest=$(blob "$layout" "$layout/manifest")
    cat >"$layout/index.json" <<JSON
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
 "manifests": [$(descriptor application/vnd.oci.image.manifest.v1+json "$manifest" \
        ", \"annotations\": {\"io.containerd.image.name\": \"$reference\"}")]}
JSON
    echo '{"imageLayoutVersion": "1.0.0"}' >"$layout/oci-layout"
    tar -C "$layout" -cf "$file" oci-layout index.json blobs
    rm -r "$layout"
}

# blob LAYOUT FILE: moves the file to its place; prints its digest and its size.
blob() {
    local sum size
    sum=$(sha256sum "$2")
    size=$(stat -c %s "$2")
    mv "$2" "$1/blobs/sha256/${sum%% *}"
    echo "sha256:${sum%% *} $size"
}

# descriptor TYPE 'DIGEST SIZE' [MORE]
descriptor() { echo "{\"mediaType\": \"$1\", \"digest\": \"${2% *}\", \"size\": ${2#* }${3:-}}"; }
