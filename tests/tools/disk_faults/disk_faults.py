"""Makes the disk fail under a running server, lifts the fault, and checks every acknowledged write.

The server runs under faults.c while clients write and read. Under each fault every request must be answered in time: a
refused one with a SCIM error and 500, 503 or 507. After the fault is lifted, writes must work again, at once or after a
restart. At the end the server is killed and started without the library, and every acknowledged write must be there.
Standard library only.
"""

import argparse
import collections
import errno
import http.client
import json
import mmap
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "power_cuts")]

import kill_rounds  # noqa: E402
from disk import Disk, entries_of  # noqa: E402
from kill_rounds import PATCH, USER  # noqa: E402
from power_cuts import GROUP, CannotTest, DoesNotStart, Server, build  # noqa: E402

WRITE, SYNC, CREATE, OPEN, NAME, UNLINK, TRUNCATE = (1 << bit for bit in range(7))
FULL, READ_ONLY = WRITE | CREATE | NAME, WRITE | CREATE | OPEN | NAME | UNLINK | TRUNCATE
SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
# Seconds in which the server answers whether it is ready.
READINESS_PATIENCE = 2
SUCCESS = (200, 201, 204)
REFUSALS = (500, 503, 507)
HANG = 30  # seconds; the time of a request in all. A commit to a disk that fails may wait for the engine more than once
BACK_WITHIN = 30  # seconds (F-07)
STOP_TIME = 40  # seconds for a clean stop


@dataclass
class Fault:
    name: str
    error: int
    calls: int
    times: int = -1  # failures; -1: until the fault is lifted
    half: bool = False  # the first write that fails is a short one
    drops: bool = False  # the check is after a power cut, and without the bytes whose sync failed
    at_start: bool = False  # the fault is there when the server starts


FAULTS = [
    Fault("disk full", errno.ENOSPC, FULL, half=True),
    Fault("disk full once", errno.ENOSPC, FULL, times=1, half=True),
    Fault("read-only disk", errno.EROFS, READ_ONLY),
    Fault("I/O error on write", errno.EIO, WRITE),
    Fault("I/O error on write once", errno.EIO, WRITE, times=1, half=True),
    Fault("I/O error on fsync", errno.EIO, SYNC, drops=True),
    Fault("I/O error on fsync once", errno.EIO, SYNC, times=1, drops=True),
    Fault("start on a full disk", errno.ENOSPC, FULL, at_start=True),
    Fault("start on a read-only disk", errno.EROFS, READ_ONLY, at_start=True),
]


class Control:
    """The file that tells faults.c which calls fail."""

    LAYOUT = struct.Struct("=6i")

    def __init__(self, path):
        path.write_bytes(bytes(self.LAYOUT.size))
        with path.open("r+b") as file:
            self.page = mmap.mmap(file.fileno(), self.LAYOUT.size)

    def arm(self, fault):
        self.LAYOUT.pack_into(self.page, 0, 0, fault.calls, 0, fault.times, fault.half, 0)
        struct.pack_into("=i", self.page, 0, fault.error)

    def lift(self):
        struct.pack_into("=i", self.page, 0, 0)

    @property
    def hits(self):
        return self.LAYOUT.unpack_from(self.page)[5]


@dataclass
class Answer:
    sent: float
    seconds: float
    status: int | str  # "cut", "silent" or "torn" if there was none
    reads: bool
    body: object


