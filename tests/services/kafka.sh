#!/usr/bin/env bash
# Kafka for tests, in the folder DIR: fetch (from Maven Central), up (a broker on free ports, written to DIR/ports as
# NAME=PORT: PLAINTEXT; TLS; MTLS, which wants a certificate; SASL for users alice, by PLAIN, and bob, by SCRAM; BOTH for
# them over TLS), down.
# With UNTIL=PID, a broker goes when this process has gone. A second broker takes the jars of the first: LIB names their folder. Twice `up` keeps ports and data: a restart.
set -euo pipefail
: "${DIR:?names the folder}"
mkdir -p "$DIR"
LIB=${LIB:-$DIR/lib}
here=$(cd "$(dirname "$0")" && pwd)
jvm=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$LIB/*")

free_ports() {
    python3 -c '
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in sockets])' "$1"
}

configure() {
    rm -rf "$DIR/data"
    "$here/tls.sh" "$DIR/tls"
    read -r plain control mtls sasl tls both < <(free_ports 6)
    cat >"$DIR/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$control
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$plain,CONTROLLER://127.0.0.1:$control,SSL://127.0.0.1:$mtls,SASL_PLAINTEXT://127.0.0.1:$sasl,TLS://127.0.0.1:$tls,BOTH://127.0.0.1:$both
advertised.listeners=PLAINTEXT://127.0.0.1:$plain,SSL://127.0.0.1:$mtls,SASL_PLAINTEXT://127.0.0.1:$sasl,TLS://127.0.0.1:$tls,BOTH://127.0.0.1:$both
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,TLS:SSL,BOTH:SASL_SSL
inter.broker.listener.name=PLAINTEXT
log.dirs=$DIR/data
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
ssl.keystore.type=PEM
ssl.keystore.location=$DIR/tls/server.both.pem
ssl.truststore.type=PEM
ssl.truststore.location=$DIR/tls/ca.pem
listener.name.ssl.ssl.client.auth=required
listener.name.tls.ssl.client.auth=none
listener.name.both.ssl.client.auth=none
listener.name.both.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-pw";
listener.name.both.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.both.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-pw";
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
PROPERTIES
    java -Xmx64m "${jvm[@]}" kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$DIR/server.properties" \
        --add-scram 'SCRAM-SHA-256=[name=bob,password=bob-pw]' --add-scram 'SCRAM-SHA-512=[name=bob,password=bob-pw]' \
        >"$DIR/format.log" 2>&1 </dev/null
    printf 'PLAINTEXT=%s\nMTLS=%s\nSASL=%s\nTLS=%s\nBOTH=%s\n' "$plain" "$mtls" "$sasl" "$tls" "$both" >"$DIR/ports"
}

case "${1:-}" in
fetch)
    [ -e "$DIR/ready" ] && exit 0
    cat >"$DIR/pom.xml" <<'POM'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>fetch</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.3.1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>4.3.1</version>
      <exclusions>
        <exclusion><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
    mvn -q -B -f "$DIR/pom.xml" dependency:copy-dependencies -DoutputDirectory="$DIR/lib" -DincludeScope=runtime </dev/null
    touch "$DIR/ready"
    ;;
up)
    [ -e "$DIR/ports" ] || configure
    java -Xms128m -Xmx256m "${jvm[@]}" -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
        kafka.Kafka "$DIR/server.properties" >"$DIR/server.log" 2>&1 </dev/null &
    echo $! >"$DIR/pid"
    if [ -n "${UNTIL:-}" ]; then
        (
            while kill -0 "$UNTIL" 2>/dev/null; do sleep 1; done
            kill "$(cat "$DIR/pid")"
        ) >/dev/null 2>&1 </dev/null &
    fi
    for _ in $(seq 600); do
        grep -q 'Kafka Server started' "$DIR/server.log" && exit 0
        kill -0 "$(cat "$DIR/pid")" 2>/dev/null || break
        sleep 0.1
    done
    tail -20 "$DIR/server.log" >&2
    exit 1
    ;;
down)
    kill "$(cat "$DIR/pid")"
    while kill -0 "$(cat "$DIR/pid")" 2>/dev/null; do sleep 0.1; done
    ;;
*)
    echo "usage: DIR=FOLDER [LIB=FOLDER] $0 fetch|up|down" >&2
    exit 2
    ;;
esac
