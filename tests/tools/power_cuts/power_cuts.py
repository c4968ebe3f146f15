"""Simulates power cuts under writes and checks that every acknowledged write survives.

The server runs under recorder.c while clients write, and is killed. disk.py lays out the files as they are after a
power cut in three readings. A server starts on each and is asked for every acknowledged write, as in kill_rounds.py.

Cuts accumulate: the next round starts on the strict reading of the cut before. So later rounds record recovery itself,
on a store with many tables, and a sync that recovery lacks is found by the next cut. From the second round on, a
fourth state is checked: the strict reading of a cut at a random moment of the start. The checks run on copies.

A control runs with sync=never and must lose an acknowledged write, because a test that cannot fail proves nothing. For
the same reason the test fails if no memtable was rotated. Standard library only.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import kill_rounds  # noqa: E402
import self_test  # noqa: E402
from disk import READINGS, Disk, add_torn, entries_of  # noqa: E402

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
START_TIME = 120  # seconds until a start counts as a hang; a debug build on a busy machine takes several


def build(source, folder):
    """Compiles a library to preload."""
    library = folder / f"{source.stem}.so"
    command = ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", library, source, "-pthread", "-ldl"]
    subprocess.run([str(part) for part in command], check=True)
    return library


class Server(kill_rounds.Server):
    """A server with an environment of its own, whose log is kept. `binary` stays what the base class starts."""

    def __init__(self, binary, store, environment, log):
        script = log.with_suffix(".sh")
        settings = " ".join(f"'{name}={value}'" for name, value in environment.items())
        script.write_text(f"#!/bin/sh\nexec env {settings} '{binary}' \"$@\" 2>>'{log}'\n")
        script.chmod(0o700)
        logged = log.stat().st_size if log.exists() else 0
        self.process = None
        timer = threading.Timer(START_TIME, lambda: self.process and self.process.kill())
        timer.start()
        try:
            super().__init__(str(script), store)
        except ValueError:  # no line, or one that is no JSON
            self.kill()
            lines = log.read_bytes()[logged:].decode(errors="replace").strip().splitlines()
            message = [line for line in lines if not line.startswith("{")] or lines
            raise DoesNotStart(" / ".join(message[-3:])[-600:] or "no message") from None
        finally:
            timer.cancel()


class DoesNotStart(Exception):
    """The server ended, or was silent for START_TIME. Says the last lines of its log."""


class CannotTest(Exception):
    """The test itself does not work here."""


class Rounds:
    """Rounds of writes and power cuts on one store."""

    def __init__(self, options, folder, library, sync, chance):
        self.options, self.folder, self.library, self.chance = options, folder, library, chance
        self.query = f"?sync={sync}"
        self.start = folder / "start"  # what is durable before a round
        self.start.mkdir(parents=True)
        self.settings = {"ROLLCALL__STORE__WRITTEN_MEBIBYTES": options.memtable}
        self.settings |= dict(setting.split("=", 1) for setting in options.set)
        self.acknowledged, self.group = {}, None
        self.rotated, self.syncs, self.slowest, self.number, self.started = 0, 0, 0.0, 0, 0

    def make_store(self):
        """Makes the store without a power cut. Its names are durable then, also those beside the store."""
        server = self.server(self.start)
        server.process.terminate()
        server.process.wait(START_TIME)

    def server(self, root, **environment):
        url = f"surrealkv://{root}/store{self.query}"
        return Server(self.options.binary, url, self.settings | environment, self.folder / f"{root.name}.log")

    def cut(self):
        """One round. Returns the problems of each reading."""
        self.number += 1
        work = self.folder / f"round{self.number}"
        live, record, before = work / "live", work / "record", set(self.acknowledged)
        shutil.copytree(self.start, live)
        self._write(live, record)
        disk = Disk(self.start, record)
        self.syncs += disk.syncs
        unseen = disk.unseen(live)
        if unseen:
            raise CannotTest(f"the recorder is incomplete, it has not seen: {', '.join(unseen[:10])}")
        recent = self.acknowledged.keys() - before
        readings = [*READINGS, "torn"] if self.options.torn else READINGS
        problems = {}
        if before:
            started = self.chance.randint(0, self.started)
            Disk(self.start, record, started).lay_out("strict", work / "during-start")
            earlier = {user_id: self.acknowledged[user_id] for user_id in before}
            problems["strict, during the start"] = self._check(self.start, work / "during-start", earlier, ())
        for reading in readings:
            target = work / reading.replace(" ", "-")
            disk.lay_out("as named" if reading == "torn" else reading, target)
            if reading == "torn":
                add_torn(target, live, self.chance)
            elif reading == "strict":
                shutil.rmtree(self.start)
                shutil.copytree(target, self.start)
            problems[reading] = self._check(live, target, self.acknowledged, recent)
        if not self.options.keep:
            shutil.rmtree(work)
        return problems

    def _write(self, live, record):
        server = self.server(live, LD_PRELOAD=self.library, POWER_CUTS_FOLDER=live, POWER_CUTS_RECORD=record)
        self.started = sum(1 for _ in entries_of(record.read_bytes()))
        self.slowest = max(self.slowest, server.ready_after)
        if self.group is None:
            body = {"schemas": [GROUP], "displayName": "Survivors"}
            status, created = server.request(server.connect(), "POST", "/Groups", body)
            assert status == 201, status
            self.group = created["id"]
        before = kill_rounds.newest_log(live / "store")
        writers = [
            threading.Thread(
                target=kill_rounds.write, args=(server, f"r{self.number}w{writer}", self.group, self.acknowledged)
            )
            for writer in range(self.options.writers)
        ]
        for writer in writers:
            writer.start()
        time.sleep(self.chance.uniform(0.2, self.options.longest))
        server.kill()
        for writer in writers:
            writer.join()
        self.rotated += kill_rounds.newest_log(live / "store") - before

    def _check(self, real, target, acknowledged, recent):
        """The problems of one reading. `real`: the folder without a power cut."""
        if not (target / "store").is_dir():
            return ["the store's folder has no durable name: its parent was not synced after it was made"]
        problems = []
        for path in (path for path in real.iterdir() if path.is_file()):
            kept = target / path.name
            if not kept.is_file() or kept.read_bytes() != path.read_bytes():
                problems.append(f"{path.name}, beside the store, is lost")
        try:
            server = self.server(target)
        except DoesNotStart as reason:
            return [*problems, f"the store does not open: {reason}"]
        try:
            problems += kill_rounds.check(server, self.group, acknowledged, recent)
        except Exception as error:  # an answer that the check does not expect
            problems.append(f"the check ended with {type(error).__name__}: {error}")
        finally:
            self.slowest = max(self.slowest, server.ready_after)
            server.kill()
        return problems


def control(options, folder, library, chance):
    """Loses something with sync=never. Returns a summary, or None if nothing was lost."""
    for number in range(1, options.cuts + 1):
        rounds = Rounds(options, folder / f"control{number}", library, "never", chance)
        rounds.make_store()
        problems = rounds.cut()
        if any(problems.values()):
            counts = ", ".join(f"{len(found)} problems {reading}" for reading, found in problems.items() if found)
            return f"control with sync=never: cut {number} of it, {len(rounds.acknowledged)} users: {counts}"
    return None


def arguments():
    parser = argparse.ArgumentParser(prog="power_cuts.sh", description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("cuts", type=int)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--longest", type=float, default=1.5, metavar="SECONDS", help="of writes in a round at most")
    parser.add_argument("--memtable", type=int, default=1, metavar="MEBIBYTES", help="store.written_mebibytes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="environment of the server")
    parser.add_argument("--rotations", type=int, default=1, metavar="COUNT", help="fail if there were fewer")
    parser.add_argument("--existing", action="store_true", help="do not test power cuts after the very first start")
    parser.add_argument("--torn", action="store_true", help="a fourth reading: unsynced bytes are there in part")
    parser.add_argument("--keep", action="store_true", help="leave stores, records and logs where they are")
    parser.add_argument("--self-test", action="store_true", help="test the recorder itself, without a server")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    return parser.parse_args()


def main():
    options = arguments()
    folder = Path(tempfile.mkdtemp(prefix="power-cuts-")).resolve()
    try:
        passed = run(options, folder)
    except DoesNotStart as reason:
        print(f"FAIL: the server does not start: {reason}")
        passed = False
    except CannotTest as reason:
        print(f"FAIL: {reason}")
        passed = False
    finally:
        print(f"data and logs are kept in {folder}") if options.keep else shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if passed else 1)


def run(options, folder):
    """Whether everything passed."""
    library = build(HERE / "recorder.c", folder)
    if options.self_test:
        return self_test.run(library, options.cuts)
    if not os.access(options.binary, os.X_OK):
        raise CannotTest(f"there is no server at {options.binary}: build it, or set ROLLCALL_BIN")
    print(f"seed {options.seed}", flush=True)
    chance = random.Random(options.seed)
    rounds = Rounds(options, folder / "rounds", library, "every", chance)
    if options.existing:
        rounds.make_store()
    while rounds.number < options.cuts:
        problems = rounds.cut()
        for reading, found in problems.items():
            if found:
                print("\n".join(found[:20]))
                print(f"cut {rounds.number}, {reading}: {len(found)} problems among {len(rounds.acknowledged)} users")
        if any(problems.values()):
            return False
    lost = control(options, folder, library, chance)
    print(
        f"{rounds.number} power cuts in {3 + options.torn} readings, {rounds.rotated} rotations, {rounds.syncs} syncs, "
        f"{kill_rounds.count_writes(rounds.acknowledged)} acknowledged writes of {len(rounds.acknowledged)} users, "
        f"0 lost, 0 half there; ready in {rounds.slowest:.1f} s at most"
    )
    print(lost or f"FAIL: the control with sync=never lost nothing in {options.cuts} cuts: this test cannot fail")
    if rounds.rotated < options.rotations:
        print(f"FAIL: {rounds.rotated} rotations, not {options.rotations}: make --memtable smaller or --longest larger")
    return bool(lost) and rounds.rotated >= options.rotations


if __name__ == "__main__":
    main()
