"""Tests recorder.c and disk.py without a server: fixed steps with a known result, then kills of a miniature store.

The miniature store appends to a log, rotates it and replaces a table by rename, as an engine does. Each mistake that it
can be told to make must lose an acknowledged write in the reading that is there to find that mistake.
"""

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from disk import READINGS, Disk

# Each mistake, and the readings in which it must lose something.
MISTAKES = {
    "no sync of the log": READINGS,
    "no sync of the table": ("as named",),
    "no sync of the folder": ("strict",),
    "log removed before the table is named": ("as named", "ext4"),
    "sync shared with a write that came later": ("as named", "ext4", "strict"),
}


def sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


# -- Fixed steps -------------------------------------------------------------------------------------------------------


def steps(folder):
    """Runs under the recorder."""

    def put(name, text, flags=os.O_APPEND, at=None, call=None):
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | flags, 0o600)
        os.write(descriptor, text) if at is None else os.pwrite(descriptor, text, at)
        if call:
            call(descriptor)
        os.close(descriptor)

    os.mkdir(folder / "sub")
    put("sub/appended", b"one,", call=os.fsync)
    put("sub/appended", b"two,", call=os.fdatasync)
    put("sub/appended", b"lost")
    put("kept", b"0123456789", call=os.fsync)
    sync(folder)
    put("kept", b"XX", flags=0, at=4, call=os.fdatasync)
    os.truncate(folder / "sub/appended", 2)  # Python calls truncate(2), which the recorder does not know
    descriptor = os.open(folder / "kept", os.O_RDWR)
    os.ftruncate(descriptor, 8)
    os.pwrite(descriptor, b"end", 10)
    os.fsync(descriptor)
    os.ftruncate(descriptor, 3)
    os.close(descriptor)
    put("zeros", bytes(200_000) + b"1" + bytes(9), call=os.fsync)
    os.rename(folder / "zeros", folder / "moved")
    put("late", b"never synced")
    os.unlink(folder / "kept")


def fixed_steps(start, work):
    live, record = work / "live", work / "record"
    live.mkdir()
    (live / "old").write_bytes(b"old")
    subprocess.run(start(live, record) + ["steps", live], check=True)
    (work / "before").mkdir()
    (work / "before/old").write_bytes(b"old")
    disk = Disk(work / "before", record)
    zeros = bytes(200_000) + b"1" + bytes(9)
    old, kept = {"old": b"old"}, b"0123XX67\0\0end"
    expected = {
        "as named": old | {"sub/appended": b"one,two,", "moved": zeros, "late": b""},
        "ext4": old | {"sub/appended": b"one,two,", "kept": kept[:3], "zeros": zeros},
        "strict": old | {"kept": kept},
    }
    problems = []
    for reading in READINGS:
        disk.lay_out(reading, work / reading)
        files = [path for path in (work / reading).rglob("*") if path.is_file()]
        found = {str(path.relative_to(work / reading)): path.read_bytes() for path in files}
        for name in sorted(found.keys() | expected[reading].keys()):
            if found.get(name) != expected[reading].get(name):
                seen, wanted = (str(files.get(name))[:60] for files in (found, expected[reading]))
                problems.append(f"fixed steps, {reading}: {name} is {seen}, not {wanted}")
    if disk.unseen(live):
        problems.append(f"fixed steps: names unseen: {disk.unseen(live)}")
    return problems


# -- A miniature store -------------------------------------------------------------------------------------------------

WRITERS, ROTATE_AFTER = 4, 20


