# shellcheck shell=bash
# What a test says: that something is so, now or within a bound, and what it measured.
# Relies on $folder, the test's own, of run.sh.
# shellcheck disable=SC2154

# fail TEXT: ends the test. What was expected and what was seen belong into the text.
fail() {
    printf '%s\n' "$*" >"$folder/verdict"
    exit 1
}

# not_here TEXT: ends a test that this cluster is not made for.
readonly is_not_here=77
not_here() {
    printf '%s\n' "$*" >"$folder/verdict"
    exit "$is_not_here"
}

# measured TEXT: stands beside the result.
measured() { echo "$*" >>"$folder/measured"; }

# expect WHAT WANTED SEEN
expect() { [[ $3 == "$2" ]] || fail "$1: expected '$2', saw '$3'"; }

# expect_match WHAT PATTERN SEEN: an extended regular expression.
expect_match() { [[ $3 =~ $2 ]] || fail "$1: expected what matches '$2', saw '${3:0:1500}'"; }

# expect_at_most WHAT BOUND SEEN: numbers, decimal ones too.
expect_at_most() {
    [[ $3 =~ ^[0-9.]+$ ]] || fail "$1: expected a number, saw '$3'"
    awk -v seen="$3" -v bound="$2" 'BEGIN { exit !(seen + 0 <= bound + 0) }' || fail "$1: expected at most $2, saw $3"
}

# Emulated nodes beside compilers take many times as long as on an idle machine: what is only waited for gets that long.
readonly patience=5

# wait_until SECONDS WHAT COMMAND...: twice a second, until it succeeds; the seconds are an idle machine's. What it prints is what was seen.
wait_until() {
    local limit=$(($1 * patience)) what=$2 since=$SECONDS
    shift 2
    until "$@" >"$folder/seen" 2>&1 </dev/null; do
        ((SECONDS - since < limit)) || fail "$what: not within $limit s; seen last: $(tail -c 1500 "$folder/seen")"
        sleep 0.5
    done
}

# The time, as seconds with a fraction; and what has passed since then, to a tenth.
now() { date +%s.%N; }
since() { awk -v then="$1" -v now="$(now)" 'BEGIN { printf "%.1f", now - then }'; }

# afterwards COMMAND...: done after the test and its pods, the last one first, whatever became of it.
afterwards() { { printf '%q ' "$@" && echo; } >>"$folder/afterwards"; }
