# Sourced by the other scripts: installs what is missing from the distribution's packages, or says
# what to do.

# need COMMAND PACKAGE...: makes sure that COMMAND is there.
need() {
    local command=$1
    shift
    if command -v "$command" >/dev/null; then
        return
    fi
    echo "$command is not installed; trying the distribution's packages: $*" >&2
    install_packages "$@"
    if ! command -v "$command" >/dev/null; then
        give_up "$command is still missing after the installation" "$@"
    fi
}

install_packages() {
    local as_root=()
    if ! command -v apt-get >/dev/null; then
        give_up "this machine has no apt-get" "$@"
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            give_up "installing needs root, or sudo that asks for no password" "$@"
        fi
        as_root=(sudo -n)
    fi
    # An outdated list is no reason to stop: the installation itself decides.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2 || true
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@" >&2; then
        give_up "apt-get could not install it" "$@"
    fi
}

# give_up REASON PACKAGE...
give_up() {
    local reason=$1
    shift
    echo "error: $reason. Install these packages, then run this again: $*" >&2
    exit 1
}
