# shellcheck shell=bash
# The archive: an OCI image layout, whose files are named by their digests, in a tar file.
#
# Everything in it is written in one order, with one time, one owner and fixed modes, and JSON without spaces, so that the
# same content is the same bytes.
# Relies on `fail`, $epoch, $version and $revision of hack/image.
# shellcheck disable=SC2154

readonly media=application/vnd.oci.image

start_layout() {
    layout=$1 descriptors=()
    (umask 022 && mkdir -p "$layout/blobs/sha256")
    printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
}

# pack DIRECTORY: what is in it as a tar stream that says nothing of this machine.
pack() {
    (
        cd "$1" || exit
        shopt -s nullglob dotglob
        tar --create --format=ustar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' -- *
    )
}

# add_blob FILE MEDIA-TYPE: moves it into the layout, and prints its descriptor.
add_blob() {
    local digest size
    digest=$(sha256sum <"$1" | cut -d ' ' -f 1)
    size=$(stat --format=%s "$1")
    mv "$1" "$layout/blobs/sha256/$digest"
    jq -cn --arg type "$2" --arg digest "sha256:$digest" --argjson size "$size" \
        '{mediaType: $type, digest: $digest, size: $size}'
}

# labels DIRECTORY: what an image says of itself, as labels and as annotations alike.
labels() {
    jq -cnS --arg version "$version" --arg revision "$revision" --arg compiler "$(rustc --version)" \
        --arg packages "$(paste -sd , "$1/packages" | sed 's/,/, /g')" '{
        "org.opencontainers.image.title": "hardwire",
        "org.opencontainers.image.description":
            "SR-IOV VFs and host NICs for Kubernetes pods: the device plugin hardwired and the CNI plugin hardwire",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.version": $version,
        "org.opencontainers.image.revision": $revision,
        "hardwire.compiler": $compiler,
        "hardwire.packages": $packages
    }'
}

# add_image PLATFORM DIRECTORY: its two layers, the libraries below since they change less often, its configuration and
# its manifest.
add_image() {
    local from=$2 root layers=() identities=() where config said created
    for root in libraries programs; do
        pack "$from/$root" >"$from/$root.tar"
        identities+=("sha256:$(sha256sum <"$from/$root.tar" | cut -d ' ' -f 1)")
        gzip --no-name --best <"$from/$root.tar" >"$from/$root.tar.gz"
        layers+=("$(add_blob "$from/$root.tar.gz" "$media.layer.v1.tar+gzip")")
    done
    said=$(labels "$from")
    created=$(date --utc --date "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
    where='{"architecture": "amd64", "os": "linux"}'
    [[ $1 == amd64 ]] || where='{"architecture": "arm64", "os": "linux", "variant": "v8"}'
    jq -cnS --argjson where "$where" --arg created "$created" --argjson labels "$said" '$where + {
        created: $created,
        config: {
            User: "0:0", WorkingDir: "/", Env: ["PATH=/usr/bin"], Entrypoint: ["/usr/bin/hardwired"], Cmd: ["run"], Labels: $labels
        },
        rootfs: {type: "layers", diff_ids: $ARGS.positional},
        history: ["libraries of the distribution", "programs"] | map({created: $created, created_by: "hack/image: \(.)"})
    }' --args "${identities[@]}" >"$from/config.json"
    config=$(add_blob "$from/config.json" "$media.config.v1+json")
    printf '%s\n' "${layers[@]}" |
        jq -csS --arg type "$media.manifest.v1+json" --argjson config "$config" --argjson labels "$said" \
            '{schemaVersion: 2, mediaType: $type, config: $config, layers: ., annotations: $labels}' >"$from/manifest.json"
    descriptors+=("$(add_blob "$from/manifest.json" "$media.manifest.v1+json" |
        jq -c --argjson where "$where" '. + {platform: $where}')")
}

# finish_layout FILE: the index of the platforms, the layout's own index that names it, and the archive.
finish_layout() {
    local index
    printf '%s\n' "${descriptors[@]}" |
        jq -csS --arg type "$media.index.v1+json" --arg version "$version" --arg revision "$revision" \
            '{schemaVersion: 2, mediaType: $type, manifests: ., annotations: {
                "org.opencontainers.image.version": $version, "org.opencontainers.image.revision": $revision}}' \
            >"$layout/platforms.json"
    index=$(add_blob "$layout/platforms.json" "$media.index.v1+json")
    jq -cnS --arg type "$media.index.v1+json" --argjson index "$index" --arg version "$version" \
        '{schemaVersion: 2, mediaType: $type, manifests: [$index + {annotations: {
            "io.containerd.image.name": "docker.io/library/hardwire:\($version)",
            "org.opencontainers.image.ref.name": $version}}]}' >"$layout/index.json"
    mkdir -p "$(dirname "$1")"
    pack "$layout" >"$1.new"
    mv "$1.new" "$1"
}

# report FILE: digests, sizes, and what to do with it.
report() {
    local platform digest size
    echo "index $(jq -r '.manifests[0].digest' "$layout/index.json")"
    while read -r platform digest; do
        size=$(jq '([.layers[].size] | add) + .config.size' "$layout/blobs/sha256/${digest#sha256:}")
        printf '%s %s, %d.%02d MiB compressed\n' "$platform" "$digest" $((size / 1048576)) $((size % 1048576 * 100 / 1048576))
    done < <(printf '%s\n' "${descriptors[@]}" | jq -r '"\(.platform.os)/\(.platform.architecture) \(.digest)"')
    cat <<END
$1 is docker.io/library/hardwire:$version. What next:
  on each node:   ctr --namespace k8s.io images import $(basename "$1")
  or a registry:  skopeo copy --all oci-archive:$1 docker://REGISTRY/hardwire:$version
                  and its name in deploy/base/kustomization.yaml, below images
  then:           kubectl apply -k deploy/
END
}
