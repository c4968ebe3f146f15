#!/usr/bin/env bash
# Injects faults into running servers and measures what comes of them: rows of the fault catalogue.
#
#   tests/tools/faults/run.sh [--long] [--json FILE] [--keep] [ROW…]
#
#   F-01  the server is killed during writes        D-01  the database goes away and comes back
#   L-01  the server is stopped during writes       D-02  the database is slow, or says nothing
#   L-02  two nodes are restarted in turn           O-05  sockets that dribble or say nothing (and DO-06)
#
# All rows, unless some are named, in a form of three minutes together; --long is the full size, an hour. Prints one line
# for each figure: what was measured, what it is held to, PASS or FAIL. Reads from the environment:
#   ROLLCALL_BIN   the server; by default the debug build in ${CARGO_TARGET_DIR:-$HOME/.cache/rollcall-target}
#   SURREAL_BIN    the SurrealDB server of tests/tools/surreal; by default in the same place
#
# Exit status: 0 nothing failed, or skipped because Python or a server is missing; 1 a figure failed; 2 a wrong command
# line.
set -euo pipefail

if ! command -v python3 >/dev/null; then
    echo "skipped: python3 is not installed"
    exit 0
fi
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "skipped: python3 is older than 3.11"
    exit 0
fi
if [[ ! -r /proc/net/tcp ]]; then
    echo "skipped: there is no /proc/net/tcp; this needs Linux"
    exit 0
fi
here="$(cd "$(dirname "$0")" && pwd)"
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/run.py" "$@"
