"""Clients that write, and the ledger of what was acknowledged to them.

A ledger knows for each user what may be stored now. Before a request is sent, its outcome becomes possible; when it
is acknowledged it becomes the only one; when it is refused for good it is impossible again; when nobody knows (503, a
connection that broke) both stay possible. What is stored at the end must be possible: nothing that was acknowledged
is lost, nothing is half there, nothing is there that nobody asked for. The clients outlive the server, so memory is
enough.
"""

import threading
import time
from collections import namedtuple
from itertools import count
from urllib.parse import quote

from rig import NoAnswer, none_of, told

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
CREATED, RETITLED = "created", "retitled"
ABSENT = None

# One request: when it was sent, how long it took, and its status, or how it ended without one.
Sample = namedtuple("Sample", "at seconds method path outcome retry_after")


def ended(sample):
    return sample.at + sample.seconds


class Ledger:
    """What may be stored. Each name is written by one client, one request at a time."""

    def __init__(self):
        self._possible, self._lock, self.acknowledged = {}, threading.Lock(), 0

    def intend(self, name, title):
        self._possible.setdefault(name, {ABSENT}).add(title)

    def acknowledge(self, name, title):
        self._possible[name] = {title}
        with self._lock:
            self.acknowledged += 1

    def refuse(self, name, title):
        self._possible[name].discard(title)

    def verdict(self, stored, known):
        """Figures about what is stored. `known`: names of users nobody here made."""
        found = {}
        for user in stored:
            found.setdefault(user["userName"], []).append(user)
        lost, torn = [], []
        for name, possible in self._possible.items():
            users = found.get(name, [])
            titles = {user.get("title") for user in users} or {ABSENT}
            if not users and ABSENT not in possible:
                lost.append(name)
            elif not titles <= possible or any(user.get("displayName") != name for user in users):
                torn.append(f"{name}: {titles} of {possible}")
        strangers = [name for name in found if name not in self._possible and name not in known]
        return [
            told("writes acknowledged", self.acknowledged),
            none_of("acknowledged writes lost", lost),
            none_of("users half there or not as acknowledged", torn),
            none_of("users there twice", [name for name, users in found.items() if len(users) > 1]),
            none_of("users nobody asked for", strangers),
        ]


def new_user(name):
    return {"schemas": [USER], "userName": name, "displayName": name, "title": CREATED}


def retitle(title):
    return {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": title}]}


def find_user(client, name):
    """Its id, or None."""
    condition = f'userName eq "{name}"'
    answer = client.ask("GET", f"/scim/v2/Users?filter={quote(condition)}")
    found = answer.json["Resources"] if answer.status == 200 else []
    return found[0]["id"] if found else None


def all_users(client):
    users, cursor = [], ""
    while cursor is not None:
        answer = client.ask("GET", f"/scim/v2/Users?cursor={quote(cursor)}&count=1000")
        if answer.status != 200:
            raise RuntimeError(f"the users cannot be read: {answer.status} {answer.text[:200]!r}")
        users += answer.json["Resources"]
        cursor = answer.json.get("nextCursor")
    return users


class Asker(threading.Thread):
    """Asks in its own thread until it is told to stop, and keeps a sample of each request."""

    def __init__(self, client, stop):
        super().__init__(daemon=True)
        self.client, self.stop, self.samples = client, stop, []
        self.ended, self.failure = False, None

    def run(self):
        try:
            for number in count():
                if self.stop.is_set() or self.ended:
                    return
                self.step(number)
        except Exception as error:  # told where the figures are made
            self.failure = error

    def attempt(self, method, path, body=None):
        """The answer, or None if there was none."""
        at, answer, outcome = time.monotonic(), None, None
        try:
            answer = self.client.ask(method, path, body)
            outcome = answer.status
        except NoAnswer as error:
            outcome = error.how
        retry_after = answer.retry_after if answer else None
        self.samples.append(Sample(at, time.monotonic() - at, method, path, outcome, retry_after))
        return answer


class Probe(Asker):
    """Asks the same again and again."""

    def __init__(self, client, path, stop, every=0.1):
        super().__init__(client, stop)
        self.path, self.every = path, every

    def step(self, _):
        self.attempt("GET", self.path)
        self.stop.sleep(self.every)


class Writer(Asker):
    """Creates users and gives them another title. After a refusal it waits a moment and goes on with another name."""

    PAUSE = 0.02

    def __init__(self, prefix, client, ledger, stop, ends_when_cut=False):
        super().__init__(client, stop)
        self.prefix, self.ledger, self.ends_when_cut, self.cut = prefix, ledger, ends_when_cut, []

    def step(self, number):
        name = f"{self.prefix}-{number}"
        user = self.create(name)
        if user is not None:
            self.change(user, name)

    def create(self, name):
        """The id of the user; None if it was not acknowledged."""
        answer = self.write("POST", "/scim/v2/Users", new_user(name), name, CREATED)
        if answer is None:
            return None
        if answer.status == 201:
            self.ledger.acknowledge(name, CREATED)
            return answer.json["id"]
        if answer.status == 409 and answer.tries > 1:
            # The first try was cut off after it was done: that the user exists is what was asked for.
            self.ledger.acknowledge(name, CREATED)
            return find_user(self.client, name)
        self.refused(answer, name, CREATED)
        return None

    def change(self, user, name):
        answer = self.write("PATCH", f"/scim/v2/Users/{user}", retitle(RETITLED), name, RETITLED)
        if answer is None:
            return
        if answer.status == 200:
            self.ledger.acknowledge(name, RETITLED)
        else:
            self.refused(answer, name, RETITLED)

    def write(self, method, path, body, name, title):
        self.ledger.intend(name, title)
        answer = self.attempt(method, path, body)
        if answer is None:
            self.cut.append((name, title, self.samples[-1]))
            self.ended = self.ends_when_cut
            self.stop.sleep(self.PAUSE)
        return answer

    def refused(self, answer, name, title):
        if answer.status < 500:
            self.ledger.refuse(name, title)
        self.stop.sleep(self.PAUSE)


def samples_of(askers):
    """All samples; raises what a thread ended with."""
    for asker in askers:
        if asker.failure is not None:
            raise asker.failure
    return sorted((sample for asker in askers for sample in asker.samples), key=lambda sample: sample.at)


def slowest(samples):
    return max((sample.seconds for sample in samples), default=0.0)


def percentile_of(samples, method, share):
    """Of the seconds that requests of a method took."""
    ordered = sorted(sample.seconds for sample in samples if sample.method == method)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def without_retry_after(samples):
    return [sample for sample in samples if sample.outcome == 503 and not sample.retry_after]


def other_than(samples, *outcomes):
    """What was answered with none of these, shortly."""
    return [f"{s.method} {s.path.partition('?')[0]}: {s.outcome}" for s in samples if s.outcome not in outcomes]
