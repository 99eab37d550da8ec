#!/usr/bin/env bash
# Runs the benches that are compared with a floor, and puts their results on one page,
# bench-report.md in the target directory. Arguments go to all of them: `-- --test` checks that it
# works.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO=${CARGO:-cargo}
target=$("$CARGO" metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
page="$target/bench-report.md"
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

for bench in speed floor joins; do
    "$CARGO" bench --bench "$bench" "$@" | tee "$logs/$bench"
done

# table LOG FIRST_WORDS HEAD...: the rows below the line that begins with FIRST_WORDS; columns are
# as wide as the benches write them.
table() {
    local log=$1 begin=$2
    shift 2
    local rule=
    printf '|'
    for head in "$@"; do
        printf ' %s |' "$head"
        rule+='---|'
    done
    printf '\n|%s\n' "$rule"
    awk -v begin="$begin" '
        index($0, begin) == 1 { on = 1; next }
        # What belongs to the row above: with columns of its own, or in words.
        on && /^ / && substr($0, 45) !~ /^[ 0-9.]+$/ { print "| " $0 " |" ; next }
        on && length($0) > 44 {
            row = "| " substr($0, 1, 44) " |"
            count = split(substr($0, 45), columns, " +")
            text = ""
            for (i = 1; i <= count; i++)
                if (columns[i] ~ /^[0-9.]+$/) row = row " " columns[i] " |"
                else if (columns[i] != "") text = text " " columns[i]
            print row (text == "" ? "" : text " |")
            next
        }
        { on = 0 }' "$log"
    echo
}

{
    echo "# What the benches found"
    echo
    echo "$(date -u +%F), $(git describe --always --dirty), $(rustc --version), $(uname -sm), $(getconf _NPROCESSORS_ONLN) processors" \
        "($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u | head -n 1)), load $(cut -d' ' -f1 /proc/loadavg) at the end"
    echo
    echo "## Processor time beside a bare forwarder, microseconds"
    echo
    table "$logs/floor" "processor time" "" server floor ratio
    echo "## Delay from client to client, microseconds"
    echo
    table "$logs/floor" "delay from client" "" p50 p90 p99 p99.9 max
    echo "## Steps beside their floors"
    echo
    table "$logs/speed" "the quickest tenth" "" ns "floor, ns" ratio floor
    echo "## People who come"
    echo
    sed -n '/ joins, /,$s/^/    /p' "$logs/joins"
} >"$page"
echo
echo "$page"