class Clients:
    """Writers and a reader that continue after a refusal. A refused write may have happened."""

    def __init__(self, server, group, known, acknowledged, name, writers):
        self.server, self.group, self.known, self.acknowledged = server, group, known, acknowledged
        self.stop, self.answers = threading.Event(), []
        self.threads = [threading.Thread(target=self._write, args=(f"{name}w{number}",)) for number in range(writers)]
        self.threads.append(threading.Thread(target=self._read))
        for thread in self.threads:
            thread.start()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, connection, method, path, body=None):
        sent = time.monotonic()
        try:
            status, answer = self.server.request(connection, method, path, body)
        except TimeoutError:
            status, answer = "silent", None
        except OSError:
            status, answer = "cut", None
        except http.client.HTTPException:
            status, answer = "torn", None
        except json.JSONDecodeError as error:
            status, answer = "not JSON", error.doc[:100]
        self.answers.append(Answer(sent, time.monotonic() - sent, status, method == "GET", answer))
        if status not in SUCCESS:
            connection.close()
            self.stop.wait(0.05)
        return status, answer

    def _write(self, name):
        connection, index = self.server.connect(), 0
        while not self.stop.is_set():
            user_name = f"{name}-{index}"
            index += 1
            body = {"schemas": [USER], "userName": user_name, "title": "created", "displayName": user_name}
            status, user = self._ask(connection, "POST", "/Users", body)
            if status != 201:
                continue
            mine = self.acknowledged[user["id"]] = {"userName": user_name, "title": "created", "member": False}
            operation = {"op": "replace", "path": "title", "value": "patched"}
            if self._patch(connection, f"/Users/{user['id']}", operation) == 200:
                mine["title"] = "patched"
            operation = {"op": "add", "path": "members", "value": [{"value": user["id"]}]}
            mine["member"] = self._patch(connection, f"/Groups/{self.group}", operation) == 204

    def _patch(self, connection, path, operation):
        return self._ask(connection, "PATCH", path, {"schemas": [PATCH], "Operations": [operation]})[0]

    def _read(self):
        connection = self.server.connect()
        while not self.stop.wait(0.02):
            self._ask(connection, "GET", f"/Users/{self.known}")
            self._ask(connection, "GET", "/Users?count=5")


