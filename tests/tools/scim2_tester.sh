#!/usr/bin/env bash
# Runs scim2-tester, the open-source SCIM checker, against a demo server of its own.
#
#   tests/tools/scim2_tester.sh
#
# Takes no arguments. Reads from the environment:
#   ROLLCALL_BIN        the server; by default the debug build in ${CARGO_TARGET_DIR:-$HOME/.cache/rollcall-target}
#   SCIM2_TESTER_SEED   what the checker draws its random choices from; 0 by default, so that two runs are alike
#
# The checker lives in a virtual environment of its own in the user's cache, made on the first run, which therefore
# needs a Python package index. The server runs in memory on a free port of the loopback interface.
#
# Exit status: 0 no error found, or skipped because Python is missing; 1 the checker found an error; 2 it could not run.

set -u

# All four are pinned: the strictness is in the models and the client, not in the tester.
packages=(scim2-tester==0.5.2 scim2-client==0.13.2 scim2-models==0.12.3 httpx2==2.16.2)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
server_bin=${ROLLCALL_BIN:-${CARGO_TARGET_DIR:-$HOME/.cache/rollcall-target}/debug/rollcall}
venv=${XDG_CACHE_HOME:-$HOME/.cache}/rollcall-scim2-tester

skip() {
    echo "scim2-tester: skipped: $1"
    exit 0
}

give_up() {
    echo "scim2-tester: $1" >&2
    exit 2
}

command -v python3 >/dev/null || skip "python3 is not installed"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || skip "python3 is older than 3.11"
python3 -c 'import ensurepip, venv' 2>/dev/null || skip "python3 has no venv (Debian: package python3-venv)"
[[ -x $server_bin ]] || give_up "no server at $server_bin: build it, or set ROLLCALL_BIN"

# The stamp is written last, so an interrupted installation is made again, and so is one with other versions.
stamp=$venv/packages
if [[ $(cat "$stamp" 2>/dev/null) != "${packages[*]}" ]]; then
    echo "scim2-tester: installing ${packages[*]}"
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")" && python3 -m venv "$venv" || give_up "cannot make a virtual environment in $venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" ||
        give_up "cannot install the checker"
    echo "${packages[*]}" >"$stamp"
fi

scratch=$(mktemp -d) || give_up "cannot make a temporary directory"
server=
cleanup() {
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null
        wait "$server" 2>/dev/null
    fi
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A pipe with a name: reading ends when the server dies, and the server stays a child that can be ended by its id.
mkfifo "$scratch/ready" || give_up "cannot make a pipe in $scratch"
"$server_bin" demo --listen 127.0.0.1:0 --json >"$scratch/ready" 2>"$scratch/log" &
server=$!
exec 3<"$scratch/ready"
if ! IFS= read -r -t 60 ready <&3; then
    tail -n 20 "$scratch/log" >&2
    give_up "the server ended, or kept silent for 60 seconds, before it said where it listens"
fi

# The token goes through a pipe: arguments are for everyone on the machine to read. With -P the folder of the script is
# not searched for modules, where the script would hide the package it is named after.
printf '%s\n' "$ready" | "$venv/bin/python" -P "$here/scim2_tester.py"
