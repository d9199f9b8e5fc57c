# shellcheck shell=bash
# How the tour speaks: a chapter says what is shown, a command is shown as it would be typed and then run, and what must be in
# its output is looked for.
# Relies on $work, a folder of its own.
# shellcheck disable=SC2154

chapters=0 chapter=start
bold='' plain=''
[[ ! -t 1 ]] || { bold=$'\e[1m' plain=$'\e[0m'; }

# chapter TITLE SENTENCE: what comes next, and what to look at.
chapter() {
    chapters=$((chapters + 1)) chapter=$1
    printf '\n%s%2d. %s%s\n' "$bold" "$chapters" "$1" "$plain"
    fold -s -w 116 <<<"${2//$'\n'/ }" | sed 's/^/    /; s/ $//'
}

# run COMMAND: as a person would type it. Its output is in $work/output too.
run() {
    local begun=$SECONDS status=0
    printf '\n    %s$ %s%s\n' "$bold" "$1" "$plain"
    { eval "$1" </dev/null 2>&1 | tee "$work/output" | sed -u 's/^/    /'; } || status=$?
    [[ $((SECONDS - begun)) -lt 2 ]] || echo "    ($((SECONDS - begun)) s)"
    [[ $status -eq 0 ]] || fail "the command above failed"
}

# see PATTERN SENTENCE: the last command's output has a line like that, or the sentence says what is missing.
see() { grep -qE -e "$1" "$work/output" || fail "$2"; }

fail() {
    printf '\nFAILED in step %s, %s: %s\n' "$chapters" "$chapter" "$1" >&2
    [[ ! -e $running/settings || -e $running/up ]] || what_there_is >&2 || true
    exit 1
}

# What a person would look at next.
what_there_is() {
    local cluster=$repository/hack/cluster
    echo "--- pods" && "$cluster" kubectl get pods -A -o wide
    echo "--- the last events" && "$cluster" kubectl get events -A --sort-by=.lastTimestamp | tail -n 15
    echo "--- hardwired" && "$cluster" kubectl -n kube-system logs -l app.kubernetes.io/name=hardwire -c hardwired --prefix --tail 15
}
