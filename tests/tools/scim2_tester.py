"""Checks a SCIM server with scim2-tester; started by scim2_tester.sh, which has the packages (python -P, see there).

Standard input is the line that `rollcall demo --json` prints. Every result that is not a success is printed, then how
many there were of each. Exit status: 0 without errors, 1 with errors, 2 when the checks could not be run.
"""

import json
import os
import random
import sys
from collections import Counter
from importlib.metadata import version

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

FAILURES = {Status.ERROR, Status.CRITICAL}
RESOURCE_TYPES = {"User", "Group"}


def causes(data):
    """What the checker keeps beside the reason: the answer it could not use, what was wrong with it."""
    if isinstance(data, dict) and "urn" in data:
        data = data.get("error")  # A PATCH check; the values it compared are in the reason already.
    if isinstance(data, BaseException):
        yield from getattr(data, "__notes__", [])
        data = getattr(getattr(data, "source", None), "text", None)
    if isinstance(data, (dict, list)):
        data = json.dumps(data, default=str)
    if isinstance(data, str) and data:
        yield f"answer: {data}"


def show(result):
    where = f" [{result.resource_type}]" if result.resource_type else ""
    text = f"{result.status.name} {result.title}{where}: {result.reason}"
    if result.status in FAILURES:
        text = "\n".join([text, *causes(result.data)])
    print(text.strip().replace("\n", "\n    "))


def main():
    try:
        scim = json.loads(sys.stdin.readline())["organizations"][0]["scim"]
        url, token = scim["url"], scim["token"]
    except (ValueError, LookupError, TypeError) as error:
        print(f"scim2-tester: not the line of `rollcall demo --json`: {error!r}", file=sys.stderr)
        return 2

    seed = os.environ.get("SCIM2_TESTER_SEED", "0")
    random.seed(seed)
    # No proxy from the environment: the server is on this machine.
    headers = {"Authorization": f"Bearer {token}"}
    with Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
        results = check_server(SyncSCIMClient(http))

    for result in results:
        if result.status is not Status.SUCCESS:
            show(result)

    counts = Counter(result.status for result in results)
    failures = sum(counts[status] for status in FAILURES)
    # Without a description of the server the checker stops early; that must not look like success.
    unchecked = RESOURCE_TYPES - {result.resource_type for result in results}
    for name in sorted(unchecked):
        print(f"ERROR: no check of the resource type {name} was run")
    tally = ", ".join(f"{counts[status]} {status.name.lower()}" for status in Status if counts[status])
    print(f"scim2-tester {version('scim2-tester')}, seed {seed}: {len(results)} results: {tally or 'none'}")
    return 1 if failures or unchecked else 0


if __name__ == "__main__":
    sys.exit(main())
