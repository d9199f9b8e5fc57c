# shellcheck shell=bash
# The machine's services, each started again a second after it ended, as a node's init would.
# Relies on boot and its variables. Runs in the guest.
# shellcheck disable=SC2154

services=()

# service NAME COMMAND...: its process is in /run/node/NAME.pid, its output in /var/log/NAME.log.
service() {
    local service=$1
    shift
    services+=("$service")
    (
        trap - TERM
        while [[ ! -e /run/node/stopping ]]; do
            "$@" </dev/null >>"/var/log/$service.log" 2>&1 &
            echo $! >"/run/node/$service.pid"
            wait $! || true
            echo "--- $service has ended and is started again in 1 s" >>"/var/log/$service.log"
            sleep 1
        done
    ) &
}

# The last started is the first to end.
stop_services() {
    local index process waited
    : >/run/node/stopping
    for ((index = ${#services[@]} - 1; index >= 0; index--)); do
        process=$(<"/run/node/${services[index]}.pid")
        kill -TERM "$process" 2>/dev/null || continue
        waited=0
        while kill -0 "$process" 2>/dev/null && ((waited++ < 100)); do sleep 0.1; done
        kill -KILL "$process" 2>/dev/null || true
    done
    sync
}

start_logins() {
    mkdir -p /root/.ssh
    chmod 755 / /root
    chmod 700 /root/.ssh
    cp "$share/authorized_keys" /root/.ssh/authorized_keys
    chmod 600 /root/.ssh/authorized_keys
    cp "$share/dropbear-host-key" /run/node/dropbear-host-key
    # Not the shell that root has on this machine, which would read root's settings for it at each command.
    sed -i '/^root:/s|:[^:]*$|:/bin/sh|' /etc/passwd
    # No service of the node's: it is how a test reaches one whose services it ends.
    dropbear -F -E -s -m -r /run/node/dropbear-host-key -p "$address:22" >>/run/node/dropbear.log 2>&1 </dev/null &
}
