#!/usr/bin/env bash
# Three brokers of Kafka for tests, in the folder DIR: up (on free ports, which are written to DIR/brokers), kill N (at
# once, without a word), start N (with the data it had), down. LIB names the folder of the jars, which `kafka.sh fetch`
# gets. With UNTIL=PID, they go when this process has gone.
set -euo pipefail
: "${DIR:?names the folder}" "${LIB:?names the folder of the jars}"
jvm=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$LIB/*")

# Each is a broker and a controller; two of three are enough.
configure() {
    mkdir -p "$DIR"
    read -r -a ports < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(6)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in sockets])')
    voters="1@127.0.0.1:${ports[3]},2@127.0.0.1:${ports[4]},3@127.0.0.1:${ports[5]}"
    for n in 1 2 3; do
        cat >"$DIR/$n.properties" <<PROPERTIES
process.roles=broker,controller
node.id=$n
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:${ports[n - 1]},CONTROLLER://127.0.0.1:${ports[n + 2]}
advertised.listeners=PLAINTEXT://127.0.0.1:${ports[n - 1]}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$DIR/data-$n
min.insync.replicas=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=3
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
PROPERTIES
        java -Xmx64m "${jvm[@]}" kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$DIR/$n.properties" \
            >"$DIR/format-$n.log" 2>&1 </dev/null
    done
    echo "127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}" >"$DIR/brokers"
}

start() {
    java -Xms64m -Xmx256m "${jvm[@]}" -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
        kafka.Kafka "$DIR/$1.properties" >"$DIR/$1.log" 2>&1 </dev/null &
    echo $! >"$DIR/$1.pid"
}

await_start() {
    for _ in $(seq 900); do
        grep -q 'Kafka Server started' "$DIR/$1.log" && return 0
        kill -0 "$(cat "$DIR/$1.pid")" 2>/dev/null || break
        sleep 0.1
    done
    tail -20 "$DIR/$1.log" >&2
    exit 1
}

case "${1:-}" in
up)
    configure
    for n in 1 2 3; do start "$n"; done
    if [ -n "${UNTIL:-}" ]; then
        (
            while kill -0 "$UNTIL" 2>/dev/null; do sleep 1; done
            for n in 1 2 3; do kill "$(cat "$DIR/$n.pid")" || true; done
        ) >/dev/null 2>&1 </dev/null &
    fi
    for n in 1 2 3; do await_start "$n"; done
    ;;
kill)
    kill -KILL "$(cat "$DIR/${2:?says which}.pid")"
    ;;
start)
    start "${2:?says which}"
    await_start "$2"
    ;;
down)
    for n in 1 2 3; do kill "$(cat "$DIR/$n.pid")" 2>/dev/null || true; done
    for n in 1 2 3; do while kill -0 "$(cat "$DIR/$n.pid")" 2>/dev/null; do sleep 0.1; done; done
    ;;
*)
    echo "usage: DIR=FOLDER LIB=FOLDER $0 up|kill N|start N|down" >&2
    exit 2
    ;;
esac
