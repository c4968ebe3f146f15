"""D-02: the database is slow, or there and silent.

Between the node and its database stands a proxy. It adds two seconds to each round trip; then it holds everything back,
as a network does that drops packets and delivers them when it is whole again; then it swallows everything and has
forgotten its connections when it is whole again, as a firewall does that was restarted, without a RST. Each time
every request is to be answered within its deadline, what does not need the database is to be in nobody's way, and it
must work again soon after.
"""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass

from d01 import first_after
from load import Ledger, Probe, Writer, all_users, ended, new_user, other_than, samples_of, slowest
from load import without_retry_after
from rig import Rig, Stop, at_least, at_most, free_port, join_threads, none_of, start_threads, told

WRITERS, READERS = 8, 4
ROUND_TRIP = 2.0  # seconds added
DEADLINE = 5
TOLERANCE = 0.5  # seconds that a busy machine and its clients may add to the deadline
OPEN_WITHIN = 1  # seconds in which requests are refused once the circuit is open
OTHERS_WITHIN = 1  # seconds for what needs no database
BACK_WITHIN = 5
NO_DATABASE = ["/healthz", "/.well-known/jwks.json", "/scim/v2/ServiceProviderConfig", "/scim/v2/Schemas"]


def run(options):
    lasts = 30 if options.long else 10
    with Rig(options.keep) as rig:
        database = rig.database()
        tenant = rig.tenant(database.url())
        proxy = Proxy(database.port)
        node = rig.node(database.url(proxy.port))
        known = node.client(tenant.token).ask("POST", "/scim/v2/Users", new_user("known")).json["id"]
        tenant.people.append("known")

        ledger, stop = Ledger(), Stop()
        writers = [Writer(f"w{number}", node.client(tenant.token), ledger, stop) for number in range(WRITERS)]
        paths = [f"/scim/v2/Users/{known}", "/scim/v2/Users?count=5"] * (READERS // 2)
        readers = [Probe(node.client(tenant.token), path, stop, every=0.02) for path in paths]
        others = [Probe(node.client(), path, stop) for path in NO_DATABASE]
        start_threads([*writers, *readers, *others])
        time.sleep(2)
        acknowledged_before = ledger.acknowledged
        phases = [
            phase("slow", proxy.slow_down, proxy.heal, lasts, writers, readers),
            phase("held back", proxy.hold, proxy.heal, lasts, writers, readers),
            phase("swallowed", proxy.swallow, proxy.heal, lasts, writers, readers),
        ]
        if phases[-1].created_after is None:
            # So that the rest can be seen, the other end now says what became of its connections.
            phases.append(phase("reset", proxy.reset_forgotten, proxy.heal, 0, writers, readers))
        acknowledged_between = ledger.acknowledged
        time.sleep(2)
        stop.set()
        join_threads([*writers, *readers, *others])

        requests, unconcerned = samples_of([*writers, *readers]), samples_of(others)
        figures = [figure for each in phases for figure in each.figures(requests, unconcerned)]
        figures += [
            none_of("503 without Retry-After", without_retry_after(requests)),
            none_of("outcomes other than success and 503", other_than(requests, 200, 201, 503)),
            none_of("requests without a need of the database, not answered 200", other_than(unconcerned, 200)),
            at_least("writes acknowledged before", acknowledged_before, 20),
            at_least("writes acknowledged after", ledger.acknowledged - acknowledged_between, 20),
        ]
        figures += ledger.verdict(all_users(node.client(tenant.token)), tenant.people)
        figures.append(rig.trails_are_whole(database.url()))
        return figures


@dataclass
class Phase:
    """A disturbance from `begun` to `healed`, and how long it took until it worked again."""

    name: str
    begun: float
    healed: float
    created_after: float | None
    read_after: float | None

    def figures(self, requests, unconcerned):
        meanwhile = [s for s in requests if ended(s) > self.begun and s.at < self.healed]
        opened = min((ended(s) for s in meanwhile if s.outcome == 503), default=None)
        refused = [s for s in meanwhile if opened is not None and s.at > opened and s.outcome == 503]
        beside = [s for s in unconcerned if ended(s) > self.begun and s.at < self.healed]
        figures = [
            told(f"{self.name}: requests answered 2xx, 503", counts(meanwhile)),
            at_most(f"{self.name}: slowest answer", slowest(meanwhile), DEADLINE + TOLERANCE),
            at_most(f"{self.name}: slowest answer that needs no database", slowest(beside), OTHERS_WITHIN),
        ]
        if opened is not None:
            figures.append(told(f"{self.name}: first refusal after", opened - self.begun, "s"))
            figures.append(at_most(f"{self.name}: slowest refusal from then on", slowest(refused), OPEN_WITHIN))
        figures.append(at_most(f"{self.name}: users are created again after", self.created_after, BACK_WITHIN))
        figures.append(at_most(f"{self.name}: users are read again after", self.read_after, BACK_WITHIN))
        return figures


def counts(samples):
    return f"{sum(s.outcome in (200, 201) for s in samples)}, {sum(s.outcome == 503 for s in samples)}"


def phase(name, begin, end, seconds, writers, readers):
    begun = time.monotonic()
    begin()
    time.sleep(seconds)
    end()
    healed = time.monotonic()
    created_after = first_after(writers, healed, 201)
    return Phase(name, begun, healed, created_after, first_after(readers, healed, 200))


class Proxy:
    """A TCP proxy in a thread of its own, that can be told to misbehave."""

    def __init__(self, target):
        self.target, self.port = target, free_port()
        self.delay, self.swallows, self.links = 0.0, False, set()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.call(self.start())

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    async def start(self):
        self.open = asyncio.Event()
        self.open.set()
        await asyncio.start_server(self.accept, "127.0.0.1", self.port)

    def slow_down(self):
        self.delay = ROUND_TRIP / 2

    def hold(self):
        self.loop.call_soon_threadsafe(self.open.clear)

    def swallow(self):
        self.swallows = True

    def heal(self):
        """Connections whose bytes were swallowed stay silent."""
        self.delay, self.swallows = 0.0, False
        self.loop.call_soon_threadsafe(self.open.set)

    def reset_forgotten(self):
        async def reset():
            for link in [link for link in self.links if link.forgotten]:
                link.reset()

        self.call(reset())

    async def accept(self, reader, writer):
        link = Link(self, writer)
        self.links.add(link)
        try:
            await link.run(reader)
        finally:
            self.links.discard(link)


class Link:
    """One connection through the proxy, both ways."""

    def __init__(self, proxy, client):
        self.proxy, self.client, self.forgotten, self.server = proxy, client, False, None

    async def run(self, reader):
        if self.proxy.swallows:
            self.forgotten = True
            await self.drain(reader)
            return
        upstream, self.server = await asyncio.open_connection("127.0.0.1", self.proxy.target)
        ways = [self.carry(reader, self.server), self.carry(upstream, self.client)]
        await asyncio.gather(*ways, return_exceptions=True)
        for writer in (self.server, self.client):
            writer.close()

    async def drain(self, reader):
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                pass
        self.client.close()

    async def carry(self, reader, writer):
        """Takes what comes, and passes it on when it is due: what comes meanwhile is taken at its own time."""
        waiting = asyncio.Queue()
        passing = asyncio.create_task(self.pass_on(waiting, writer))
        with contextlib.suppress(OSError):
            while True:
                data = await reader.read(65536)
                self.forgotten |= self.proxy.swallows and bool(data)
                if not self.forgotten:
                    waiting.put_nowait((time.monotonic() + self.proxy.delay, data))
                if not data:
                    break
        waiting.put_nowait((0, b""))
        await passing

    async def pass_on(self, waiting, writer):
        with contextlib.suppress(OSError):
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(0, due - time.monotonic()))
                await self.proxy.open.wait()
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            if not self.forgotten and writer.can_write_eof():
                writer.write_eof()

    def reset(self):
        """RST to both ends."""
        for writer in filter(None, (self.client, self.server)):
            plain = writer.get_extra_info("socket")
            if plain is not None:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
