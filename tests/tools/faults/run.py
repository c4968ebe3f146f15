"""Runs rows of the fault catalogue and prints what was measured; see run.sh."""

import argparse
import importlib
import json
import resource
import sys
import time
import traceback

from rig import ROLLCALL, SURREAL, Figure, as_json

# Each row, the module that runs it, and whether it needs a SurrealDB server.
ROWS = {
    "F-01": ("f01", False),
    "D-01": ("d01", True),
    "D-02": ("d02", True),
    "L-01": ("l01", False),
    "L-02": ("l02", True),
    "O-05": ("o05", False),
}
ALIASES = {"DO-06": "O-05"}


def arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description="Injects faults and measures what comes of them.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join([*ROWS, *ALIASES])}; all if absent")
    parser.add_argument("--long", action="store_true", help="the full figures of the catalogue")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--keep", action="store_true", help="leave data and logs where they are")
    options = parser.parse_args()
    wanted = [ALIASES.get(row.upper(), row.upper()) for row in options.rows]
    unknown = [row for row in wanted if row not in ROWS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    options.rows = [row for row in ROWS if row in wanted or not wanted]
    return options


def reason_to_skip(row):
    if not ROLLCALL.exists():
        return f"there is no server at {ROLLCALL}: build it, or set ROLLCALL_BIN"
    if ROWS[row][1] and not SURREAL.exists():
        return f"there is no SurrealDB server at {SURREAL}: cargo build in tests/tools/surreal"
    return None


def measure(row, options):
    """The figures of a row; what ends it early is one that failed."""
    try:
        return importlib.import_module(ROWS[row][0]).run(options)
    except Exception as error:
        traceback.print_exc()
        return [Figure("it ran to its end", f"{type(error).__name__}: {error}", "", "yes", False)]


def main():
    options = arguments()
    # Thousands of sockets, in the servers that are started here too.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    results, failed = [], 0
    for row in options.rows:
        reason = reason_to_skip(row)
        if reason:
            print(f"skipped: {row}: {reason}", flush=True)
            results.append({"row": row, "skipped": reason})
            continue
        started = time.monotonic()
        figures = measure(row, options)
        for figure in figures:
            print(figure.line(row), flush=True)
        failed += sum(figure.passed is False for figure in figures)
        seconds = round(time.monotonic() - started, 1)
        results.append({"row": row, "long": options.long, "seconds": seconds, "figures": [as_json(f) for f in figures]})
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"rows": results}, file, indent=2)
    print(f"{failed} of the figures failed" if failed else "no figure failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
