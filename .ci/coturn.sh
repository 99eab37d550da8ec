#!/usr/bin/env bash
# Makes sure that coturn is installed, the TURN server that tests use.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/packages.sh

if [ -z "${TURNSERVER:-}" ]; then
    need turnserver coturn
fi
