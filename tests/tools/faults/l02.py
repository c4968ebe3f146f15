"""L-02: two nodes on one SurrealDB server are restarted in turn, under load.

Clients use both nodes by turns and try a request again on the other node, once, when its connection is refused or
reset. That must be all they need: no 5xx, no acknowledged write lost, and tokens, logins, locks, challenges and used
codes that hold on whichever node they are shown to.
"""

import base64
import hashlib
import hmac
import struct
import time

from load import Ledger, Probe, Writer, all_users, other_than, samples_of, slowest
from rig import Client, NoAnswer, Rig, Stop, at_least, free_port, holds, join_threads, none_of, start_threads, told

WRITERS, READERS = 6, 2
BETWEEN = 0.7  # seconds between two restarts
WRONG_PASSWORDS = 12  # more than lockout.max_failures

LOGIN = """mutation($email: String!, $password: String!) {
  login(input: {email: $email, password: $password}) {
    session { accessToken refreshToken } challenge { token } userErrors { code } } }"""
BEGIN_TOTP = 'mutation { beginTotpEnrollment(input: {name: "Phone"}) { secret userErrors { code } } }'
CONFIRM_TOTP = """mutation($code: String!) {
  confirmTotpEnrollment(input: {code: $code}) {
    recoveryCodes session { accessToken refreshToken } userErrors { code } } }"""
VERIFY = """mutation($token: String!, $code: String, $recovery: String) {
  verifyMfa(input: {challengeToken: $token, code: $code, recoveryCode: $recovery}) {
    session { accessToken } userErrors { code } } }"""
REFRESH = """mutation($token: String!) {
  refreshSession(input: {refreshToken: $token}) { session { accessToken } userErrors { code } } }"""
ME = "{ me { user { userName } } }"


def run(options):
    restarts = 20 if options.long else 3
    # What tokens name as their issuer, and what locations are made of, is the same on both nodes.
    with Rig(options.keep, ROLLCALL__SERVER__PUBLIC_URL="http://id.example.test") as rig:
        database = rig.database()
        tenant = rig.tenant(database.url())
        ports = [free_port(), free_port()]
        nodes = [rig.node(database.url(), port) for port in ports]
        hosts = [node.host for node in nodes]
        person = Person(hosts, tenant)

        ledger, stop = Ledger(), Stop()
        writers = [Writer(f"w{index}", Failover(hosts, tenant.token, index), ledger, stop) for index in range(WRITERS)]
        lists = [Failover(hosts, tenant.token, index) for index in range(READERS)]
        askers = writers + [Probe(client, "/scim/v2/Users?count=10", stop, every=0.01) for client in lists]
        askers.append(PersonReading(Failover(hosts, person.session["accessToken"]), stop))
        started = time.monotonic()
        start_threads(askers)
        exits = []
        for number in range(restarts):
            time.sleep(BETWEEN)
            which = number % 2
            exits.append(nodes[which].stop()[0])
            nodes[which] = rig.node(database.url(), ports[which])
        time.sleep(BETWEEN)
        stop.set()
        join_threads(askers)
        seconds = time.monotonic() - started

        samples = samples_of(askers)
        figures = [
            told("restarts", restarts),
            told("requests answered a second", len(samples) / seconds),
            told("requests tried again on the other node", sum(asker.client.retries for asker in askers)),
            told("slowest answer", slowest(samples), "s"),
            none_of("5xx", [s.outcome for s in samples if isinstance(s.outcome, int) and s.outcome >= 500]),
            none_of("not answered after one retry", [s.outcome for s in samples if not isinstance(s.outcome, int)]),
            none_of("tokens refused", [s.path for s in samples if s.outcome in (401, 403)]),
            none_of("other outcomes than success", other_than(samples, 200, 201, 409)),
            none_of("exit codes other than 0", [code for code in exits if code != 0]),
            at_least("writes acknowledged a restart", ledger.acknowledged / restarts, 20),
        ]
        figures += person.figures()
        figures += ledger.verdict(all_users(nodes[0].client(tenant.token)), tenant.people)
        figures.append(rig.trails_are_whole(database.url()))
        return figures


