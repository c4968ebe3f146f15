"""What the fault scripts share: programs that are started and stopped, an HTTP client, figures.

Standard library only, Linux only (it reads /proc).
"""

import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", Path.home() / ".cache/rollcall-target")) / "debug"
ROLLCALL = Path(os.environ.get("ROLLCALL_BIN", TARGET / "rollcall"))
SURREAL = Path(os.environ.get("SURREAL_BIN", TARGET / "surreal"))
KEY_FILE = "keys"
START_TIME = 60


# -- Figures ----------------------------------------------------------------------------------------------------------


@dataclass
class Figure:
    """One thing that was measured, and what it was held to; `passed` is None where there is no bound."""

    what: str
    measured: object
    unit: str = ""
    bound: str = ""
    passed: bool | None = None

    def line(self, row):
        verdict = {True: "PASS", False: "FAIL", None: "info"}[self.passed]
        bound = f"  (bound: {self.bound})" if self.bound else ""
        return f"{verdict}  {row}  {self.what}: {self.shown()}{bound}"

    def shown(self):
        if self.measured is None:
            return "never"
        number = f"{self.measured:.2f}" if isinstance(self.measured, float) else str(self.measured)
        return f"{number} {self.unit}".strip()


def at_most(what, measured, bound, unit="s"):
    """None as measured: it never happened, which is more than any bound."""
    passed = measured is not None and measured <= bound
    return Figure(what, measured, unit, f"at most {bound:g} {unit}".strip(), passed)


def at_least(what, measured, bound, unit=""):
    return Figure(what, measured, unit, f"at least {bound:g} {unit}".strip(), measured >= bound)


def none_of(what, found):
    """`found`: a list of what must not have happened. The first few are shown."""
    shown = f"{len(found)}" + (f" ({'; '.join(map(str, found[:3]))})" if found else "")
    return Figure(what, shown, "", "0", not found)


def holds(what, passed, measured=None):
    return Figure(what, measured if measured is not None else ("yes" if passed else "no"), "", "yes", bool(passed))


def told(what, measured, unit=""):
    """For information."""
    return Figure(what, measured, unit)


def as_json(figure):
    return asdict(figure)


# -- HTTP -------------------------------------------------------------------------------------------------------------


class NoAnswer(Exception):
    """A request that was not answered. `how` says where it ended:

    refused  no connection was made: nothing was sent
    cut      the connection ended before the first byte of an answer
    torn     the connection ended within the answer
    silent   nothing came for as long as the client waits
    """

    def __init__(self, how):
        super().__init__(how)
        self.how = how


@dataclass
class Answer:
    status: int
    headers: dict
    text: bytes
    tries: int = 1

    @property
    def json(self):
        return json.loads(self.text) if self.text else None

    @property
    def retry_after(self):
        return self.headers.get("retry-after")


def was_closed(idle):
    """Whether the other end has closed a connection on which nothing is expected; every client in earnest looks."""
    poll = select.poll()
    poll.register(idle, select.POLLIN)
    return bool(poll.poll(0))


class Client:
    """One keep-alive connection. Made anew after it was closed."""

    def __init__(self, host, token=None, timeout=40):
        self.host, self.token = host, token
        self._connection = http.client.HTTPConnection(host, timeout=timeout)

    def ask(self, method, path, body=None):
        headers = {"Content-Type": "application/json" if path == "/graphql" else "application/scim+json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            return self._exchange(method, path, json.dumps(body).encode() if body is not None else None, headers)
        except NoAnswer:
            self.close()
            raise

    def _exchange(self, method, path, body, headers):
        connection = self._connection
        if connection.sock is not None and was_closed(connection.sock):
            connection.close()
        try:
            if connection.sock is None:
                connection.connect()
        except TimeoutError:
            raise NoAnswer("silent") from None
        except OSError:
            raise NoAnswer("refused") from None
        try:
            # A server may answer before it has read the body and close then: the answer counts.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, headers)
            answer = connection.getresponse()
        except TimeoutError:
            raise NoAnswer("silent") from None
        except OSError:  # http.client.RemoteDisconnected is one
            raise NoAnswer("cut") from None
        except http.client.HTTPException:
            raise NoAnswer("torn") from None
        try:
            text = answer.read()
        except TimeoutError:
            raise NoAnswer("silent") from None
        except (OSError, http.client.HTTPException):
            raise NoAnswer("torn") from None
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)

    def graphql(self, query, **variables):
        """The `data` of an operation; it is an error if there is none."""
        answer = self.ask("POST", "/graphql", {"query": query, "variables": variables})
        if answer.status != 200 or not (answer.json or {}).get("data"):
            raise RuntimeError(f"GraphQL answered {answer.status}: {answer.text[:300]!r}")
        return answer.json["data"]

    def close(self):
        self._connection.close()