class Run:
    """One fault on a store of its own."""

    def __init__(self, options, fault, folder, libraries):
        self.options, self.fault, self.folder = options, fault, folder
        self.libraries = libraries
        self.problems, self.seen, self.acknowledged = [], [], {}
        self.live, self.log = folder / "live", folder / "server.log"
        self.live.mkdir(parents=True)
        (folder / "start").mkdir()
        self.control = Control(folder / "control")
        self.settings = {"ROLLCALL__STORE__WRITTEN_MEBIBYTES": options.memtable}
        self.settings |= dict(setting.split("=", 1) for setting in options.set)

    def server(self, root, faulty):
        environment = dict(self.settings)
        if faulty:
            environment |= {"DISK_FAULTS_FOLDER": root, "DISK_FAULTS_CONTROL": self.folder / "control"}
            environment["LD_PRELOAD"] = self.libraries["faults"]
            if self.fault.drops:
                environment["LD_PRELOAD"] = f"{self.libraries['recorder']}:{self.libraries['faults']}"
                environment |= {"POWER_CUTS_FOLDER": root, "POWER_CUTS_RECORD": self.folder / "record"}
        return Server(self.options.binary, f"surrealkv://{root}/store?sync=every", environment, self.log)

    def expect(self, holds, problem):
        if not holds:
            self.problems.append(problem)

    def run(self):
        server = self.server(self.live, True)
        schemas = {"schemas": [GROUP], "displayName": "Survivors"}
        self.group = server.request(server.connect(), "POST", "/Groups", schemas)[1]["id"]
        body = {"schemas": [USER], "userName": "known", "title": "created", "displayName": "known"}
        self.known = server.request(server.connect(), "POST", "/Users", body)[1]["id"]
        self.acknowledged[self.known] = {"userName": "known", "title": "created", "member": False}
        clients = Clients(server, self.group, self.known, self.acknowledged, "a", self.options.writers)
        time.sleep(self.options.seconds)
        if self.fault.at_start:
            clients.end()
            server.kill()
            self.start_under_fault()
            server = self.server(self.live, True)
            self.writes_work(server, "b")
        else:
            server = self.fault_under_load(server, clients)
        server.kill()
        self.check()

    def start_under_fault(self):
        self.control.arm(self.fault)
        started = time.monotonic()
        try:
            server = self.server(self.live, True)
            self.seen.append(f"it starts after {server.ready_after:.1f} s")
            server.kill()
        except DoesNotStart as reason:
            self.seen.append(f"it ends after {time.monotonic() - started:.1f} s and says: {reason}")
            self.expect(str(reason) != "no message", "it ends without a message")
            self.expect(time.monotonic() - started < 60, "it takes more than 60 s to end")
        self.expect(self.control.hits, "the fault struck no call")
        self.control.lift()

    def fault_under_load(self, server, clients):
        """Returns the server that works after the fault was lifted."""
        before = len(clients.answers)
        self.control.arm(self.fault)
        armed = time.monotonic()
        # One failure is followed by a flush, which repairs the loss: the power cut must come before it.
        cut_after = 0.1 if self.fault.times > 0 else self.options.seconds
        time.sleep(cut_after)
        if self.fault.drops:
            self.under_fault = {user_id: dict(user) for user_id, user in tuple(self.acknowledged.items())}
            self.entries = sum(1 for _ in entries_of((self.folder / "record").read_bytes()))
        # The fault lasts as long as was asked for, with the question about readiness in it.
        lifted = armed + self.options.seconds
        time.sleep(max(0, lifted - time.monotonic() - READINESS_PATIENCE))
        if self.fault.times < 0 and self.fault.calls & WRITE:
            status = readiness(server)
            self.expect(status == 503, f"/readyz is {status} while no write works")
            said = self.log.read_text(errors="replace")
            self.expect("store not writable" in said and str(self.live) in said, "the log does not name the store")
        time.sleep(max(0, lifted - time.monotonic()))
        self.control.lift()
        lifted = time.monotonic()
        back = None
        while back is None and time.monotonic() < lifted + BACK_WITHIN and server.process.poll() is None:
            time.sleep(0.05)
            later = [answer for answer in tuple(clients.answers) if not answer.reads and answer.sent >= lifted]
            good = [answer.sent + answer.seconds - lifted for answer in later if answer.status in SUCCESS]
            back = min(good, default=None)
        clients.end()
        self.judge(clients.answers[:before], [answer for answer in clients.answers if answer.sent >= armed], lifted)
        ended = server.process.poll()
        self.expect(ended is None, f"the server ended with {ended}")
        if back is not None:
            self.becomes_ready(server)
            self.seen.append(f"writes work {back:.1f} s after the fault is lifted")
            return server
        self.seen.append(f"no write works within {BACK_WITHIN} s after the fault is lifted")
        if ended is None:
            server.process.send_signal(signal.SIGTERM)
            try:
                self.seen.append(f"a clean stop ends with {server.process.wait(STOP_TIME)}")
            except subprocess.TimeoutExpired:
                self.problems.append(f"a clean stop takes more than {STOP_TIME} s")
                server.kill()
        server = self.server(self.live, True)
        self.writes_work(server, "c")
        self.seen.append(f"a restart takes {server.ready_after:.1f} s and writes work")
        return server

    def becomes_ready(self, server):
        """The server says that it is ready within seconds after writes work again."""
        until = time.monotonic() + BACK_WITHIN
        while (status := readiness(server)) != 200 and time.monotonic() < until:
            time.sleep(0.2)
        self.expect(status == 200, f"/readyz is {status} after writes work again")

    def writes_work(self, server, name):
        clients = Clients(server, self.group, self.known, self.acknowledged, name, self.options.writers)
        time.sleep(1)
        clients.end()
        refused = [answer.status for answer in clients.answers if answer.status not in SUCCESS]
        self.expect(not refused, f"after the start {len(refused)} requests fail: {collections.Counter(refused)}")
        self.expect(any(not answer.reads for answer in clients.answers), "no write was answered after the start")

    def judge(self, before, after, lifted):
        """Judges the answers before the fault, and those to requests sent after it was there."""
        self.expect(all(answer.status in SUCCESS for answer in before), "requests fail before the fault")
        self.expect(any(not answer.reads for answer in before), "no write was answered before the fault")
        self.expect(self.control.hits, "the fault struck no call")
        for reads, kind in ((False, "writes"), (True, "reads")):
            under = [answer for answer in after if answer.reads == reads and answer.sent + answer.seconds < lifted]
            counts = collections.Counter(str(answer.status) for answer in under)
            self.seen.append(f"{kind} " + " ".join(f"{status}: {count}" for status, count in sorted(counts.items())))
        self.seen.append(f"slowest answer {max((answer.seconds for answer in after), default=0):.1f} s")
        refused = [answer for answer in after if answer.status not in SUCCESS]
        details = {str(answer.body.get("detail")) for answer in refused if isinstance(answer.body, dict)}
        details = {re.sub(r" \(request \w+\)", "", detail) for detail in details}
        self.seen += [f"it says “{detail}”" for detail in sorted(details)[:3]]
        other = collections.Counter(answer.status for answer in refused if answer.status not in REFUSALS)
        self.expect(not other, f"answers other than success, 500, 503 and 507: {dict(other)}")
        unclear = [a for a in refused if a.status in REFUSALS and not is_scim_error(a)]
        self.expect(not unclear, f"{len(unclear)} errors without a SCIM body, as {unclear[:1]}")
        slow = sum(answer.seconds > HANG for answer in after)
        self.expect(not slow, f"{slow} answers take more than {HANG} s")
        if self.fault.times < 0:
            self.expect(any(not answer.reads for answer in refused), "no write was refused under the fault")

    def check(self):
        """Checks the disk as it is, or as it is after a power cut: under the fault, and at the end."""
        if not self.fault.drops:
            self.check_one(self.live, self.acknowledged)
            return
        cuts = {"under": (self.entries, self.under_fault), "end": (None, self.acknowledged)}
        for name, (entries, acknowledged) in cuts.items():
            Disk(self.folder / "start", self.folder / "record", entries).lay_out("as named", self.folder / name)
            self.check_one(self.folder / name, acknowledged)

    def check_one(self, root, acknowledged):
        """Starts the server without the library and asks for every acknowledged write."""
        try:
            server = self.server(root, False)
        except DoesNotStart as reason:
            self.problems.append(f"the store does not open: {reason}")
            return
        try:
            found = kill_rounds.check(server, self.group, acknowledged, list(acknowledged)[-200:])
        except Exception as error:  # an answer that the check does not expect
            found = [f"the check ended with {type(error).__name__}: {error}"]
        server.kill()
        self.problems += found[:5] + ([f"and {len(found) - 5} more"] if len(found) > 5 else [])