class Failover:
    """A client of two nodes: each request goes to the other one, and so does, once, one that was not answered."""

    def __init__(self, hosts, token, first=0):
        self.clients = [Client(host, token) for host in hosts]
        self.turn, self.retries = first, 0

    def ask(self, method, path, body=None):
        self.turn += 1
        client, other = self.clients[self.turn % 2], self.clients[(self.turn + 1) % 2]
        try:
            return client.ask(method, path, body)
        except NoAnswer as error:
            if error.how not in ("refused", "cut"):
                raise
        self.retries += 1
        other.close()  # a new connection: the one it has may be from before a restart
        answer = other.ask(method, path, body)
        answer.tries = 2
        return answer


class PersonReading(Probe):
    """Somebody signed in who reads about themselves, over and over."""

    def __init__(self, client, stop):
        super().__init__(client, "/graphql", stop, every=0.05)

    def step(self, _):
        answer = self.attempt("POST", self.path, {"query": ME})
        if answer is not None and not (answer.json or {}).get("data"):
            raise RuntimeError(f"a login did not hold: {answer.text[:300]!r}")
        self.stop.sleep(self.every)


class Person:
    """The owner. On the first node, before any restart: enrols an authenticator, begins to sign in, and is locked out
    by wrong passwords."""

    def __init__(self, hosts, tenant):
        first, self.second = Client(hosts[0]), Client(hosts[1])
        self.credentials = {"email": tenant.owner_email, "password": tenant.owner_password}
        signed_in = first.graphql(LOGIN, **self.credentials)["login"]
        enrolling = Client(hosts[0], signed_in["session"]["accessToken"])
        self.secret = enrolling.graphql(BEGIN_TOTP)["beginTotpEnrollment"]["secret"]
        self.used_code = totp(self.secret)
        confirmed = enrolling.graphql(CONFIRM_TOTP, code=self.used_code)["confirmTotpEnrollment"]
        self.session = confirmed["session"] or signed_in["session"]
        self.recovery_codes = confirmed["recoveryCodes"]
        self.challenge = first.graphql(LOGIN, **self.credentials)["login"]["challenge"]
        for _ in range(WRONG_PASSWORDS):
            enters(first, email=tenant.owner_email, password="not the password")

    def figures(self):
        """What the second node says to it after the restarts."""
        token, recovery = self.challenge["token"], self.recovery_codes[0]
        used = self.second.graphql(VERIFY, token=token, code=self.used_code)["verifyMfa"]
        verified = self.second.graphql(VERIFY, token=token, recovery=recovery)["verifyMfa"]
        again = self.second.graphql(VERIFY, token=token, recovery=recovery)["verifyMfa"]
        refreshed = self.second.graphql(REFRESH, token=self.session["refreshToken"])["refreshSession"]
        reused = self.second.graphql(REFRESH, token=self.session["refreshToken"])["refreshSession"]
        return [
            holds("a lock of one node holds on the other", not enters(self.second, **self.credentials)),
            holds("a code that was used is refused on the other node", not used["session"]),
            holds("a challenge of one node is answered on the other", bool(verified["session"])),
            holds("a recovery code and its challenge work once", not again["session"]),
            holds("a refresh token of one node works on the other", bool(refreshed["session"])),
            holds("a refresh token works once", not reused["session"]),
        ]


def enters(client, **credentials):
    """Whether these are taken for right."""
    answer = client.ask("POST", "/graphql", {"query": LOGIN, "variables": credentials})
    login = ((answer.json or {}).get("data") or {}).get("login") or {}
    return bool(login.get("session") or login.get("challenge"))


def totp(secret):
    """The code of this moment (RFC 6238: six digits, SHA-1, 30 seconds)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1)
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06}"
