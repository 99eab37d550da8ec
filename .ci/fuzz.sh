#!/usr/bin/env bash
# Builds every fuzz target and runs each on its corpus, and then for SECONDS_EACH (the first
# argument, 60) on generated inputs; as many at a time as there are processors. Inputs worth keeping
# go to fuzz/grown, inputs that fail to fuzz/artifacts. The other arguments name targets. If
# FUZZ_SEED is set, each run generates the same inputs, as long as nothing else has changed.
set -euo pipefail
export LC_ALL=C # one order of file names everywhere
cd "$(dirname "$0")/.."
. .ci/packages.sh

seconds_each=${1:-60}
shift || true

# Sanitizers are unstable: a nightly toolchain has them, and a stable compiler if it is told to.
fuzz=("${CARGO:-cargo}")
if command -v rustup >/dev/null && rustup toolchain list | grep -q '^nightly'; then
    fuzz=(rustup run nightly cargo)
else
    export RUSTC_BOOTSTRAP=1
fi
fuzz+=(fuzz)
# The runtime of the fuzzer is written in C++.
need c++ g++
# It only calls the compiler and the targets, so it need not be fast itself.
if ! command -v cargo-fuzz >/dev/null; then
    env -u RUSTC_BOOTSTRAP "${CARGO:-cargo}" install cargo-fuzz --version 0.13.2 --locked --debug
fi

"${fuzz[@]}" build
if [ $# -eq 0 ]; then
    mapfile -t targets < <("${fuzz[@]}" list)
    set -- "${targets[@]}"
fi

# Shows the inputs of a target that are newer than a file, because the machine may be gone when
# somebody looks.
show_failing() {
    local input
    find "fuzz/artifacts/$1" -type f -newer "$2" | while read -r input; do
        echo "$input, $(wc -c <"$input") bytes, the first 2,000 of them as base64:"
        head -c 2000 "$input" | base64 -w 240
    done
}

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Fuzzes one target, and reports the result.
fuzz_target() {
    local target=$1 seeds
    if [ -z "$(ls "fuzz/corpus/$target" 2>/dev/null)" ]; then
        echo "error: fuzz/corpus/$target holds no seed" >&2
        return 1
    fi
    echo "fuzzing $target for $seconds_each s${FUZZ_SEED:+, seed $FUZZ_SEED}"
    mkdir -p "fuzz/grown/$target" "fuzz/artifacts/$target"
    touch "$logs/$target.begun"
    # New inputs go to the folder. The seeds stay unchanged, and are passed one by one: the order of
    # files in a folder is not fixed, and the generated inputs depend on it.
    seeds=$(printf '%s,' "fuzz/corpus/$target"/*)
    if ! "${fuzz[@]}" run "$target" "fuzz/grown/$target" -- -seed_inputs="${seeds%,}" \
        -max_total_time="$seconds_each" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        ${FUZZ_SEED:+-seed="$FUZZ_SEED"} 2>&1 \
        | sed "/^\"/d; /^######/d"; then
        show_failing "$target" "$logs/$target.begun"
        return 1
    fi
}

# One on each processor; the reports are printed in order. Each leaves its status in a file: the shell
# forgets the one of a process whose number comes again, and in an hour they do.
for target in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
        sleep 0.2
    done
    {
        if fuzz_target "$target"; then touch "$logs/$target.held"; fi
        touch "$logs/$target.over"
    } >"$logs/$target" 2>&1 &
done
failed=()
for target in "$@"; do
    until [ -e "$logs/$target.over" ] || [ -z "$(jobs -rp)" ]; do
        sleep 0.2
    done
    cat "$logs/$target"
    [ -e "$logs/$target.held" ] || failed+=("$target")
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "error: failed: ${failed[*]}" >&2
    exit 1
fi
echo "All $# fuzz targets held."
