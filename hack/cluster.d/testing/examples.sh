# shellcheck shell=bash
# The examples of deploy/, which are applied as they are, into the namespace that they name.
# Relies on control-plane.sh, installation.sh and expect.sh.
# shellcheck disable=SC2154

# apply_examples NAME...: files of deploy/examples, as they are.
apply_examples() {
    local name
    for name; do
        echo "$manifests/examples/$name.yaml" >>"$folder/applied"
        cluster_kubectl apply -f "$manifests/examples/$name.yaml"
    done
}

# await_example POD
await_example() {
    cluster_kubectl wait --for=condition=Ready "pod/$1" --timeout=600s >/dev/null ||
        fail "pod $1: expected it to run, saw: $(cluster_kubectl describe pod "$1" | tail -n 12; cluster_kubectl logs "$1" 2>&1 | tail -n 5)"
}

# await_log POD PATTERN: over its lines as one.
await_log() { wait_until 60 "the log of $1 matches '$2'" has_logged "$1" "$2"; }

has_logged() {
    local seen
    seen=$(cluster_kubectl logs "$1" | paste -s -d ' ')
    echo "$seen"
    [[ $seen =~ $2 ]]
}
