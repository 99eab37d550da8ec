#!/usr/bin/env bash
# Builds the static binaries for distribution, tries each of them, and puts them into target/dist/
# with their checksums: x86-64 with the installed toolchain, and aarch64 with Debian's cross tools
# if they can be had. They have a target directory of their own, so that their flags do not make
# everyday builds start from scratch.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/packages.sh

# chroot is in a folder that is not in the path of ordinary users.
PATH=$PATH:/usr/sbin:/sbin

CARGO=${CARGO:-cargo}
NAME=autamedica-signaling
target=$("$CARGO" metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
dist=$target/dist
build=$target/dist-build
mkdir -p "$dist" "$build"

# Linked statically with the C library, so that it runs where there is nothing else. Random numbers
# come from the system call: a static program cannot look the function up at run time, and would
# need /dev/urandom, which an empty root does not have.
STATIC='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"'

SETTINGS=("PATH=$PATH" NODE_ENV=development PORT=18480 ADMIN_ADDR=127.0.0.1:18481 AUDIT_DIR=/data/audit)

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)

skip() {
    echo "aarch64: SKIPPED: $*"
}

# try_out BINARY [EMULATOR]: runs it in an empty folder as its root, with nothing but the emulator
# beside it.
try_out() {
    local binary=$1 emulator=${2:-} root status=0 by=()
    if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
        echo "$binary: not tried in an empty root, which takes the rights of root"
        ${emulator:+"$emulator"} "$dist/$binary" version
        return
    fi
    root=$(mktemp -d)
    cp "$dist/$binary" "$root/$NAME"
    if [ -n "$emulator" ]; then
        cp "$(command -v "$emulator")" "$root/emulator"
        by=(/emulator)
    fi
    { in_root "$root" "${by[@]}" "/$NAME" version && serve "$root" "${by[@]}" "/$NAME"; } || status=$?
    rm -rf "$root"
    if [ "$status" != 0 ]; then
        echo "error: $binary does not run in an empty root" >&2
        return 1
    fi
}

# in_root ROOT COMMAND...: with only the settings for development in its environment.
in_root() {
    "${as_root[@]}" env -i "${SETTINGS[@]}" chroot "$@"
}

# serve ROOT COMMAND...: starts the server, asks for its health, and stops it.
serve() {
    local root=$1 server healthy=1 ended=0
    shift
    "${as_root[@]}" env -i "${SETTINGS[@]}" chroot "$root" "$@" >"$root/log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        if in_root "$root" "$@" healthcheck >"$root/health" 2>&1; then
            healthy=0
            break
        fi
        sleep 0.1
    done
    "${as_root[@]}" kill -TERM "$server" || true
    wait "$server" || ended=$?
    cat "$root/health"
    if [ "$healthy" != 0 ] || [ "$ended" != 0 ]; then
        cat "$root/log" >&2
        return 1
    fi
}

x86_64() {
    RUSTFLAGS=$STATIC "$CARGO" build --release --locked --target x86_64-unknown-linux-gnu --target-dir "$build"
    cp "$build/x86_64-unknown-linux-gnu/release/$NAME" "$dist/$NAME-x86_64"
    try_out "$NAME-x86_64"
}

# Debian has a Rust compiler with a standard library for arm64. Neither is installed; both are
# unpacked beside the build. The version may differ from that of the installed toolchain, so
# dependencies are built with it too.
aarch64() {
    local tools=$build/aarch64-tools triple=aarch64-unknown-linux-gnu command
    if ! command -v apt-get >/dev/null || [ "$(dpkg --print-architecture)" != amd64 ]; then
        skip "it is built with the cross tools of Debian on amd64, and this is another system"
        return
    fi
    for command in aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu qemu-aarch64-static:qemu-user-static; do
        if ! (need "${command%%:*}" "${command#*:}" libc6-dev-arm64-cross); then
            skip "${command%%:*} is missing, and its package could not be installed"
            return
        fi
    done
    if [ ! -x "$tools/usr/bin/rustc" ] && ! fetch_compiler "$tools"; then
        rm -rf "$tools"
        skip "the packages of Debian's compiler (rustc-web, libstd-rust-web-dev for arm64) could not be had"
        return
    fi
    LD_LIBRARY_PATH=$(libraries "$tools") RUSTC=$tools/usr/bin/rustc RUSTFLAGS=$STATIC \
        CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        "$CARGO" build --release --locked --target "$triple" --target-dir "$build/aarch64"
    cp "$build/aarch64/$triple/release/$NAME" "$dist/$NAME-aarch64"
    aarch64-linux-gnu-strip "$dist/$NAME-aarch64" 2>/dev/null || true
    try_out "$NAME-aarch64" qemu-aarch64-static
}

# fetch_compiler FOLDER: uses package lists of its own, so that nothing on this system changes.
fetch_compiler() {
    local tools=$1 lists=$build/lists options package
    mkdir -p "$tools" "$lists/partial" "$build/archives/partial"
    options=(-o "Dir::State::Lists=$lists" -o "APT::Architectures::=amd64" -o "APT::Architectures::=arm64"
        -o "APT::Sandbox::User=root")
    apt-get "${options[@]}" update -q >&2 || true
    # The compiler with all dependencies that this system lacks; of the library for arm64 only
    # itself.
    apt-get "${options[@]}" -o "Dir::Cache::archives=$build/archives" -o Debug::NoLocking=1 \
        install -q -y --download-only --no-install-recommends rustc-web:amd64 >&2 &&
        (cd "$build/archives" && apt-get "${options[@]}" download libstd-rust-web-dev:arm64 >&2) || return
    for package in "$build"/archives/*.deb; do
        dpkg -x "$package" "$tools" || return
    done
    LD_LIBRARY_PATH=$(libraries "$tools") "$tools/usr/bin/rustc" --version
}

# libraries FOLDER: where the compiler's own libraries were unpacked.
libraries() {
    find "$1" -name '*.so*' -path '*x86_64*' -printf '%h\n' | sort -u | paste -sd:
}

x86_64
aarch64

echo
(
    cd "$dist"
    sha256sum "$NAME"-* | tee SHA256SUMS
    for binary in "$NAME"-*; do
        printf '%-32s %9d bytes  %s\n' "$binary" "$(stat -c %s "$binary")" "$(file -b "$binary" 2>/dev/null | cut -d, -f1-4)"
    done
)
