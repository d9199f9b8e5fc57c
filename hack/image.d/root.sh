# shellcheck shell=bash
# What is in the image: the two programs, hardwired's helper, the distribution's libraries that they load, and what their
# licences ask for.
#
# Libraries are those of installed packages. Which are needed is read from the programs, as the loader reads it, so that
# another distribution's libudev (with libcap, say) is complete too.
# Relies on `fail` and $target of hack/image.
# shellcheck disable=SC2154

declare -A machine_of=([amd64]=x86_64 [arm64]=aarch64)
declare -A loader_of=([amd64]=/lib64/ld-linux-x86-64.so.2 [arm64]=/lib/ld-linux-aarch64.so.1)

# dist_of PLATFORM: where hack/build put its programs.
dist_of() {
    if [[ ${machine_of[$1]} == "$(uname -m)" ]]; then echo "$target/dist"; else echo "$target/dist-$1"; fi
}

# needed_by FILE: the names of the libraries that it says it needs.
needed_by() {
    LC_ALL=C readelf --dynamic --wide "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# libraries_of PLATFORM PROGRAM...: all that they load, directly or not, by name, without the loader.
libraries_of() {
    local folder=/usr/lib/${machine_of[$1]}-linux-gnu loader=${loader_of[$1]##*/}
    local -A seen=()
    local queue name program
    mapfile -t queue < <(for program in "${@:2}"; do needed_by "$program"; done)
    while [[ ${#queue[@]} -gt 0 ]]; do
        name=${queue[0]} queue=("${queue[@]:1}")
        [[ $name != "$loader" && -z ${seen[$name]:-} ]] || continue
        seen[$name]=1
        [[ -e $folder/$name ]] || fail "${*:2}: $name is needed, and $folder does not have it"
        mapfile -t -O "${#queue[@]}" queue < <(needed_by "$folder/$name")
    done
    printf '%s\n' "${!seen[@]}" | LC_ALL=C sort
}

# package_of FILE: the installed package that has it, which may know it by its name of before /lib became /usr/lib.
package_of() {
    local real name
    real=$(realpath "$1")
    for name in "$1" "$real" "${1#/usr}" "${real#/usr}"; do
        if dpkg-query --search "$name" 2>/dev/null | sed 's/: .*//; s/, .*//' | grep -m 1 .; then return; fi
    done
    fail "$1 belongs to no installed package, so that its version and licence cannot be told"
}

# put_file MODE FROM TO: with all folders above it open to everybody, whatever the umask.
put_file() {
    (umask 022 && mkdir -p "$(dirname "$3")")
    install -m "$1" "$2" "$3"
}

# make_roots PLATFORM DIRECTORY: DIRECTORY/libraries and DIRECTORY/programs, one folder for each layer, and
# DIRECTORY/packages, the versions of the distribution's packages.
make_roots() {
    local platform=$1 into=$2 dist folder=lib/${machine_of[$1]}-linux-gnu loader=${loader_of[$1]}
    local names library package packages=()
    dist=$(dist_of "$platform")
    (umask 022 && mkdir -p "$into/libraries" "$into/programs")

    # An assignment of its own, so that its failure ends the script.
    names=$(libraries_of "$platform" "$dist/hardwired" "$dist/hardwired-cluster")
    for library in $names; do
        put_file 0644 "/usr/$folder/$library" "$into/libraries/$folder/$library"
    done
    put_file 0755 "/usr/$folder/${loader##*/}" "$into/libraries$loader"
    for library in $names "${loader##*/}"; do
        package=$(package_of "/usr/$folder/$library")
        packages+=("$package")
        put_file 0644 "/usr/share/doc/${package%:*}/copyright" "$into/libraries/usr/share/doc/${package%:*}/copyright"
    done
    # shellcheck disable=SC2016  # dpkg-query's own variables
    dpkg-query --show --showformat '${Package} ${Version}\n' "${packages[@]}" | LC_ALL=C sort -u >"$into/packages"

    put_file 0755 "$dist/hardwired" "$into/programs/usr/bin/hardwired"
    put_file 0755 "$dist/hardwired-cluster" "$into/programs/usr/bin/hardwired-cluster"
    put_file 0755 "$dist/hardwire" "$into/programs/usr/bin/hardwire"
    put_file 0644 LICENSE "$into/programs/usr/share/doc/hardwire/LICENSE"
}
