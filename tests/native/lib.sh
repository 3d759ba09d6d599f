# Kafka, LocalStack, ElasticMQ and DynamoDB Local as background processes of a run folder. Sourced by up, down,
# broker, run and, for its stacks, by tests/stack/lib.sh.
# shellcheck shell=bash
#
# run folder: <server>.pid, <server>.log, <server>/ (data), servers.env (addresses; there once all are ready).

native_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
native_root=$(cd "$native_here/../.." && pwd)
# shellcheck source=tests/stack/lib.sh
declare -F stack_poll >/dev/null || . "$native_root/tests/stack/lib.sh"
: "${NATIVE_RUN:=$native_root/build/native}"
# Each server starts in a folder of its own.
if [[ $NATIVE_RUN != /* ]]; then
    echo "native: NATIVE_RUN must be an absolute path, not $NATIVE_RUN" >&2
    exit 64
fi
native_servers=(kafka localstack elasticmq dynamodb)
# Small heaps, quick start: two cores are shared by four of them and the programs.
native_java=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto)

# Free now; what another process takes before the server does shows as a server that does not come up.
native_free_ports() { # COUNT
    /usr/bin/python3 - "$1" <<'END'
import socket
import sys

sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
END
}

native_start() { # NAME COMMAND...: in a session of its own, see stack_start
    local name=$1
    shift
    (cd "$NATIVE_RUN/$name" && exec setsid "$@" >>"$NATIVE_RUN/$name.log" 2>&1 </dev/null) &
    stack_note_pid "$NATIVE_RUN" "$name" $!
    disown $!
}

# --- each server: its configuration and start, then its sign of life ---

# Besides the plain listener: TLS; SCRAM over TLS, where a session ends after 3 s, because librdkafka does not
# authenticate again on an open connection; and one whose clients come through tests/e2e/gate.py.
native_kafka_configure() { # PORT CONTROLLER_PORT TLS_PORT SCRAM_PORT GATED_PORT GATE_PORT
    local dir=$NATIVE_RUN/kafka
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/broker.key" -out "$dir/ca.pem" \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2 2>"$NATIVE_RUN/kafka.log" || return
    cat "$dir/broker.key" "$dir/ca.pem" >"$dir/broker.pem"
    {
        sed -n 's/^KAFKA_//p' "$native_root/deploy/local.env" |
            awk -F= '{name = tolower($1); gsub("_", ".", name); print name substr($0, length($1) + 1)}'
        cat <<END
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2,TLS://127.0.0.1:$3,SCRAM://127.0.0.1:$4,GATED://127.0.0.1:$5
advertised.listeners=PLAINTEXT://127.0.0.1:$1,TLS://localhost:$3,SCRAM://localhost:$4,GATED://localhost:$6
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,SCRAM:SASL_SSL,GATED:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location=$dir/broker.pem
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.scram.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.scram.scram-sha-512.connections.max.reauth.ms=3000
controller.quorum.voters=1@127.0.0.1:$2
log.dirs=$dir/data
END
    } >"$dir/server.properties"
    cat >"$dir/log4j.properties" <<'END'
log4j.rootLogger=WARN, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
END
    "${native_java[@]}" -Xmx64m "-Dlog4j.configuration=file:$dir/log4j.properties" -cp "$NATIVE_CACHE/kafka/*" \
        kafka.tools.StorageTool format -t "$CLUSTER_ID" -c "$dir/server.properties" \
        --add-scram "SCRAM-SHA-512=[name=delayline,password=$NATIVE_KAFKA_PASSWORD]" \
        >"$NATIVE_RUN/kafka.log" 2>&1
}

native_kafka_start() {
    local dir=$NATIVE_RUN/kafka
    native_start kafka "${native_java[@]}" -Xmx256m "-Dlog4j.configuration=file:$dir/log4j.properties" \
        -cp "$NATIVE_CACHE/kafka/*" kafka.Kafka "$dir/server.properties"
}

native_kafka_answers() {
    kcat -L -m 2 -b "$NATIVE_KAFKA" >/dev/null 2>&1
}

# LocalStack serves DynamoDB by the same jars: it finds them, and a Java, where it would have put them itself, so
# that it downloads nothing. Its agent only lifts a limit that nobody here reaches, so one that does nothing will do.
native_localstack_libraries() { # LIB_FOLDER
    local ddb=$1/dynamodb-local/2
    mkdir -p "$1/java/21/bin" "$ddb"
    ln -sfn "$(command -v java)" "$1/java/21/bin/java"
    ln -sfn "$NATIVE_CACHE/dynamodb" "$ddb/DynamoDBLocal_lib"
    ln -sfn "$NATIVE_CACHE"/dynamodb/byte-buddy-agent-*.jar "$ddb/ddb-local-loader-0.1.jar"
    /usr/bin/python3 - "$ddb" <<'END'
import pathlib
import sys
import zipfile

folder = pathlib.Path(sys.argv[1])
jars = sorted(jar.name for jar in (folder / "DynamoDBLocal_lib").glob("*.jar"))
lines = [
    "Manifest-Version: 1.0",
    "Main-Class: software.amazon.dynamodb.services.local.main.ServerRunner",
    "Class-Path: " + " ".join(f"DynamoDBLocal_lib/{jar}" for jar in jars),
]
# A line of a manifest has at most 72 bytes; the next goes on after a space.
folded = [line[:72] + "".join(f"\r\n {line[i:i + 71]}" for i in range(72, len(line), 71)) for line in lines]
with zipfile.ZipFile(folder / "DynamoDBLocal.jar", "w") as jar:
    jar.writestr("META-INF/MANIFEST.MF", "\r\n".join(folded) + "\r\n\r\n")
END
}

# Its CloudFormation wants AWS's translator of serverless templates to be there; nobody here has such a template. Its
# older engine, because the newer one wants more than that.
native_localstack_modules() { # FOLDER
    mkdir -p "$1/samtranslator/translator"
    : >"$1/samtranslator/__init__.py"
    : >"$1/samtranslator/translator/__init__.py"
    echo 'ManagedPolicyLoader = None' >"$1/samtranslator/translator/managed_policy_translator.py"
    echo 'transform = None' >"$1/samtranslator/translator/transform.py"
}

native_localstack_start() { # PORT
    local fs=$NATIVE_RUN/localstack
    native_localstack_libraries "$fs/var/lib/localstack/lib"
    native_localstack_modules "$fs/modules"
    native_start localstack env FILESYSTEM_ROOT="$fs" OVERRIDE_IN_DOCKER=0 PYTHONPATH="$fs/modules" \
        SERVICES="$SERVICES,cloudformation,cloudwatch" PROVIDER_OVERRIDE_CLOUDFORMATION=engine-legacy \
        GATEWAY_LISTEN="127.0.0.1:$1" LOCALSTACK_HOST="127.0.0.1:$1" "$NATIVE_CACHE/venv/bin/python" -m localstack.runtime.main
}

native_localstack_answers() { # its DynamoDB starts with the first call, so that is a part of coming up
    native_http_answers "$NATIVE_LOCALSTACK/_localstack/health" && native_dynamodb_answers "$NATIVE_LOCALSTACK"
}

native_elasticmq_start() { # PORT
    cat >"$NATIVE_RUN/elasticmq/elasticmq.conf" <<END
include classpath("application.conf")
node-address { protocol = http, host = "127.0.0.1", port = $1, context-path = "" }
rest-sqs { enabled = true, bind-port = $1, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
END
    native_start elasticmq "${native_java[@]}" -Xmx192m -Dconfig.file=elasticmq.conf \
        -cp "$NATIVE_CACHE/elasticmq/*" org.elasticmq.server.Main
}

native_elasticmq_answers() {
    native_http_answers "$NATIVE_ELASTICMQ/?Action=ListQueues"
}

native_dynamodb_start() { # PORT
    native_start dynamodb env DDB_LOCAL_TELEMETRY=0 "${native_java[@]}" -Xmx256m \
        "-Djava.library.path=$NATIVE_CACHE/dynamodb" -cp "$NATIVE_CACHE/dynamodb/*" \
        software.amazon.dynamodb.services.local.main.ServerRunner -inMemory -port "$1" -disableTelemetry
}

native_dynamodb_answers() { # ENDPOINT
    local key=$AWS_ACCESS_KEY_ID/20260101/$AWS_REGION/dynamodb/aws4_request
    curl -sf -m 10 -o /dev/null -d '{}' -H 'Content-Type: application/x-amz-json-1.0' \
        -H 'X-Amz-Target: DynamoDB_20120810.ListTables' -H 'X-Amz-Date: 20260101T000000Z' \
        -H "Authorization: AWS4-HMAC-SHA256 Credential=$key, SignedHeaders=host, Signature=0" "${1:-$NATIVE_DYNAMODB}"
}

native_http_answers() { # URL
    curl -sf -m 5 -o /dev/null "$1"
}

# --- all of them ---

native_is_ready() { # NAME
    stack_alive "$NATIVE_RUN" "$1" || {
        echo "native: $1 has ended; its last lines:" >&2
        tail -n 5 "$NATIVE_RUN/$1.log" >&2
        exit 1
    }
    "native_$1_answers"
}

native_all_run() {
    local name
    [ -e "$NATIVE_RUN/servers.env" ] || return 1
    for name in "${native_servers[@]}"; do
        stack_alive "$NATIVE_RUN" "$name" || return 1
    done
}

# Ends what is left of earlier ones and starts all, from nothing; returns when all answer.
native_servers_up() {
    local name
    local -a ports
    native_servers_down || true
    if ! NATIVE_CACHE=$("$native_here/fetch"); then
        [ -z "$NATIVE_CACHE" ] || echo "native: $NATIVE_CACHE" >&2
        return 1
    fi
    for name in "${native_servers[@]}"; do
        rm -rf "${NATIVE_RUN:?}/$name"
        mkdir -p "$NATIVE_RUN/$name"
        rm -f "$NATIVE_RUN/$name.log"
    done
    # shellcheck disable=SC2207 # numbers
    ports=($(native_free_ports 9))
    NATIVE_KAFKA_TLS=localhost:${ports[5]}
    NATIVE_KAFKA_SCRAM=localhost:${ports[6]}
    NATIVE_KAFKA_GATED=127.0.0.1:${ports[7]}
    NATIVE_KAFKA_GATE=localhost:${ports[8]}
    NATIVE_KAFKA_CA=$NATIVE_RUN/kafka/ca.pem
    NATIVE_KAFKA_PASSWORD=$(openssl rand -hex 16)
    NATIVE_KAFKA=127.0.0.1:${ports[0]}
    NATIVE_LOCALSTACK=http://127.0.0.1:${ports[2]}
    NATIVE_ELASTICMQ=http://127.0.0.1:${ports[3]}
    NATIVE_DYNAMODB=http://127.0.0.1:${ports[4]}
    native_localstack_start "${ports[2]}"
    native_elasticmq_start "${ports[3]}"
    native_dynamodb_start "${ports[4]}"
    native_kafka_configure "${ports[0]}" "${ports[1]}" "${ports[@]:5:4}" || {
        cat "$NATIVE_RUN/kafka.log" >&2
        return 1
    }
    native_kafka_start
    for name in "${native_servers[@]}"; do
        stack_poll 60 "$name" native_is_ready "$name" || return 1
    done
    for name in NATIVE_CACHE "${!NATIVE_KAFKA@}" NATIVE_LOCALSTACK NATIVE_ELASTICMQ NATIVE_DYNAMODB; do
        printf 'export %s=%q\n' "$name" "${!name}"
    done >"$NATIVE_RUN/servers.env"
}

# SIGTERM to all at once; fails if one had to be killed.
native_servers_down() {
    local name ok=0
    rm -f "$NATIVE_RUN/servers.env"
    for name in "${native_servers[@]}"; do
        ! stack_alive "$NATIVE_RUN" "$name" || kill -TERM "$(cat "$NATIVE_RUN/$name.pid")" 2>/dev/null
    done
    for name in "${native_servers[@]}"; do
        [ -e "$NATIVE_RUN/$name.pid" ] || continue
        if ! stack_poll 30 "the end of $name" stack_gone "$NATIVE_RUN" "$name"; then
            kill -KILL "$(cat "$NATIVE_RUN/$name.pid")" 2>/dev/null
            ok=1
        fi
        rm -f "$NATIVE_RUN/$name.pid"
    done
    native_end_orphan
    return $ok
}

# LocalStack ends its DynamoDB Local when it stops. When it was killed, that one, in a session of its own, goes on; what
# tells it from others is that its command line names this run folder.
native_end_orphan() {
    local file pid
    for file in $(grep -lsF -- "$NATIVE_RUN/localstack/var/lib/" /proc/[0-9]*/cmdline); do
        pid=$(basename "$(dirname "$file")")
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != java ] || kill -KILL "$pid" 2>/dev/null || true
    done
}

