# shellcheck shell=bash
# Runs tests one after the other, each in a process of its own, goes on after one that fails, and keeps what it takes to
# understand that one: $reports/GROUP.NAME/.
# Relies on cluster.sh, processes.sh, machines.sh, expect.sh, pods.sh and installation.sh.
# shellcheck disable=SC2154

reports=$cache/test
passed=0 failed=0 not_run=0 running_test=''
is_asked_to_end='' is_undoing=''

# tests_of FILE: its tests, in its order.
tests_of() { sed -nE 's/^test_([a-z0-9_]+)\(\).*/\1/p' "$1"; }

# in_own_process COMMAND...: its status in $status. A group of processes of its own, which can be ended as a whole.
in_own_process() {
    status=0
    set -m
    (
        set -eEuo pipefail
        shopt -s inherit_errexit
        trap 'unexpected "${BASH_SOURCE[0]##*/}" "$LINENO" "$BASH_COMMAND"' ERR
        "$@"
    ) >>"$folder/output" 2>&1 </dev/null &
    running_test=$!
    set +m
    # A signal ends the waiting, and not the process.
    while :; do
        status=0
        wait "$running_test" || status=$?
        kill -0 "$running_test" 2>/dev/null || break
    done
    running_test=''
}

# A command failed that no expectation was about.
unexpected() { [[ -s $folder/verdict ]] || echo "$1, line $2: failed: $3; $(tail -n 3 "$folder/output")" >"$folder/verdict"; }

end_running_test() {
    [[ -z $running_test ]] || kill -KILL -- "-$running_test" 2>/dev/null || true
}

# asked_to_end: the handler of signals. On a cluster that stays, what the test under way has changed is put back first, by whoever
# waits for it: bash cannot wait in a handler that came while it waited.
asked_to_end() {
    if [[ -z $running_test || -n $is_asked_to_end ]] || is_thrown_away; then
        say "ended"
        end_running_test
        exit 130
    fi
    is_asked_to_end=1
    say "ended: putting back what the test has changed, up to some minutes; once more, and it stays as it is"
    [[ -n $is_undoing ]] || end_running_test
}

# run_test GROUP NAME
run_test() {
    local name=$1/$2 since=$SECONDS
    folder=$reports/$1.$2
    attempt "$2"
    if [[ $status -ne 0 ]] && boot_what_lost_its_timer; then attempt "$2"; fi
    case $status in
        0)
            passed=$((passed + 1))
            echo "ok $name ($((SECONDS - since)) s)"
            ;;
        "$is_not_here")
            not_run=$((not_run + 1))
            echo "not run $name: $(<"$folder/verdict")"
            ;;
        *)
            failed=$((failed + 1))
            echo "FAILED $name ($((SECONDS - since)) s): $(cat "$folder/verdict" 2>/dev/null || tail -n 3 "$folder/output")"
            echo "    its logs: $folder"
            ;;
    esac
    [[ ! -s $folder/measured ]] || sed 's/^/    /' "$folder/measured"
}

# attempt NAME: the test and the cleaning up after it, which is a part of it; the status of the first that fails.
attempt() {
    local first
    rm -rf "$folder"
    mkdir -p "$folder"
    in_own_process "test_$1"
    first=$status
    note_failure
    [[ -z $is_asked_to_end ]] || first=0
    undo_test
    if [[ -n $is_asked_to_end ]]; then
        [[ $first -eq 0 ]] || say "not all of it could be put back, as $folder/output says: hack/cluster down, then up, makes a new cluster"
        exit 130
    fi
    status=$first
    [[ ! -e $folder/first ]] || mv "$folder/first" "$folder/verdict"
}

# undo_test: what follows the test of $folder; its first failure is $first, unless that is one already.
undo_test() {
    local command
    is_undoing=1
    in_own_process clean_up
    [[ $first -ne 0 ]] || { first=$status && note_failure; }
    if [[ -e $folder/afterwards ]]; then
        while read -r command; do
            in_own_process eval "$command"
            [[ $first -ne 0 ]] || { first=$status && note_failure; }
        done < <(tac "$folder/afterwards")
    fi
    is_undoing=''
}

# What the first failure was, however the rest fares.
note_failure() {
    # What was ended has not failed.
    [[ -z $is_asked_to_end ]] || return 0
    [[ $status -ne 0 ]] || { rm -f "$folder/verdict" && return; }
    [[ $status -eq $is_not_here ]] || (collect) || true
    [[ -e $folder/first || ! -s $folder/verdict ]] || cp "$folder/verdict" "$folder/first"
}

# A machine that ended so proves nothing. Fails if there is none.
boot_what_lost_its_timer() {
    local name found=1
    for name in $(node_names) legacy; do
        alive "$name" && continue
        has_lost_its_timer "$name" || continue
        say "the emulator lost the timer of a processor of $name: booting it, and running the test again, once"
        "$cluster_d/verbs/reboot" "$name" && found=0
    done
    return "$found"
}

# What a failed test leaves to be read, as far as it can be had.
collect() {
    local name pod
    {
        cluster_kubectl get nodes,pods,net-attach-def -A -o wide
        cluster_kubectl get events -A --sort-by .lastTimestamp | tail -n 100
        cluster_kubectl describe nodes
    } >"$folder/cluster.log" 2>&1 || true
    cluster_kubectl -n "$test_namespace" describe pods >"$folder/pods.log" 2>&1 || true
    for pod in $(cluster_kubectl get pods -A -l "$hardwire_pods" -o 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end}'); do
        cluster_kubectl -n "${pod%/*}" logs "${pod#*/}" --all-containers >"$folder/${pod#*/}.log" 2>&1 || true
        cluster_kubectl -n "${pod%/*}" exec "${pod#*/}" -- hardwired devices -o wide >"$folder/${pod#*/}.devices" 2>&1 || true
    done
    for name in $(node_names); do
        alive "$name" || { cp "$running/machines/$name/console" "$folder/$name.console" && continue; }
        on_machine "$name" sh -c 'tail -n 300 /var/log/kubelet.log /var/log/containerd.log /var/log/hardwire/*.log; dmesg | tail -n 60; ip -d link' \
            >"$folder/$name.log" 2>&1 </dev/null || true
    done
}
