# shellcheck shell=bash
# The cluster's processes: started in its namespace, on record with the time of their start, and ended by that record alone.
# A number without that time may be another process's by now.
# Relies on cluster.sh.
# shellcheck disable=SC2154

# The start time of a process in clock ticks, which with its number names it for as long as the machine is up.
start_time() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The name in parentheses may have spaces.
    awk '{ print $20 }' <<<"${stat##*) }"
}

# start NAME COMMAND...: in the background, in a session of its own, for it to outlive this one. It writes its own record
# before it becomes the command, so that there is no instant at which it runs unrecorded.
start() {
    local name=$1
    shift
    # That of one before it, which has ended.
    rm -f "$processes/$name" "$processes/$name.new"
    # shellcheck disable=SC2016  # expanded by that shell
    setsid nsenter --net="/run/netns/$namespace" bash -c '
        stat=$(</proc/$$/stat)
        read -ra fields <<<"${stat##*) }"
        echo "$$ ${fields[19]}" >"$1.new" && mv "$1.new" "$1" || exit 1
        shift
        # A lock of whoever called up is not for the process to hold.
        for open in /proc/$$/fd/*; do
            [[ ${open##*/} -le 2 ]] || eval "exec ${open##*/}>&-"
        done
        exec "$@"' start "$processes/$name" "$@" </dev/null >>"$logs/$name.log" 2>&1 &
    local waited=0
    until [[ -e $processes/$name ]]; do
        sleep 0.05
        ((waited++ < 200)) || die "$name was not started within 10 s"
    done
}

# alive NAME: is the process of that record still the one that was started?
alive() {
    local number since
    read -r number since 2>/dev/null <"$processes/$1" || return 1
    [[ $(start_time "$number") == "$since" ]] && [[ $(awk '{ print $3 }' "/proc/$number/stat" 2>/dev/null) != Z ]]
}

# end NAME: the process, at once, and its record.
end() {
    local number since waited=0
    if alive "$1"; then
        read -r number since <"$processes/$1"
        kill -KILL "$number" 2>/dev/null || true
        while alive "$1" && ((waited++ < 200)); do sleep 0.05; done
        ! alive "$1" || die "$1 (process $number) does not end"
    fi
    rm -f "$processes/$1"
}

# need_alive NAME...: dies, with the end of its log, when one has ended.
need_alive() {
    local name
    for name; do
        alive "$name" && continue
        tail -n 20 "$logs/$name.log" >&2 || true
        [[ ! -s $running/machines/$name/console ]] || tail -n 20 "$running/machines/$name/console" >&2
        [[ ! -d $running/machines/$name ]] || die "$name has ended, as its console above says; hack/cluster reboot $name boots it again"
        die "$name has ended; the end of its log is above"
    done
}