# deploy/local.env, exported. What the user has set goes before, but for keys, which must not be somebody's real ones.
native_settings() {
    local line name
    while IFS= read -r line; do
        [[ $line =~ ^([A-Z_]+)=(.*)$ ]] || continue
        name=${BASH_REMATCH[1]}
        [[ $name != AWS_* && -n ${!name:-} ]] || export "$name=${BASH_REMATCH[2]}"
    done <"$native_root/deploy/local.env"
}
native_settings

# SQS=localstack (which has the table, too) or elasticmq.
native_choose_sqs() {
    case ${SQS:=localstack} in
    localstack | elasticmq) ;;
    *)
        echo "native: SQS is localstack or elasticmq, not $SQS" >&2
        return 1
        ;;
    esac
}

# Where the servers are, for programs.
native_environment() {
    native_choose_sqs || return
    # shellcheck disable=SC1091
    . "$NATIVE_RUN/servers.env"
    export KAFKA_BOOTSTRAP_SERVERS=$NATIVE_KAFKA
    unset AWS_ENDPOINT_URL AWS_ENDPOINT_URL_SQS AWS_ENDPOINT_URL_DYNAMODB
    case $SQS in
    localstack) export AWS_ENDPOINT_URL=$NATIVE_LOCALSTACK ;;
    elasticmq) export AWS_ENDPOINT_URL_SQS=$NATIVE_ELASTICMQ AWS_ENDPOINT_URL_DYNAMODB=$NATIVE_DYNAMODB ;;
    esac
}

