#!/usr/bin/env bash
# Simulates power cuts during writes, starts the server on what is left, and asks for every acknowledged write.
#
#   tests/tools/power_cuts/power_cuts.sh [CUTS=5] [--writers N] [--longest SECONDS] [--memtable MEBIBYTES] [--torn]
#                                        [--rotations COUNT] [--existing] [--set NAME=VALUE]… [--seed N] [--keep]
#   tests/tools/power_cuts/power_cuts.sh [KILLS=5] --self-test     tests the recorder itself, without a server
#
# The long form is 50 cuts. Reads ROLLCALL_BIN from the environment: the server; by default the debug build.
# Exits 1 if an acknowledged write is lost or half there, if a store does not open, if no memtable was rotated, or if
# the control with sync=never loses nothing.
set -euo pipefail

for needed in python3 gcc; do
    if ! command -v "$needed" >/dev/null; then
        echo "skipped: $needed is not installed"
        exit 0
    fi
done
if [[ "$(uname -s)" != Linux ]]; then
    echo "skipped: LD_PRELOAD and /proc need Linux"
    exit 0
fi
cuts=5
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then
    cuts="$1"
    shift
fi
here="$(cd "$(dirname "$0")" && pwd)"
target="${CARGO_TARGET_DIR:-$HOME/.cache/rollcall-target}"
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/power_cuts.py" "${ROLLCALL_BIN:-$target/debug/rollcall}" "$cuts" "$@"
