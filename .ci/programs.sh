#!/usr/bin/env bash
# Gets the programs that the tests put before and in front of the server. They are only ever started by the tests; where
# their packages start services of their own, those are not needed.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/packages.sh

# Servers stand where ordinary users do not look.
PATH=$PATH:/usr/sbin:/sbin

need openssl openssl
need curl curl ca-certificates
need nginx nginx-light
need haproxy haproxy
need prometheus prometheus
need promtool prometheus
need systemd-analyze systemd