class Store:
    """Files: N.log with a line for each write since the rotation, and `table` with every line before it."""

    def __init__(self, folder, mistake):
        self.folder, self.mistake = folder, mistake
        self.lines, self.count, self.number, self.running = [], 0, 0, None
        self.lock, self.turn = threading.Lock(), threading.Lock()
        self._open_log()

    def _open_log(self):
        self.number += 1
        self.log = os.open(self.folder / f"{self.number}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if self.mistake != "no sync of the folder":
            sync(self.folder)

    def write(self, line):
        with self.lock:
            if self.count >= ROTATE_AFTER:
                self._rotate()
            os.write(self.log, line)
            self.lines.append(line)
            self.count += 1
            if self.mistake not in ("sync shared with a write that came later", "no sync of the log"):
                os.fdatasync(self.log)
            log = self.log
        if self.mistake == "sync shared with a write that came later":
            self._share_sync(log)

    def _share_sync(self, log):
        with self.turn:
            running = self.running
            if running:  # wrong: the sync that runs may have begun before this write
                running.wait()
                return
            self.running = threading.Condition(self.turn)
        os.fdatasync(log)
        with self.turn:
            self.running.notify_all()
            self.running = None

    def _rotate(self):
        new, table = self.folder / "table.new", self.folder / "table"
        old = self.folder / f"{self.number}.log"
        if self.mistake != "no sync of the log":
            os.fsync(self.log)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, b"".join(self.lines))
        if self.mistake != "no sync of the table":
            os.fsync(descriptor)
        os.close(descriptor)
        if self.mistake == "log removed before the table is named":
            os.unlink(old)
            sync(self.folder)
            time.sleep(0.002)
        os.rename(new, table)
        if self.mistake != "no sync of the folder":
            sync(self.folder)
        if self.mistake != "log removed before the table is named":
            os.unlink(old)
        self.count = 0
        self._open_log()


def serve(folder, mistake):
    """Runs under the recorder: prints each line that it acknowledges, until it is killed."""
    store = Store(folder, mistake)

    def write(name):
        for index in range(10**9):
            line = b"%d-%d\n" % (name, index)
            store.write(line)
            os.write(1, line)

    for name in range(WRITERS):
        threading.Thread(target=write, args=(name,)).start()


def lost_after_kill(start, work, mistake, seconds):
    """How many acknowledged lines each reading lacks after so many seconds of writes."""
    for name in ("before", "live"):
        (work / name).mkdir()
    with (work / "acknowledged").open("wb") as acknowledged:
        command = start(work / "live", work / "record") + ["serve", work / "live", mistake]
        process = subprocess.Popen(command, stdout=acknowledged)
    while process.poll() is None and not (work / "acknowledged").stat().st_size:
        time.sleep(0.01)
    time.sleep(seconds)
    process.kill()
    process.wait()
    disk = Disk(work / "before", work / "record")
    acknowledged = set((work / "acknowledged").read_bytes().split(b"\n")[:-1])
    lost = {}
    for reading in READINGS:
        disk.lay_out(reading, work / reading)
        stored = b"".join(path.read_bytes() for path in (work / reading).iterdir() if path.name != "table.new")
        lost[reading] = len(acknowledged - set(stored.split(b"\n")))
    return lost, len(acknowledged), disk


def run(library, kills):
    def start(folder, record):
        environment = [f"LD_PRELOAD={library}", f"POWER_CUTS_FOLDER={folder}", f"POWER_CUTS_RECORD={record}"]
        return ["env", *environment, sys.executable, __file__]

    chance, writes = random.Random(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "steps").mkdir()
        problems = fixed_steps(start, folder / "steps")
        for number in range(kills):
            (folder / f"kill{number}").mkdir()
            seconds = chance.uniform(0.2, 0.8)
            lost, acknowledged, disk = lost_after_kill(start, folder / f"kill{number}", "none", seconds)
            writes += acknowledged
            unseen = disk.unseen(folder / f"kill{number}/live")
            if any(lost.values()) or unseen or not acknowledged:
                problems.append(f"kill {number}: {lost} of {acknowledged} are lost, names unseen: {unseen}")
        for number, (mistake, readings) in enumerate(MISTAKES.items()):
            found = set()
            for attempt in range(30):
                work = folder / f"mistake{number}-{attempt}"
                work.mkdir()
                lost, _, _ = lost_after_kill(start, work, mistake, chance.uniform(0.2, 0.5))
                found |= {reading for reading, count in lost.items() if count}
                if found >= set(readings):
                    break
            print(f"{mistake}: lost in {', '.join(sorted(found)) or 'no reading'}")
            if not found >= set(readings):
                problems.append(f"{mistake}: not found in {', '.join(set(readings) - found)}")
    for problem in problems:
        print(problem)
    print(f"self-test: {kills} kills, {writes} acknowledged writes, {len(MISTAKES)} mistakes, {len(problems)} problems")
    return not problems


if __name__ == "__main__":
    steps(Path(sys.argv[2])) if sys.argv[1] == "steps" else serve(Path(sys.argv[2]), sys.argv[3])
