"""O-05 and DO-06: a thousand sockets and more that say nothing, dribble, or do not read.

All of them are to be closed by the server in time, other clients are to notice little, and a socket that does nothing
is to cost little memory. The sockets are held by a process of its own (`attack`) that gives way to all others, so that
they are in nobody's way but the server's: an attacker has processors elsewhere. Whether the server has closed a socket
is seen in /proc/net/tcp: from then on its end belongs to no process. A client that does not read would not see it.
"""

import asyncio
import multiprocessing
import os
import resource
import socket
import time
from collections import namedtuple
from functools import partial

from load import Ledger, Probe, Writer, new_user, other_than, percentile_of, samples_of
from rig import Rig, Stop, at_least, at_most, join_threads, none_of, start_threads, told

CLOSED_WITHIN = 15  # seconds
WATCHED_FOR, WATCHED_FOR_LONG = 22, 40  # seconds; what is open then counts as never closed
SLOWER_BY = 2
KIB_PER_SOCKET = 64
OPENED_A_SECOND = 2000  # of all kinds together
READERS = "reads slowly"
READERS_A_SECOND = 20  # each costs the server a large answer: more of them would be another attack
ALL_OPEN = 7  # seconds for which none of them is due to be closed
BYTE_EVERY = 3.0  # seconds
LOOKED_EVERY = 1.5  # seconds; with ten thousand sockets each look keeps a processor for 20 ms
ACCEPTED_WITHIN = 5  # seconds
USERS = 1000  # their list is much larger than what the system takes off the server's hands
SPARE_DESCRIPTORS = 300
GIVES_WAY = 15  # how nice the attacker is

HEAD = b"GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nX-Slow: "
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # and empty settings


def run(options):
    wanted, calm, watched_for = (5000, 15, WATCHED_FOR_LONG) if options.long else (1000, 6, WATCHED_FOR)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS
    sockets = min(wanted, most)
    figures = [told("sockets", f"{sockets}" if sockets == wanted else f"{sockets}: ulimit -n allows no {wanted}")]
    with Rig(options.keep) as rig:
        tenant = rig.tenant(rig.disk())
        node = rig.node(rig.disk())
        fill(node, tenant)
        before, _ = measure(node, tenant, "before", partial(time.sleep, calm))
        figures += memory(node, tenant, sockets)
        attacking = partial(attack_with, node, tenant, shares(sockets), watched_for)
        requests, outcome = measure(node, tenant, "meanwhile", attacking)
        after, _ = measure(node, tenant, "after", partial(time.sleep, calm))
        figures += outcome.figures
        figures += others(before + after, requests, outcome.all_open_at)
    return figures


def fill(node, tenant):
    """Makes the users whose list is slow to read."""
    names = [f"filler-{number}" for number in range(USERS)]
    operations = [{"method": "POST", "path": "/Users", "bulkId": name, "data": new_user(name)} for name in names]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    answer = node.client(tenant.token).ask("POST", "/scim/v2/Bulk", bulk)
    if answer.status != 200:
        raise RuntimeError(f"the users cannot be made: {answer.status} {answer.text[:300]!r}")


# -- The others -------------------------------------------------------------------------------------------------------


def measure(node, tenant, name, during):
    """What a reader and a writer see meanwhile, and what comes of it."""
    stop = Stop()
    reader = Probe(node.client(tenant.token), "/scim/v2/Users?count=20", stop, every=0.002)
    writer = Writer(name, node.client(tenant.token), Ledger(), stop)
    askers = start_threads([reader, writer])
    outcome = during()
    stop.set()
    join_threads(askers)
    return samples_of(askers), outcome


def others(alone, requests, all_open_at):
    """Times count from when all sockets are open: opening those that read slowly is load of another kind."""
    attacked = [sample for sample in requests if all_open_at <= sample.at <= all_open_at + ALL_OPEN]
    figures = [
        told("requests of others measured alone, and meanwhile", f"{len(alone)}, {len(attacked)}"),
        none_of("requests of others not answered with success", other_than(requests, 200, 201)),
    ]
    for method, what in [("GET", "GET /Users"), ("POST", "POST /Users"), ("PATCH", "PATCH /Users/{id}")]:
        before, meanwhile = percentile_of(alone, method, 0.99), percentile_of(attacked, method, 0.99)
        figures.append(told(f"{what}, p99 alone and meanwhile", f"{before * 1000:.1f}, {meanwhile * 1000:.1f}", "ms"))
        figures.append(at_most(f"{what}, p99 meanwhile by p99 alone", meanwhile / before, SLOWER_BY, "times"))
    return figures


