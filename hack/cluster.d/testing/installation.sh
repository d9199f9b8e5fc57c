# shellcheck shell=bash
# hardwire on the cluster: its image, the manifests of deploy/, and what the daemon says.
# Relies on control-plane.sh, nodes.sh, pods.sh and expect.sh.
# shellcheck disable=SC2154,SC2016  # scripts are expanded on the node

readonly hardwire_pods=app.kubernetes.io/name=hardwire
readonly manifests=$repository/deploy
# Of the DaemonSet, wherever a variant puts it.
installed_as=kube-system/hardwired container=hardwired

# make_image: the archive, unless there is one of this commit that is younger than what it is made of.
make_image() {
    local newer revision
    image=${CARGO_TARGET_DIR:-$repository/target}/image/hardwire.tar
    if [[ -e $image ]]; then
        # What was built may be of other files than these, which a checkout leaves older than the image.
        revision=$(revision_of "$image")
        newer=$(cd "$repository" && find Cargo.lock Cargo.toml cni pci proto device-plugin hack/build hack/image hack/image.d \
            -newer "$image" -type f -print -quit)
        [[ -n $newer || $revision != "$("$repository/hack/build" --revision)" ]] || return 0
        step "the image is ${newer:+older than $newer, }of the commit ${revision:0:12}"
    fi
    step "making the image"
    (cd "$repository" && hack/image --platform amd64) >"$reports/image.log" 2>&1 ||
        { tail -n 20 "$reports/image.log" >&2 && die "hack/image failed; its whole output: $reports/image.log"; }
}

# revision_of ARCHIVE: the commit that it was made of, as its index says; nothing of an archive that says none.
revision_of() {
    local index
    index=$(tar -xOf "$1" index.json | jq -r '.manifests[0].digest | sub(":"; "/")')
    tar -xOf "$1" "blobs/$index" | jq -r '.annotations["org.opencontainers.image.revision"] // ""'
}

# load_image: on every node; $is_new says that one had another or none.
load_image() {
    local digest name
    is_new=''
    digest=$(tar -xOf "$image" index.json | jq -r '.manifests[0].digest')
    for name in $(node_names); do
        on_machine "$name" ctr -n k8s.io images ls </dev/null | grep -F "$digest" >/dev/null || is_new=1
    done
    [[ -z $is_new ]] || "$cluster_d/verbs/load-image" "$image"
}

# Examples name a busybox that a registry would have; the nodes have one under another tag.
name_example_image() {
    local wanted name
    while read -r wanted; do
        [[ $wanted != "$busybox_image" ]] || continue
        for name in $(node_names); do
            on_machine "$name" ctr -n k8s.io images tag --force "$busybox_image" "$wanted" </dev/null >/dev/null
        done
    done < <(grep -rhoE 'image: [^ ]*busybox[^ ]*' "$manifests/examples" | sed 's/image: //' | sort -u)
}

# apply VARIANT: a folder below deploy/, or `.`; waits for its pods.
apply() {
    cluster_kubectl apply -k "$manifests/$1"
    await_rollout
}

await_rollout() { wait_until 180 "every node has a ready pod of the DaemonSet $installed_as" is_rolled_out; }

is_rolled_out() {
    local seen
    seen=$(cluster_kubectl -n "${installed_as%/*}" get daemonset "${installed_as#*/}" -o json |
        jq -r '"\(.status.observedGeneration == .metadata.generation) \(.status.numberReady) \(.status.updatedNumberScheduled // 0)"')
    echo "observed, ready, updated: $seen"
    [[ $seen == "true $nodes $nodes" ]]
}