def readiness(server):
    """The status of /readyz."""
    connection = server.connect()
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    finally:
        connection.close()


def is_scim_error(answer):
    return isinstance(answer.body, dict) and SCIM_ERROR in answer.body.get("schemas", [])


def arguments():
    parser = argparse.ArgumentParser(prog="disk_faults.sh", description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="; ".join(fault.name for fault in FAULTS))
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2, help="of load before a fault, and under it")
    parser.add_argument("--memtable", type=int, default=1, metavar="MEBIBYTES", help="store.written_mebibytes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="environment of the server")
    parser.add_argument("--keep", action="store_true", help="leave stores and logs where they are")
    options = parser.parse_intermixed_args()
    unknown = set(options.faults) - {fault.name for fault in FAULTS}
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    return options


def main():
    options = arguments()
    folder = Path(tempfile.mkdtemp(prefix="disk-faults-")).resolve()
    try:
        failed = run(options, folder)
    except CannotTest as reason:
        print(f"FAIL: {reason}")
        failed = 1
    finally:
        print(f"data and logs are kept in {folder}") if options.keep else shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


def run(options, folder):
    """How many faults failed the test."""
    if not os.access(options.binary, os.X_OK):
        raise CannotTest(f"there is no server at {options.binary}: build it, or set ROLLCALL_BIN")
    sources = {"faults": HERE / "faults.c", "recorder": HERE.parent / "power_cuts/recorder.c"}
    libraries = {name: build(source, folder) for name, source in sources.items()}
    wanted = [fault for fault in FAULTS if not options.faults or fault.name in options.faults]
    failed, writes = 0, 0
    for number, fault in enumerate(wanted):
        one = Run(options, fault, folder / f"fault{number}", libraries)
        try:
            one.run()
        except DoesNotStart as reason:
            one.problems.append(f"the server does not start: {reason}")
        writes += kill_rounds.count_writes(one.acknowledged)
        failed += bool(one.problems)
        verdict = "FAIL" if one.problems else "PASS"
        print(f"{verdict}  {fault.name}: {'; '.join([*one.problems, *one.seen])}", flush=True)
    print(f"{len(wanted)} disk faults, {writes} acknowledged writes, {failed} faults failed the test")
    return failed


if __name__ == "__main__":
    main()
