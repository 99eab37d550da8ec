#!/usr/bin/env bash
# Counts the instructions of hot functions under callgrind, and compares them with
# benches/instructions.txt. Fails if one has grown by more than 5 %. UPDATE=1 writes that file
# again. The counts depend on the compiler and the kind of processor, which are recorded in the
# file; with others it still compares, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/packages.sh
need valgrind valgrind

CARGO=${CARGO:-cargo}
baseline=benches/instructions.txt
growth_max=${GROWTH_MAX:-5}
few=20
many=220

program=$("$CARGO" bench --locked --bench instructions --no-run --message-format=json |
    sed -n 's/.*"name":"instructions".*"executable":"\([^"]*\)".*/\1/p')
machine="$(rustc --version), $(uname -m)"

# count NAME TIMES: the instructions of the whole program.
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

counted=
for name in $("$program"); do
    counted+="$name $((($(count "$name" $many) - $(count "$name" $few)) / (many - few)))"$'\n'
done

if [ -n "${UPDATE:-}" ]; then
    {
        echo "# Instructions of hot functions, counted by make instructions; UPDATE=1 writes this anew."
        echo "# $machine"
        printf '%s' "$counted"
    } >"$baseline"
    cat "$baseline"
    exit
fi

if ! grep -qxF "# $machine" "$baseline"; then
    echo "The baseline is from another compiler or processor: $(sed -n 2p "$baseline"), and this is $machine."
fi
printf '%s' "$counted" | awk -v max="$growth_max" '
    NR == FNR { if ($1 != "#") before[$1] = $2; next }
    !($1 in before) { printf "%-18s %9d  is new\n", $1, $2; failed = 1; next }
    {
        grown = ($2 / before[$1] - 1) * 100
        verdict = grown > max ? "GROWN" : grown < -max ? "less: make instructions UPDATE=1 keeps it" : "ok"
        printf "%-18s %9d  was %9d  %+6.1f %%  %s\n", $1, $2, before[$1], grown, verdict
        if (grown > max) failed = 1
        delete before[$1]
    }
    END {
        for (name in before) { printf "%-18s is gone\n", name; failed = 1 }
        exit failed
    }' "$baseline" -
