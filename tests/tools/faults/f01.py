"""F-01: the server is killed during writes, again and again, and is asked for every write it had acknowledged.

The rounds are those of `kill_rounds.sh`, which prints its seed and ends at the first write that is lost or half there.
"""

import os
import re
import subprocess
from pathlib import Path

from rig import ROLLCALL, at_least, at_most, holds, told

SCRIPT = Path(__file__).parents[1] / "kill_rounds.sh"
COUNTS = r"(\d+) kills, \d+ replaced memtables, (\d+) acknowledged writes of (\d+) users"
SUMMARY = re.compile(COUNTS + r", 0 lost, 0 half there; ready in ([\d.]+) s")
READY_WITHIN = 5
WRITES_A_KILL = 20  # in the short form: that there was something to lose


def run(options):
    kills, writes = (200, 300_000) if options.long else (5, 5 * WRITES_A_KILL)
    command = ["bash", SCRIPT, str(kills)]
    if options.long:
        command += ["--writers", "16", "--longest", "6", "--rotations", "400", "--writes", str(writes)]
    done = subprocess.run(command, env=os.environ | {"ROLLCALL_BIN": str(ROLLCALL)}, capture_output=True, text=True)
    seen = SUMMARY.search(done.stdout)
    if done.returncode != 0 or not seen:
        return [holds("nothing acknowledged is lost or half there", False, (done.stdout + done.stderr)[-2000:])]
    killed, acknowledged, users, ready_after = (float(number) for number in seen.groups())
    return [
        told("seed", done.stdout.split()[1]),
        at_least("kills", int(killed), kills),
        at_least("writes acknowledged", int(acknowledged), writes),
        holds("nothing acknowledged is lost or half there", True),
        at_most(f"ready again, with {int(users)} users", ready_after, READY_WITHIN),
    ]
