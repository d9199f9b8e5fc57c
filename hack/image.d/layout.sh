# shellcheck shell=bash
# An OCI image layout, whose files are named by their digests, and the tar archive of it.
#
# Everything in it is written in one order, with one time and one owner, and JSON without spaces, so that the same content is
# the same bytes.
# Relies on $epoch, the time of all files in seconds since 1970, and on jq.
# shellcheck disable=SC2154

readonly media=application/vnd.oci.image

# start_layout DIRECTORY: sets $layout.
start_layout() {
    layout=$1
    (umask 022 && mkdir -p "$layout/blobs/sha256")
    printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
}

# pack DIRECTORY [OPTION...]: what is in it as a tar stream that says nothing of this machine.
pack() {
    (
        cd "$1" || exit
        shift
        shopt -s nullglob dotglob
        tar --create --format=ustar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner "$@" -- *
    )
}

digest_of() { echo "sha256:$(sha256sum <"$1" | cut -d ' ' -f 1)"; }

# add_blob FILE MEDIA-TYPE: moves it into the layout, and prints its descriptor.
add_blob() {
    local digest size
    digest=$(digest_of "$1")
    size=$(stat --format=%s "$1")
    mv "$1" "$layout/blobs/sha256/${digest#*:}"
    jq -cn --arg type "$2" --arg digest "$digest" --argjson size "$size" \
        '{mediaType: $type, digest: $digest, size: $size}'
}

# write_archive FILE DESCRIPTOR ANNOTATIONS: of the layout, whose index names that one thing; both are JSON.
write_archive() {
    jq -cnS --arg type "$media.index.v1+json" --argjson named "$2" --argjson annotations "$3" \
        '{schemaVersion: 2, mediaType: $type, manifests: [$named + {annotations: $annotations}]}' >"$layout/index.json"
    mkdir -p "$(dirname "$1")"
    pack "$layout" --mode='u=rwX,go=rX' >"$1.new"
    mv "$1.new" "$1"
}
