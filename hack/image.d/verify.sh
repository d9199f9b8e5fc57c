# shellcheck shell=bash
# The proof that an image depends on nothing but the commit, the compiler and the installed packages.
#
# Relies on `fail`, $output, $platforms and $work of hack/image.
# shellcheck disable=SC2154

# verify_two_clones: builds HEAD in two folders, and compares. The archive stays, and both where they differ.
verify_two_clones() {
    local head wanted=all both=("$work/one/hardwire" "$work/another/place/with a longer name") place
    [[ ${#platforms[@]} -gt 1 ]] || wanted=${platforms[0]}
    head=$(git rev-parse HEAD) || fail "--verify clones HEAD, and this folder is no git repository"
    for place in "${both[@]}"; do
        echo "hack/image: building ${head:0:12} in $place" >&2
        git clone --quiet . "$place"
        (umask 077 && cd "$place" && env --unset=CARGO_TARGET_DIR TZ=Asia/Kathmandu hack/image --platform "$wanted") >"$work/told"
        mv "$place/target/image/hardwire.tar" "$work/${#place}.tar"
        rm -rf "$place"
    done
    grep -E '^(index|linux/)' "$work/told"
    mkdir -p "$(dirname "$output")"
    if cmp "$work/${#both[0]}.tar" "$work/${#both[1]}.tar"; then
        mv "$work/${#both[0]}.tar" "$output"
        echo "$output: the same bytes from two clones, sha256 $(sha256sum <"$output" | cut -d ' ' -f 1)"
        return
    fi
    cp "$work/${#both[0]}.tar" "$output.one"
    cp "$work/${#both[1]}.tar" "$output.another"
    fail "two clones made different archives: compare $output.one with $output.another"
}