# -- Programs ---------------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition, seconds, every=0.02):
    """Seconds it took until the condition held; None if it did not in that time."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if condition():
            return time.monotonic() - started
        time.sleep(every)
    return None


class Program:
    """A process of ours."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen([str(part) for part in command], **options)

    @property
    def pid(self):
        return self.process.pid

    def send(self, number):
        self.process.send_signal(number)

    def runs(self):
        return self.process.poll() is None

    def wait(self, seconds):
        """The exit code; None if it still runs after that time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        if self.runs():
            self.process.kill()
        self.process.wait()


class Database:
    """A SurrealDB server that keeps its data on disk, so that it can go away and come back."""

    def __init__(self, folder):
        self.port, self.folder, self.program = free_port(), folder, None
        self.start()

    def start(self):
        """Returns when it listens."""
        command = [SURREAL, "start", "--user", "root", "--pass", "root", "--log", "none"]
        command += ["--bind", f"127.0.0.1:{self.port}", f"surrealkv://{self.folder}"]
        self.program = Program(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if wait_until(lambda: accepts(self.port), START_TIME) is None:
            raise RuntimeError("the SurrealDB server does not listen")

    def kill(self):
        self.program.kill()

    def url(self, port=None):
        """`port`: of a proxy before it."""
        return f"ws://root:root@127.0.0.1:{port or self.port}"


class Node(Program):
    """`rollcall serve`."""

    def __init__(self, store, folder, environment, port=0):
        self.log = folder / f"node-{time.monotonic_ns()}.log"
        command = [ROLLCALL, "serve", "--json", "--store", store, "--listen", f"127.0.0.1:{port}"]
        started = time.monotonic()
        with self.log.open("wb") as log:
            super().__init__(command, stdout=subprocess.PIPE, stderr=log, env=environment)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"rollcall does not start: {self.log.read_text()[-500:]}")
        self.ready_after = time.monotonic() - started
        # The URL it prints is the public one, which may be another.
        self.host = f"127.0.0.1:{port}" if port else urlsplit(json.loads(line)["url"]).netloc

    @property
    def port(self):
        return int(self.host.rpartition(":")[2])

    def client(self, token=None, **options):
        return Client(self.host, token, **options)

    def resident_kib(self):
        """VmRSS."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))

    def stop(self, seconds=40):
        """SIGTERM; the exit code and how long it took."""
        started = time.monotonic()
        self.send(signal.SIGTERM)
        return self.wait(seconds), time.monotonic() - started


@dataclass
class Tenant:
    """An organization with one directory."""

    token: str
    owner_email: str
    owner_password: str
    people: list = field(default_factory=list)


class Rig:
    """A folder of its own and the programs that run in it; all of it is gone at the end."""

    OWNER = "owner@acme.example"

    def __init__(self, keep=False, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="rollcall-faults-"))
        self.keep, self.programs = keep, []
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL__")}
        self.environment |= {
            "ROLLCALL__SIGN_IN__KEY_FILE": str(self.folder / KEY_FILE),
            "ROLLCALL__LIMITS__DIRECTORY_REQUESTS_PER_SECOND": "0",
            "ROLLCALL__LIMITS__CALLER_REQUESTS_PER_MINUTE": "0",
            "ROLLCALL__LIMITS__SIGN_IN_ATTEMPTS_PER_MINUTE": "0",
        } | settings
        (self.folder / KEY_FILE).write_text("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in reversed(self.programs):
            with contextlib.suppress(OSError):
                program.kill()
        if self.keep:
            print(f"      data and logs are kept in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def disk(self):
        """The URL of a store on disk."""
        return f"surrealkv://{self.folder}/store?sync=every"

    def database(self):
        database = Database(self.folder / "database")
        self.programs.append(database)
        return database

    def node(self, store, port=0):
        node = Node(store, self.folder, self.environment, port)
        self.programs.append(node)
        return node

    def command(self, store, *arguments):
        """What a command of `rollcall` answers."""
        command = [ROLLCALL, *arguments, "--store", store, "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"rollcall {' '.join(arguments)}: {done.stderr[-500:]}")
        return json.loads(done.stdout)

    def tenant(self, store):
        self.command(store, "init")
        made = self.command(store, "organization", "create", "acme", "--owner-email", self.OWNER)
        token = self.command(store, "directory", "create", "acme", "Okta")["token"]
        return Tenant(token, self.OWNER, made["owner"]["password"], [self.OWNER])

    def trails_are_whole(self, store):
        """One event for each write, none missing: read by the program itself."""
        try:
            trails = self.command(store, "audit", "verify")["trails"]
        except RuntimeError as error:
            return holds("the audit trails verify", False, str(error))
        return holds("the audit trails verify", all(trail["whole"] for trail in trails))


def start_threads(threads):
    for thread in threads:
        thread.start()
    return threads


def join_threads(threads):
    for thread in threads:
        thread.join()


class Stop(threading.Event):
    """Set when the clients are to stop; sleeping in it ends then too."""

    def sleep(self, seconds):
        self.wait(seconds)
