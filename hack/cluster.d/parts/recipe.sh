# shellcheck shell=bash
# How one project is built with Go. What is in this file is part of the name of what it built.
#
# Each project is a tool dependency of a small module of ours, made here: one module for all of them would have to agree on
# the versions of what they share.
# Relies on go, and on programs.sh.
# shellcheck disable=SC2154

# build_project FOLDER NAME MODULE VERSION PACKAGES
build_project() {
    local into=$1 name=$2 module=$3 version=$4 work log failed package path flags='-s -w' tags=''
    read -ra packages <<<"$5"
    mkdir -p "$cache/programs"
    rm -rf "$cache/programs/work.$name"*
    work=$cache/programs/work.$name
    mkdir -p "$work/module" "$work/bin"
    log=$work/log
    # Not as part of a condition, in which a step that fails would be passed over.
    set +e
    (
        set -e
        cd "$work/module"
        export GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0
        go mod init "hardwire.invalid/cluster/$name"
        [[ $name != kubernetes ]] || replace_staging "$module" "$version"
        for package in "${packages[@]}"; do
            path=${package%=*}
            [[ $path == . ]] && path=$module || path=$module/$path
            go get -tool "$path@$version"
        done
        case $name in
            kubernetes) flags+=$(kubernetes_stamp "$version") ;;
            containerd)
                # Each would need a library of C.
                tags=no_btrfs,no_devmapper,no_zfs
                flags+=" -X github.com/containerd/containerd/v2/version.Version=$version"
                ;;
        esac
        for package in "${packages[@]}"; do
            path=${package%=*}
            if [[ $path == . ]]; then path=$module; else path=$module/$path; fi
            go build -trimpath -tags "$tags" -ldflags "$flags" -o "$work/bin/$(basename "${package#*=}")" "$path"
        done
    ) >"$log" 2>&1 </dev/null
    failed=$?
    set -e
    for package in "${packages[@]}"; do
        [[ -x $work/bin/$(basename "${package#*=}") ]] || failed=1
    done
    [[ $failed -eq 0 ]] || { tail -n 20 "$log" >&2 && die "$name $version could not be built; the whole log: $log"; }
    mv "$work/bin" "$into"
    rm -rf "$work"
}

# Kubernetes replaces its staging modules by folders that a download lacks; each is published under a number of its own.
replace_staging() {
    local module=$1 version=$2 definition staging
    definition=$(go mod download -json "$module@$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
    while read -r staging; do
        go mod edit -replace "$staging=$staging@v0.${version#v1.}"
    done < <(sed -nE 's#^(replace)?[[:space:]]*([^ ]+) => \./staging/.*#\2#p' "$definition")
}

# Without it clients and the version check of kubelet and API server see v0.0.0-master.
kubernetes_stamp() {
    local version=$1 package major minor
    IFS=. read -r major minor _ <<<"${version#v}"
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        printf ' -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s' \
            "$package" "$version" "$package" "$major" "$package" "$minor"
    done
}
