#!/usr/bin/env bash
# Builds and starts the server in development mode, and does it again whenever a source file has
# changed. It needs no tool that watches files: checking small files once per second costs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
target=$("$cargo" metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
server=

sources() {
    find src Cargo.toml Cargo.lock -type f -exec cksum {} + 2>/dev/null | sort | cksum
}

stop() {
    if [ -n "$server" ]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" || true
        server=
    fi
}

trap stop EXIT
trap 'exit 0' INT TERM

while true; do
    state=$(sources)
    # The old server keeps running until its successor has been built.
    if "$cargo" build; then
        stop
        NODE_ENV=development "$target/debug/autamedica-signaling" "$@" &
        server=$!
    fi
    while [ "$(sources)" = "$state" ]; do
        sleep 1
    done
done