# Names that no other stack on these servers has: ID goes into what the user has not named.
native_names() { # ID
    local id=$1 name
    for name in DELAYLINE_DELAY_TOPICS DELAYLINE_DEAD_LETTER_TOPIC DELAYLINE_DELAY_QUEUE DELAYLINE_READY_QUEUE \
        DELAYLINE_TIMER_QUEUE DELAYLINE_TABLE DELAYLINE_STACK_TARGET_TOPIC; do
        if grep -qxF "$name=${!name}" "$native_root/deploy/local.env"; then
            case ${!name} in
            *.fifo) export "$name=${!name%.fifo}-$id.fifo" ;;
            *) export "$name=${!name}-$id" ;;
            esac
        fi
    done
    export DELAYLINE_ROUTER_GROUP_ID=${DELAYLINE_ROUTER_GROUP_ID:-delayline-router-$id}
}

# What the programs of a stack find: their names on the running servers. Called by tests/stack/lib.sh.
native_stack_up() {
    native_all_run || {
        echo "native: the servers do not run" >&2
        return 1
    }
    [ -z "${NATIVE_ID:-}" ] || native_names "$NATIVE_ID"
    native_environment || return
    export DELAYLINE_STACK_DELAY_TOPIC=${DELAYLINE_DELAY_TOPICS%%[:,]*}
    "$native_root/deploy/provision" >/dev/null
}
