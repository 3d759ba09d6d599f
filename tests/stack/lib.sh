# The embedded stack and the three programs as background processes of a run folder. Sourced by up, down,
# logs, demo and the end-to-end tests.
# shellcheck shell=bash
#
# run folder: <name>.pid, <name>.began, <name>.log, stack.env (what devstack prints); there while everything is up:
# asked (what for), env (what users source).

stack_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${VARIANT:=release}"
stack_bin=$stack_root/build/$VARIANT

# poll SECONDS WHAT COMMAND...: until the command succeeds.
stack_poll() {
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + seconds))
    until "$@"; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "stack: $what did not come within $seconds s" >&2
            return 1
        fi
        sleep 0.02
    done
}

# When a process began, in clock ticks since boot: with its id, a name that is not used again.
stack_began() { # PID
    awk '{sub(/.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null
}

stack_note_pid() { # RUN NAME PID
    echo "$3" >"$1/$2.pid"
    stack_began "$3" >"$1/$2.began" || true
}

# A zombie has ended: its parent, which may be init, is only slow to say so. After a reboot the id may be another's.
stack_alive() { # RUN NAME
    local pid
    pid=$(cat "$1/$2.pid" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null &&
        [ "$(cat "$1/$2.began" 2>/dev/null)" = "$(stack_began "$pid")" ] &&
        ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null
}

# Starts a program; its admin port is chosen by the system and read from its log. Each in a session of its own:
# Ctrl-C is for the script, which ends them in order; one that reached all at once would end devstack first.
stack_start() { # RUN NAME PROGRAM
    local run=$1 name=$2 program=$3
    (
        cd "$stack_root" || exit 1
        DELAYLINE_ADMIN_ADDRESS=127.0.0.1:0 exec setsid "$stack_bin/$program" >>"$run/$name.log" 2>&1 </dev/null
    ) &
    stack_note_pid "$run" "$name" $!
    disown $!
}

stack_admin_port() { # RUN NAME
    sed -n 's/.*"event":"admin_listening".*"port":\([0-9]*\).*/\1/p' "$1/$2.log" | tail -1
}

stack_is_ready() { # RUN NAME
    local port
    stack_alive "$1" "$2" || {
        echo "stack: $2 has ended; its last lines:" >&2
        tail -5 "$1/$2.log" >&2
        exit 1
    }
    port=$(stack_admin_port "$1" "$2")
    [ -n "$port" ] && curl -sf -m 2 -o /dev/null "http://127.0.0.1:$port/readyz"
}

stack_metric() { # RUN NAME METRIC: its value, summed over its labels
    curl -sf -m 2 "http://127.0.0.1:$(stack_admin_port "$1" "$2")/metrics" |
        awk -v name="$3" '{split($1, part, "{")} part[1] == name {sum += $2} END {print sum + 0}'
}

# Every partition of the delay topics has a router, and every router has one: the group is settled.
stack_group_is_settled() { # RUN ROUTERS
    local total=0 own i
    [ "$2" -gt 0 ] || return 0
    for ((i = 1; i <= $2; i++)); do
        own=$(stack_metric "$1" "router-$i" delayline_kafka_partitions_assigned)
        [ "$own" -gt 0 ] || [ "$2" -gt "$DELAYLINE_STACK_DELAY_PARTITIONS" ] || return 1
        total=$((total + own))
    done
    [ "$total" -eq "$DELAYLINE_STACK_DELAY_PARTITIONS" ]
}

# What would lead the programs elsewhere, or sign with half of somebody's real keys.
stack_foreign=(AWS_SESSION_TOKEN AWS_PROFILE AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE AWS_ENDPOINT_URL_SQS
    AWS_ENDPOINT_URL_DYNAMODB AWS_ENDPOINT_URL_STS AWS_IGNORE_CONFIGURED_ENDPOINT_URLS AWS_USE_FIPS_ENDPOINT
    AWS_USE_DUALSTACK_ENDPOINT)

# The servers: devstack, or for STACK_SERVERS=native those that tests/native has started.
stack_servers_up() { # RUN
    local run=$1 name
    for name in "${stack_foreign[@]}"; do
        [ -z "${!name:-}" ] || echo "stack: without $name of the environment" >&2
        unset "$name"
    done
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
    # shellcheck disable=SC2046 # names of replicas that an earlier stack had
    unset $(compgen -v DELAYLINE_STACK_ADMIN_)
    if [ "${STACK_SERVERS:-embedded}" = native ]; then
        # shellcheck source=tests/native/lib.sh
        . "$stack_root/tests/native/lib.sh"
        native_stack_up
        return
    fi
    setsid "$stack_bin/devstack" --env "$run/stack.env" >"$run/devstack.log" 2>&1 </dev/null &
    stack_note_pid "$run" devstack $!
    disown $!
    stack_poll 10 devstack grep -qsx ready "$run/devstack.log"
    # shellcheck disable=SC1091
    . "$run/stack.env"
}

# What an up was asked for, in the words that ask for it.
stack_asked() { # ROUTERS SCHEDULERS RELAYS
    [ "${STACK_SERVERS:-embedded}" = embedded ] || printf 'SQS=%s ' "${SQS:-localstack}"
    echo "VARIANT=$VARIANT ROUTERS=$1 SCHEDULERS=$2 RELAYS=$3"
}

# Whether an up came to its end and all that it started is still there.
stack_is_up() { # RUN
    local pid
    [ -e "$1/asked" ] || return 1
    for pid in "$1"/*.pid; do
        [ ! -e "$pid" ] || stack_alive "$1" "$(basename "$pid" .pid)" || return 1
    done
}

# Ends what is left of an earlier one, brings everything up and returns when all replicas are ready and every
# partition has a router.
stack_up() { # RUN ROUTERS SCHEDULERS RELAYS
    local run=$1 program i name addresses=
    local -A replicas=([router]=$2 [scheduler]=$3 [relay]=$4)
    mkdir -p "$run"
    stack_down "$run" || true
    rm -f "$run"/*.log
    stack_servers_up "$run" || return 1
    for program in router scheduler relay; do
        for ((i = 1; i <= ${replicas[$program]}; i++)); do
            stack_start "$run" "$program-$i" "$program"
        done
    done
    for program in router scheduler relay; do
        for ((i = 1; i <= ${replicas[$program]}; i++)); do
            name=$program-$i
            stack_poll 15 "$name" stack_is_ready "$run" "$name" || return 1
            addresses+=" 127.0.0.1:$(stack_admin_port "$run" "$name")"
            export "DELAYLINE_STACK_ADMIN_${program^^}_$i=127.0.0.1:$(stack_admin_port "$run" "$name")"
        done
    done
    export DELAYLINE_STACK_ADMIN_ADDRESSES=${addresses# }
    stack_poll 60 "a router for every partition" stack_group_is_settled "$run" "$2" || return 1
    stack_write_env "$run"
    stack_asked "$2" "$3" "$4" >"$run/asked"
}

stack_write_env() { # RUN
    local name
    {
        # what the file of another stack may have set in the same shell
        for name in AWS_ENDPOINT_URL "${stack_foreign[@]}"; do
            [ -n "${!name:-}" ] || echo "unset $name"
        done
        for name in $(compgen -v | grep -E '^(KAFKA_(BOOTSTRAP_SERVERS|PROPERTY_.*)|AWS_.*|DELAYLINE_.*)$'); do
            printf 'export %s=%q\n' "$name" "${!name}"
        done
    } >"$1/env.new"
    mv "$1/env.new" "$1/env"
}

# SIGTERM to the programs first, then to devstack; fails if one had to be killed.
stack_down() { # RUN
    local run=$1 kinds kind name pid ok=0
    local -a pids
    rm -f "$run/asked" "$run/env"
    for kinds in "router scheduler relay" devstack; do
        pids=()
        for kind in $kinds; do
            for pid in "$run/$kind"*.pid; do
                [ -e "$pid" ] && pids+=("$pid")
            done
        done
        for pid in "${pids[@]}"; do
            name=$(basename "$pid" .pid)
            stack_alive "$run" "$name" && kill -TERM "$(cat "$pid")" 2>/dev/null
        done
        for pid in "${pids[@]}"; do
            name=$(basename "$pid" .pid)
            if ! stack_poll 15 "the end of $name" stack_gone "$run" "$name"; then
                kill -KILL "$(cat "$pid")" 2>/dev/null
                ok=1
            fi
            rm -f "$pid" "$run/$name.began"
        done
    done
    rm -f "$run/stack.env"
    return $ok
}

stack_gone() {
    ! stack_alive "$1" "$2"
}
