#!/usr/bin/env bash
# Sees to it that coturn is there, the TURN server that tests talk to.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/packages.sh

if [ -z "${TURNSERVER:-}" ]; then
    need turnserver coturn
fi
