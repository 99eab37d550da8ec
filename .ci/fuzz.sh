#!/usr/bin/env bash
# Builds every fuzz target and runs each on its corpus, then SECONDS_EACH (the first argument, 60) on what it makes up; as many
# at a time as there are processors.
# Inputs worth keeping go to fuzz/grown, inputs that fail to fuzz/artifacts. The rest of the arguments name targets.
# FUZZ_SEED, where it is set, makes up the same inputs in each run, as long as nothing else has changed.
set -euo pipefail
export LC_ALL=C # one order of file names everywhere
cd "$(dirname "$0")/.."
. .ci/packages.sh

seconds_each=${1:-60}
shift || true

# Sanitizers are unstable: a nightly toolchain has them, and the stable compiler too when it is told to.
fuzz=("${CARGO:-cargo}")
if command -v rustup >/dev/null && rustup toolchain list | grep -q '^nightly'; then
    fuzz=(rustup run nightly cargo)
else
    export RUSTC_BOOTSTRAP=1
fi
fuzz+=(fuzz)
# The runtime of the fuzzer is C++.
need c++ g++
# It only calls the compiler and the targets: no need for it to be quick itself.
if ! command -v cargo-fuzz >/dev/null; then
    env -u RUSTC_BOOTSTRAP "${CARGO:-cargo}" install cargo-fuzz --version 0.13.2 --locked --debug
fi

"${fuzz[@]}" build
if [ $# -eq 0 ]; then
    mapfile -t targets < <("${fuzz[@]}" list)
    set -- "${targets[@]}"
fi

# Shows the inputs of a target that are newer than a file, for machines that are gone when somebody looks.
show_failing() {
    local input
    find "fuzz/artifacts/$1" -type f -newer "$2" | while read -r input; do
        echo "$input, $(wc -c <"$input") bytes, the first 2,000 of them as base64:"
        head -c 2000 "$input" | base64 -w 240
    done
}

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Fuzzes one target, and tells of it.
fuzz_target() {
    local target=$1 seeds
    if [ -z "$(ls "fuzz/corpus/$target" 2>/dev/null)" ]; then
        echo "error: fuzz/corpus/$target holds no seed" >&2
        return 1
    fi
    echo "fuzzing $target for $seconds_each s${FUZZ_SEED:+, seed $FUZZ_SEED}"
    mkdir -p "fuzz/grown/$target" "fuzz/artifacts/$target"
    touch "$logs/$target.begun"
    # New inputs go to the folder. The seeds stay what they are, and are named one by one: folders have no order, and what
    # the fuzzer makes up depends on it.
    seeds=$(printf '%s,' "fuzz/corpus/$target"/*)
    if ! "${fuzz[@]}" run "$target" "fuzz/grown/$target" -- -seed_inputs="${seeds%,}" \
        -max_total_time="$seconds_each" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        ${FUZZ_SEED:+-seed="$FUZZ_SEED"} 2>&1 \
        | sed "/^\"/d; /^######/d"; then
        show_failing "$target" "$logs/$target.begun"
        return 1
    fi
}

# One on each processor; what they tell comes in order.
declare -A running
for target in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
        sleep 0.2
    done
    fuzz_target "$target" >"$logs/$target" 2>&1 &
    running[$target]=$!
done
failed=()
for target in "$@"; do
    wait "${running[$target]}" || failed+=("$target")
    cat "$logs/$target"
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "error: failed: ${failed[*]}" >&2
    exit 1
fi
echo "All $# fuzz targets held."