# Variants of deploy/ in the base's place, and the replaced pair: of tests whose process was killed.
remove_what_killed_runs_left() {
    local place
    while read -r place; do
        cluster_kubectl -n "${place%/*}" delete daemonset "${place#*/}" --timeout=600s
    done < <(cluster_kubectl get daemonsets -A -o json | jq -r --arg image "$replaced_image" '.items[] |
        select(.metadata.labels["app.kubernetes.io/name"] == "hardwire" or .spec.template.spec.containers[0].image == $image) |
        "\(.metadata.namespace)/\(.metadata.name)" | select(. != "kube-system/hardwired")')
}

# remove VARIANT: and waits until its pods are gone.
remove() {
    cluster_kubectl delete -k "$manifests/$1" --ignore-not-found --timeout=600s
    cluster_kubectl -n "${installed_as%/*}" wait --for=delete pod -l "$hardwire_pods" --timeout=600s
}

# replace_installation_by VARIANT [DAEMON_SET CONTAINER]: for this test.
replace_installation_by() {
    echo "$*" >"$folder/variant"
    remove .
    installed_as=${2:-$installed_as} container=${3:-$container}
    apply "$1"
}

# What a test has put in the place of deploy/ is replaced again.
restore_installation() {
    local variant daemon_set in_it
    [[ -s $folder/variant ]] || return 0
    read -r variant daemon_set in_it <"$folder/variant"
    installed_as=${daemon_set:-$installed_as} container=${in_it:-$container}
    remove "$variant"
    installed_as=kube-system/hardwired container=hardwired
    apply .
    await_all_allocatable
}

# A kubelet looks at a pod's ConfigMaps once a minute, and at once when the pod is changed.
notice_config_map() {
    cluster_kubectl -n kube-system annotate pods -l "$hardwire_pods" --overwrite "hardwire-test/at=$(now)" >/dev/null
}

# restore_base: after a test that changed objects of it.
restore_base() {
    apply .
    notice_config_map
    wait_until 120 "node1 is wholly configured" is_wholly_configured
    await_all_allocatable
}
is_wholly_configured() {
    cluster_kubectl get nnd node1 -o json | jq -e '.status.conditions[] | select(.type == "Configured").status == "True"'
}

# daemon_on NUMBER: the name of its pod.
daemon_on() {
    cluster_kubectl -n "${installed_as%/*}" get pods -l "$hardwire_pods" --field-selector "spec.nodeName=node$1,status.phase=Running" \
        -o 'jsonpath={.items[0].metadata.name}'
}

# hardwired_on NUMBER ARGUMENT...: in the daemon's container.
hardwired_on() {
    cluster_kubectl -n "${installed_as%/*}" exec "$(daemon_on "$1")" -c "$container" -- hardwired "${@:2}"
}

# devices NUMBER FILTER...: of what `hardwired devices` says there, by jq.
devices() {
    local number=$1
    shift
    cluster_kubectl -n "${installed_as%/*}" exec "$(daemon_on "$number")" -c "$container" -- hardwired devices --json | jq "$@"
}

# held_on NUMBER: which device is whose, by the kubelet and by the journal.
held_on() { devices "$1" -r '.devices[] | select(.pod != null) | "\(.device) \(.namespace)/\(.pod) \(.interface) \(.healthy)"'; }
is_held_on() { diff <(echo "$2") <(held_on "$1"); }

# has_devices NUMBER FILTER: a jq expression over the list that must be true; prints the list.
has_devices() {
    devices "$1" -c '.devices[]'
    devices "$1" -e ".devices | $2" >/dev/null
}

# nothing_leaked NUMBER: all VFs are free, healthy and offered.
nothing_leaked() {
    has_devices "$1" "map(select(.vf != null)) | length == 7 and all(.pod == null and .network == null and .healthy == true and .pool == \"$resource\")"
}

# told_after NUMBER COUNT UPTIME: how many seconds after that uptime of the node its daemon had COUNT healthy devices in its
# list, which the kubelet gets at once.
told_after() {
    on_node "$1" '
        waited=0
        until "$1" wget -qO- http://127.0.0.1:9808/metrics 2>/dev/null |
            grep -q "^hardwired_devices{.*resource=\"$2\".*state=\"healthy\".*} $3\$"; do
            sleep 0.05; waited=$((waited + 1)); [ $waited -lt 600 ] || exit 1
        done
        awk -v since="$4" "{ printf \"%.2f\", \$1 - since }" /proc/uptime' "$box" "$resource" "$2" "$3"
}
