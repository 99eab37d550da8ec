#!/usr/bin/env bash
# Runs the tests that need a browser against the development build. They need npm, a Chromium and
# coturn, which are installed if possible. CHROMIUM and TURNSERVER name programs in other places.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/packages.sh

if [ ! -e tests/browser ]; then
    echo "There are no browser tests yet."
    exit 0
fi

find_chromium() {
    local name
    for name in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v "$name"; then
            return
        fi
    done
    return 1
}

bash .ci/coturn.sh
need npm nodejs npm
if ! CHROMIUM=$(find_chromium); then
    need chromium chromium
    CHROMIUM=$(find_chromium)
fi
# On some distributions the package is a stub that only says where to get it.
if ! "$CHROMIUM" --version; then
    give_up "$CHROMIUM is there but does not run; name one that does in CHROMIUM" chromium
fi
export CHROMIUM

cargo=${CARGO:-cargo}
"$cargo" build ${CI:+--locked}
target=$("$cargo" metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')

cd tests/browser
npm ci --no-audit --no-fund
SERVER_BIN="$target/debug/autamedica-signaling" npm test
