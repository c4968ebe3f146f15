#!/usr/bin/env bash
# Makes the disk fail under a running server, lifts the fault, and asks for every acknowledged write.
#
#   tests/tools/disk_faults/disk_faults.sh [--writers N] [--seconds SECONDS] [--memtable MEBIBYTES] [--keep]
#                                          [--set NAME=VALUE]… [FAULT…]
#
# The faults are a full disk, a read-only disk, and I/O errors on write and on fsync, lasting and once, and a start on a
# full and on a read-only disk. All run unless some are named ("disk full"). Prints one line for each: PASS or FAIL, and
# the answers that were seen. Reads ROLLCALL_BIN from the environment: the server; by default the debug build.
# Exits 1 if a request hangs or fails without a clear error, if an acknowledged write is lost or half there, or if the
# store does not open.
set -euo pipefail

for needed in python3 gcc; do
    if ! command -v "$needed" >/dev/null; then
        echo "skipped: $needed is not installed"
        exit 0
    fi
done
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "skipped: python3 is older than 3.11"
    exit 0
fi
if [[ "$(uname -s)" != Linux ]]; then
    echo "skipped: LD_PRELOAD and /proc need Linux"
    exit 0
fi
here="$(cd "$(dirname "$0")" && pwd)"
target="${CARGO_TARGET_DIR:-$HOME/.cache/rollcall-target}"
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/disk_faults.py" "${ROLLCALL_BIN:-$target/debug/rollcall}" "$@"
