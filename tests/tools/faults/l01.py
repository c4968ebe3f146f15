"""L-01: a server on disk is told to stop while clients write.

What it had begun it answers, new connections are refused, it ends in time and well; what it acknowledged is there after
a restart. A request on an idle connection that is closed at that moment may find nobody: it was not begun, and whoever
sent it may send it again. Whether it was not begun is seen afterwards: what it asked for must not have happened. One
request is surely under way when the signal comes: its body is still being sent.
"""

import json
import signal
import socket
import threading
import time

from load import ABSENT, CREATED, Ledger, Writer, all_users, ended, new_user, other_than, samples_of
from load import without_retry_after
from rig import Rig, Stop, accepts, at_least, at_most, holds, join_threads, none_of, start_threads, told

WRITERS = 16
BEFORE = 2.5  # seconds of writing before the signal
SLOW_BODY = 4  # seconds that the slow request takes
SLOW_BEFORE = 1  # seconds of it before the signal
RACE = 0.25  # seconds before the signal from which on a request may meet a connection that is closing
GRACE = 0.3  # seconds after the signal until new connections must be refused
EXIT_WITHIN = 30
AT_ONCE = 1  # seconds in which a second signal must end it
CUT_OFF = "still running after the time for stopping"


def run(options):
    figures = []
    with Rig(options.keep) as rig:
        tenant = rig.tenant(rig.disk())
        ledger = Ledger()
        rounds = [drain(rig, tenant, ledger, number) for number in range(10 if options.long else 2)]
        figures += figures_of(rounds)
        for number in (signal.SIGTERM, signal.SIGINT):
            figures += second_signal(rig, tenant, ledger, number)
        node = rig.node(rig.disk())
        figures += ledger.verdict(all_users(node.client(tenant.token)), tenant.people)
        node.stop()
        figures.append(rig.trails_are_whole(rig.disk()))
    return figures


class SlowRequest(threading.Thread):
    """Creates a user with a body that takes its time. `answer` is all that came back."""

    def __init__(self, node, token, name, ledger):
        super().__init__(daemon=True)
        self.name_of_user, self.ledger, self.answer = name, ledger, b""
        self.body = json.dumps(new_user(name)).encode()
        self.socket = socket.create_connection(("127.0.0.1", node.port), timeout=30)
        head = f"POST /scim/v2/Users HTTP/1.1\r\nHost: {node.host}\r\nAuthorization: Bearer {token}\r\n"
        head += f"Content-Type: application/scim+json\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        ledger.intend(name, CREATED)
        self.socket.sendall(head.encode())

    def run(self):
        try:
            for byte in self.body:
                time.sleep(SLOW_BODY / len(self.body))
                self.socket.sendall(bytes([byte]))
            while received := self.socket.recv(65536):
                self.answer += received
        except OSError:
            pass  # what came is in `answer`
        if self.created():
            self.ledger.acknowledge(self.name_of_user, CREATED)

    def created(self):
        return self.answer.startswith(b"HTTP/1.1 201 ") and b'"userName"' in self.answer


class Doorbell(threading.Thread):
    """Connects again and again from a moment on, until the server has ended."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.tried, self.accepted = node, 0, []

    def run(self):
        time.sleep(GRACE)
        while self.node.runs():
            self.tried += 1
            if accepts(self.node.port):
                self.accepted.append(self.tried)
            time.sleep(0.05)


def drain(rig, tenant, ledger, number):
    """One server from its start to its end; what was seen of it."""
    node = rig.node(rig.disk())
    stop = Stop()
    names = [f"r{number}w{index}" for index in range(WRITERS)]
    writers = [Writer(name, node.client(tenant.token), ledger, stop, ends_when_cut=True) for name in names]
    start_threads(writers)
    time.sleep(BEFORE - SLOW_BEFORE)
    slow = SlowRequest(node, tenant.token, f"slow-{number}", ledger)
    slow.start()
    time.sleep(SLOW_BEFORE)
    doorbell = Doorbell(node)
    doorbell.start()
    told_at = time.monotonic()
    code, took = node.stop()
    stop.set()
    join_threads([*writers, slow, doorbell])
    node.kill()

    restarted = rig.node(rig.disk())
    stored = {user["userName"]: user.get("title") for user in all_users(restarted.client(tenant.token))}
    restarted.stop()
    return {
        "code": code,
        "took": took,
        "slow": slow.created(),
        "doorbell": doorbell,
        "cut off": CUT_OFF in node.log.read_text(),
        "samples": samples_of(writers),
        "under way": [s for s in samples_of(writers) if s.at < told_at < ended(s)],
        "unanswered": [cut for writer in writers for cut in writer.cut],
        "begun": [cut for writer in writers for cut in writer.cut if was_begun(cut, stored, told_at)],
    }


def was_begun(cut, stored, told_at):
    """Whether a request without an answer was more than a race: what it asked for has happened, or it came in time."""
    name, title, sample = cut
    return stored.get(name, ABSENT) == title or sample.at < told_at - RACE or sample.outcome in ("torn", "silent")


def figures_of(rounds):
    def gather(key):
        return [item for one in rounds for item in one[key]]

    unanswered = [sample.outcome for _, _, sample in gather("unanswered")]
    begun = [f"{name}: {sample.outcome}" for name, _, sample in gather("begun")]
    bells = [one["doorbell"] for one in rounds]
    outcomes = other_than(gather("samples"), 200, 201, 503, "cut", "refused")
    return [
        told("servers stopped under load", len(rounds)),
        told("requests under way at the signal, answered", sum(s.outcome in (200, 201) for s in gather("under way"))),
        none_of("requests that were begun and not answered", begun),
        holds("requests with a slow body are answered 201", all(one["slow"] for one in rounds)),
        told("requests on a connection that was closing, not begun", unanswered.count("cut") - len(begun)),
        none_of("other outcomes than success and 503", outcomes),
        none_of("503 without Retry-After", without_retry_after(gather("samples"))),
        at_least("attempts to connect while it stops", sum(bell.tried for bell in bells), 10 * len(bells)),
        none_of("new connections accepted", [tried for bell in bells for tried in bell.accepted]),
        at_most("slowest exit", max(one["took"] for one in rounds), EXIT_WITHIN),
        none_of("exit codes other than 0", [one["code"] for one in rounds if one["code"] != 0]),
        none_of("servers that cut off what was running", [one for one in rounds if one["cut off"]]),
    ]


def second_signal(rig, tenant, ledger, number):
    """The first SIGTERM waits for a slow request; the second signal does not."""
    name = signal.Signals(number).name
    node = rig.node(rig.disk())
    slow = SlowRequest(node, tenant.token, f"{name}-slow", ledger)
    slow.start()
    time.sleep(0.5)
    node.send(signal.SIGTERM)
    time.sleep(0.7)
    waited = node.runs()
    sent = time.monotonic()
    node.send(number)
    code = node.wait(10)
    took = time.monotonic() - sent if code is not None else None
    node.kill()
    slow.join()
    return [
        holds(f"SIGTERM lets a slow request go on ({name} follows)", waited),
        at_most(f"exit after a second signal, {name}", took, AT_ONCE),
        holds(f"exit code after {name} says it was cut short", code not in (0, None), code),
    ]
