#!/usr/bin/env bash
# Installs the programs that the tests put in front of or beside the server. Only the tests start
# them. If their packages start services, those are not needed.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/packages.sh

# Servers are in folders that are not in the path of ordinary users.
PATH=$PATH:/usr/sbin:/sbin

need openssl openssl
need curl curl ca-certificates
need nginx nginx-light
need haproxy haproxy
need prometheus prometheus
need promtool prometheus
need systemd-analyze systemd
