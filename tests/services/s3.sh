#!/usr/bin/env bash
# An S3 server for tests, in the folder DIR: install (from the Go module proxy), up (on a free port, written to DIR/port), down.
# With SERVER the program is that of another folder; with PORT it listens there.
set -euo pipefail
: "${DIR:?names the folder}"
mkdir -p "$DIR"
SERVER=${SERVER:-$DIR/versitygw}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Without credentials the server answers 403, which shows that it is there.
answers() {
    [ "$(curl -sm 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/")" = 403 ]
}

case "${1:-}" in
install)
    # One process at a time, of however many tests.
    exec 9>"$DIR/lock"
    flock 9
    [ -x "$DIR/versitygw" ] && exit 0
    GOBIN="$DIR" GOFLAGS=-buildvcs=false go install -trimpath -ldflags='-s -w' \
        github.com/versity/versitygw/cmd/versitygw@v1.8.0 </dev/null
    ;;
up)
    mkdir -p "$DIR/data" "$DIR/iam"
    # Another process may take the port in between.
    for _ in 1 2 3 4 5; do
        port=${PORT:-$(free_port)}
        ROOT_ACCESS_KEY=testkey ROOT_SECRET_KEY=testsecret "$SERVER" --port "127.0.0.1:$port" --region us-east-1 \
            --keep-alive --quiet --iam-dir "$DIR/iam" posix "$DIR/data" >"$DIR/log" 2>&1 </dev/null &
        pid=$!
        for _ in $(seq 200); do
            kill -0 "$pid" 2>/dev/null || break
            if answers "$port"; then
                echo "$pid" >"$DIR/pid"
                echo "$port" >"$DIR/port"
                exit 0
            fi
            sleep 0.05
        done
        kill "$pid" 2>/dev/null || true
    done
    cat "$DIR/log" >&2
    exit 1
    ;;
down)
    kill "$(cat "$DIR/pid")"
    while kill -0 "$(cat "$DIR/pid")" 2>/dev/null; do sleep 0.05; done
    ;;
*)
    echo "usage: DIR=FOLDER $0 install|up|down" >&2
    exit 2
    ;;
esac
