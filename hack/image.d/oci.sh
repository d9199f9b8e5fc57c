# shellcheck shell=bash
# The image of hardwire: what it says of itself, its layers, and one index for all platforms.
# Relies on layout.sh, on `fail`, and on $version and $revision of hack/image.
# shellcheck disable=SC2154

descriptors=()

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
        pack "$from/$root" --mode='u=rwX,go=rX' >"$from/$root.tar"
        identities+=("$(digest_of "$from/$root.tar")")
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

# finish_layout FILE: the index of the platforms, and the archive.
finish_layout() {
    local index
    printf '%s\n' "${descriptors[@]}" |
        jq -csS --arg type "$media.index.v1+json" --arg version "$version" --arg revision "$revision" \
            '{schemaVersion: 2, mediaType: $type, manifests: ., annotations: {
                "org.opencontainers.image.version": $version, "org.opencontainers.image.revision": $revision}}' \
            >"$layout/platforms.json"
    index=$(add_blob "$layout/platforms.json" "$media.index.v1+json")
    write_archive "$1" "$index" "$(jq -cn --arg version "$version" '{
        "io.containerd.image.name": "docker.io/library/hardwire:\($version)",
        "org.opencontainers.image.ref.name": $version}')"
}

# What an image may have, compressed, in bytes. Nodes load it before any pod gets a device.
readonly largest_image=$((15 * 1048576))

# report FILE: digests, sizes, and what to do with it. Fails for an image that is too large.
report() {
    local platform digest size too_large=''
    echo "index $(jq -r '.manifests[0].digest' "$layout/index.json")"
    while read -r platform digest; do
        size=$(jq '([.layers[].size] | add) + .config.size' "$layout/blobs/sha256/${digest#sha256:}")
        printf '%s %s, %d.%02d MiB compressed\n' "$platform" "$digest" $((size / 1048576)) $((size % 1048576 * 100 / 1048576))
        [[ $size -le $largest_image ]] || too_large+=" $platform"
    done < <(printf '%s\n' "${descriptors[@]}" | jq -r '"\(.platform.os)/\(.platform.architecture) \(.digest)"')
    [[ -z $too_large ]] || fail "more than $((largest_image / 1048576)) MiB compressed, which no image of hardwire may have:$too_large"
    cat <<END
$1 is docker.io/library/hardwire:$version. What next:
  on each node:   ctr --namespace k8s.io images import $(basename "$1")      with containerd; CRI-O: README.md, "The image"
  or a registry:  skopeo copy --all oci-archive:$1 docker://REGISTRY/hardwire:$version
                  and its name in deploy/base/kustomization.yaml, below images
  then:           kubectl apply -k deploy/
END
}
