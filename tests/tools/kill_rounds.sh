#!/usr/bin/env bash
# F-01: kill -9 a server during writes, start it again, and ask for every write it had acknowledged.
# Usage: kill_rounds.sh [ROUNDS=20 [--writers N] [--longest SECONDS] [--writes N] [--rotations N] [--memtable MEBIBYTES]]
# The long form: kill_rounds.sh 200 --rotations 400 --writes 300000 --longest 6
# Exits 1 if an acknowledged write is lost or half there, or if no memtable was full and replaced.
set -euo pipefail

rounds="${1:-20}"
if ! command -v python3 >/dev/null; then
    echo "skipped: python3 is not installed"
    exit 0
fi
here="$(cd "$(dirname "$0")" && pwd)"
target="${CARGO_TARGET_DIR:-$HOME/.cache/rollcall-target}"
exec python3 "$here/kill_rounds.py" "${ROLLCALL_BIN:-$target/debug/rollcall}" "$rounds" "${@:2}"
