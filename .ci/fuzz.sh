#!/usr/bin/env bash
# Builds every fuzz target and runs each on its corpus, then SECONDS_EACH (the first argument, 60) on what it makes up.
# Inputs worth keeping go to fuzz/grown, inputs that fail to fuzz/artifacts. The rest of the arguments name targets.
set -euo pipefail
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
if ! command -v cargo-fuzz >/dev/null; then
    env -u RUSTC_BOOTSTRAP "${CARGO:-cargo}" install cargo-fuzz --version 0.13.2 --locked
fi

"${fuzz[@]}" build
if [ $# -eq 0 ]; then
    mapfile -t targets < <("${fuzz[@]}" list)
    set -- "${targets[@]}"
fi

failed=()
for target in "$@"; do
    if [ -z "$(ls "fuzz/corpus/$target" 2>/dev/null)" ]; then
        echo "error: fuzz/corpus/$target holds no seed" >&2
        failed+=("$target")
        continue
    fi
    echo "fuzzing $target for $seconds_each s"
    mkdir -p "fuzz/grown/$target"
    # New inputs go to the first folder, so that the seeds stay what they are.
    if ! "${fuzz[@]}" run "$target" "fuzz/grown/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds_each" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 2>&1 \
        | sed "/^\"/d; /^######/d"; then
        failed+=("$target")
    fi
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "error: failed: ${failed[*]}" >&2
    exit 1
fi
echo "All $# fuzz targets held."
