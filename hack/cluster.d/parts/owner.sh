# shellcheck shell=bash
# Whose the cluster is that runs: a verb that makes one for itself ends that one, and none that somebody else made meanwhile.
# Relies on cluster.sh.
# shellcheck disable=SC2154

owner=''

# own_what_comes_up: what an `up` of this process makes from now on is this process's.
own_what_comes_up() {
    owner=$(</proc/sys/kernel/random/uuid)
    export HARDWIRE_CLUSTER_OWNER=$owner
}

is_own_cluster() { [[ -n $owner && $(cat "$running/owner" 2>/dev/null) == "$owner" ]]; }

# Also after an `up` that failed, since another's came first.
end_own_cluster() {
    if is_own_cluster; then "$cluster_d/verbs/down" || true; fi
}
