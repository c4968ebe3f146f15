#!/usr/bin/env bash
# Imports users while the import is killed again and again. Usage: import_kills.sh [USERS=20000 [--kills N]]
# Exits 1 if a user is missing or twice, if the store contradicts itself, or if a process used more than 1 GiB.
set -euo pipefail
if ! command -v python3 >/dev/null; then
    echo "skipped: python3 is not installed"
    exit 0
fi
here="$(cd "$(dirname "$0")" && pwd)"
target="${CARGO_TARGET_DIR:-$HOME/.cache/rollcall-target}"
exec python3 "$here/import_kills.py" "${ROLLCALL_BIN:-$target/debug/rollcall}" "${@:-20000}"
