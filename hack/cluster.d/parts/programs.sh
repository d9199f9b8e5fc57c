# shellcheck shell=bash
# The programs that no distribution has in these versions, built with Go once into the cache:
#   programs/NAME-VERSION-KEY/PROGRAM...    KEY is the hash of what is built and how
# Relies on recipe.sh, on go, and on cluster.sh.
# shellcheck disable=SC2154

readonly versions_file=$cluster_parts/../versions

# Lines of NAME MODULE VERSION PACKAGE...
projects() { grep -vE '^(#|$)' "$versions_file"; }

# project_folder NAME: where the programs of a project are, or will be.
project_folder() {
    local line version
    line=$(projects | awk -v name="$1" '$1 == name')
    version=$(awk '{ print $3 }' <<<"$line")
    echo "$cache/programs/$1-$version-$(cat <(echo "$line") "$cluster_parts/recipe.sh" | sha256sum | cut -c 1-12)"
}

# program NAME: the path of a built program.
program() {
    local found
    for found in "${program_folders[@]}"; do
        [[ ! -x $found/$1 ]] || { echo "$found/$1" && return; }
    done
    die "there is no program $1 in $cache/programs"
}

# Sets $program_folders.
find_programs() {
    local name
    program_folders=()
    while read -r name _; do program_folders+=("$(project_folder "$name")"); done < <(projects)
}

# Builds what is missing, under the lock of the cache; sets $program_folders.
build_programs() {
    local name module version packages folder missing=()
    find_programs
    while read -r name _; do
        [[ -d $(project_folder "$name") ]] || missing+=("$name")
    done < <(projects)
    [[ ${#missing[@]} -gt 0 ]] || return 0
    need_go
    step "building ${missing[*]} with Go, once: about a quarter of an hour on two idle processors, and several GB in the caches of Go"
    while read -r name module version packages; do
        folder=$(project_folder "$name")
        [[ ! -d $folder ]] || continue
        step "building $name $version"
        build_project "$folder" "$name" "$module" "$version" "$packages"
    done < <(projects)
}

need_go() {
    command -v go >/dev/null || die "there is no go in PATH: Kubernetes, containerd and the others are built with it (1.26 or newer)"
    local version
    version=$(go env GOVERSION)
    [[ $version =~ ^go1\.([0-9]+) && ${BASH_REMATCH[1]} -ge 21 ]] ||
        die "go is $version: needed is 1.26 or newer, or 1.21 or newer that may fetch a newer toolchain (GOTOOLCHAIN=auto)"
}