# -- Memory -----------------------------------------------------------------------------------------------------------


def memory(node, tenant, count):
    """What a socket costs that does nothing: half of them never said anything, half had an answer."""
    before = node.resident_kib()
    kinds = {"silent": count // 2, "idle after an answer": count - count // 2}
    with Attack(node, tenant, kinds, seconds=None) as attack:
        opened = attack.opened()
        grown = node.resident_kib() - before
    time.sleep(0.5)
    return [
        at_least("idle sockets open at once", opened, count),
        at_most("memory of an idle socket", grown / opened, KIB_PER_SOCKET, "KiB"),
    ]


# -- The attack, seen from here ---------------------------------------------------------------------------------------


def shares(sockets):
    """How many sockets of each kind. Those that read slowly are few: their answers are what fills memory."""
    readers = min(200, sockets // 10)
    kinds = [kind for kind in Sockets.KINDS if kind != READERS]
    each = (sockets - readers) // len(kinds)
    return {kind: each for kind in kinds} | {READERS: sockets - each * len(kinds)}


Outcome = namedtuple("Outcome", "figures all_open_at")


def attack_with(node, tenant, kinds, watched_for):
    before = node.resident_kib()
    with Attack(node, tenant, kinds, watched_for) as attack:
        opened = attack.opened()
        all_open_at, grown = time.monotonic(), node.resident_kib() - before
        closed = attack.closed()
    figures = [
        told("sockets of all kinds opened", opened),
        told("memory they and their answers took", round(grown / 1024), "MiB"),
    ]
    for kind in kinds:
        after, never = closed[kind], closed[kind].count(None)
        figure = at_most(f"{kind}: closed by the server after", None if never else max(after), CLOSED_WITHIN)
        if never:
            figure.measured, figure.unit = f"never: {never} of {len(after)} were open after {watched_for} s", ""
        figures.append(figure)
    return Outcome(figures, all_open_at)


class Attack:
    """The process that holds the sockets."""

    def __init__(self, node, tenant, kinds, seconds):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, node.port, tenant.token, kinds, seconds)
        self.process = context.Process(target=attack, args=arguments, daemon=True)

    def __enter__(self):
        self.process.start()
        return self

    def opened(self):
        """How many sockets are open, when all are."""
        return self.receive()

    def closed(self):
        """By kind, after how many seconds each socket was closed; None: it was not."""
        return self.receive()

    def receive(self):
        if not self.pipe.poll(120):
            raise RuntimeError("the attack says nothing")
        return self.pipe.recv()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.join()


# -- The attack, seen from inside its process -------------------------------------------------------------------------


def attack(pipe, port, token, kinds, seconds):
    os.nice(GIVES_WAY)
    asyncio.run(Sockets(port, token).attack(pipe, kinds, seconds))


class Sockets:
    """Sockets by their local port: of which kind each is, and since when it does what it is there for."""

    def __init__(self, port, token):
        self.port, self.token = port, token
        self.began, self.ended, self.kinds, self.open = {}, {}, {}, []

    async def attack(self, pipe, kinds, seconds):
        self.loop = asyncio.get_running_loop()
        watching = asyncio.create_task(self.watch())
        if READERS in kinds:
            await self.open_all(READERS, kinds[READERS], READERS_A_SECOND)
        others = {kind: count for kind, count in kinds.items() if kind != READERS}
        rate = OPENED_A_SECOND / len(others)
        await asyncio.gather(*(self.open_all(kind, count, rate) for kind, count in others.items()))
        pipe.send(len(held_by_a_process(self.port) & set(self.kinds)))
        await asyncio.sleep(seconds or 3600)
        watching.cancel()
        closed = {kind: [] for kind in kinds}
        for local, kind in self.kinds.items():
            closed[kind].append(self.ended[local] - self.began[local] if local in self.ended else None)
        pipe.send(closed)

    async def open_all(self, kind, count, rate):
        """Returns when all of them have begun, or came to nothing."""
        started, misbehaving = time.monotonic(), []
        for number in range(count):
            await asyncio.sleep(max(0, started + number / rate - time.monotonic()))
            misbehaving.append(asyncio.create_task(self.misbehave(kind)))
        while list(self.kinds.values()).count(kind) < count and not all(task.done() for task in misbehaving):
            await asyncio.sleep(0.05)

    async def watch(self):
        """Notes when the server closes them. A socket that was not seen open may still wait to be accepted."""
        seen = set()
        while True:
            await asyncio.sleep(LOOKED_EVERY)
            held, now = held_by_a_process(self.port), time.monotonic()
            seen |= held
            for local in self.kinds.keys() - self.ended.keys() - held:
                if local in seen or now - self.began[local] > ACCEPTED_WITHIN:
                    self.ended[local] = now

    async def misbehave(self, kind):
        connection = socket.socket()
        connection.setblocking(False)
        self.open.append(connection)  # never closed from here
        if kind == READERS:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # As on a real network; with the segments of a loopback interface the system would take megabytes at once.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1200)
        try:
            await self.loop.sock_connect(connection, ("127.0.0.1", self.port))
            method, *arguments = self.KINDS[kind]
            await method(self, connection, kind, *arguments)
        except OSError:
            pass  # closed by the server

    def begin(self, connection, kind):
        local = connection.getsockname()[1]
        self.began[local], self.kinds[local] = time.monotonic(), kind

    async def silent(self, connection, kind):
        self.begin(connection, kind)

    async def idle_http2(self, connection, kind):
        await self.loop.sock_sendall(connection, HTTP2)
        self.begin(connection, kind)

    async def idle_after_an_answer(self, connection, kind):
        await self.loop.sock_sendall(connection, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await self.loop.sock_recv(connection, 4096)
        self.begin(connection, kind)

    async def dribble_headers(self, connection, kind):
        await self.loop.sock_sendall(connection, HEAD)
        self.begin(connection, kind)
        await self.dribble(connection)

    async def dribble_a_body(self, connection, kind, path, media_type):
        more = f"Content-Type: {media_type}\r\nContent-Length: 1000\r\n"
        await self.loop.sock_sendall(connection, self.head(f"POST {path}", more) + b" ")
        self.begin(connection, kind)
        await self.dribble(connection)

    async def dribble(self, connection):
        while True:
            await asyncio.sleep(BYTE_EVERY)
            await self.loop.sock_sendall(connection, b" ")

    async def read_slowly(self, connection, kind):
        await self.loop.sock_sendall(connection, self.head(f"GET /scim/v2/Users?count={USERS}"))
        await self.loop.sock_recv(connection, 1)
        self.begin(connection, kind)
        while await self.loop.sock_recv(connection, 1):
            await asyncio.sleep(BYTE_EVERY)

    def head(self, request, more=""):
        return f"{request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n{more}\r\n".encode()

    KINDS = {
        "silent": [silent],
        "dribbles headers": [dribble_headers],
        "dribbles a SCIM body": [dribble_a_body, "/scim/v2/Users", "application/json"],
        "dribbles a GraphQL body": [dribble_a_body, "/graphql", "application/json"],
        "dribbles a form": [dribble_a_body, "/oauth/token", "application/x-www-form-urlencoded"],
        "idle after an answer": [idle_after_an_answer],
        "idle HTTP/2": [idle_http2],
        READERS: [read_slowly],
    }


def held_by_a_process(port):
    """The ports at the other end of a listener's connections that a process still has open."""
    held, own = set(), f"0100007F:{port:04X}"
    with open("/proc/net/tcp") as table:
        for line in table:
            columns = line.split()
            # Local and remote address, and the inode, which is 0 once no process has the socket.
            if columns[1] == own and columns[9] != "0":
                held.add(int(columns[2].partition(":")[2], 16))
    return held
