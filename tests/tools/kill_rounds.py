"""Kills a server with SIGKILL while clients write, restarts it, and checks every acknowledged write.

Each writer creates a user, changes its title and adds it to a group. After a kill, each acknowledged user must be there whole,
by its id and in the list; an acknowledged change must show; an acknowledged membership must show on both sides.

The memtable is small, so that it is full and replaced several times in each round: the kills that matter come after that. A run
in which no memtable was replaced fails, since it could not have failed. Standard library only.
"""

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import urlsplit

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Server:
    """A server with a memtable of so many mebibytes. `environment` is added to that of this process."""

    def __init__(self, binary, store, memtable=None, environment=None):
        command = [binary, "demo", "--json", "--listen", "127.0.0.1:0", "--store", store]
        variables = os.environ | (environment or {})
        if memtable is not None:
            variables["ROLLCALL__STORE__WRITTEN_MEBIBYTES"] = str(memtable)
        self.process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        started = time.monotonic()
        contract = json.loads(self.process.stdout.readline())
        self.ready_after = time.monotonic() - started
        self.host = urlsplit(contract["url"]).netloc
        self.token = contract["organizations"][0]["scim"]["token"]

    def request(self, connection, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        connection.request(method, "/scim/v2" + path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def connect(self):
        return http.client.HTTPConnection(self.host, timeout=20)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def write(server, name, group, acknowledged):
    connection = server.connect()
    index = 0
    try:
        while True:
            user_name = f"{name}-{index}"
            index += 1
            body = {"schemas": [USER], "userName": user_name, "title": "created", "displayName": user_name}
            status, user = server.request(connection, "POST", "/Users", body)
            assert status == 201, status
            acknowledged[user["id"]] = {"userName": user_name, "title": "created", "member": False}
            retitle = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "patched"}]}
            status, _ = server.request(connection, "PATCH", f"/Users/{user['id']}", retitle)
            assert status == 200, status
            acknowledged[user["id"]]["title"] = "patched"
            join = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "members", "value": [{"value": user["id"]}]}]}
            status, _ = server.request(connection, "PATCH", f"/Groups/{group}", join)
            assert status == 204, status
            acknowledged[user["id"]]["member"] = True
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        pass  # the server was killed


def read_all(server, connection):
    """Everybody by id, as the list tells them."""
    everyone, cursor = {}, ""
    while cursor is not None:
        status, page = server.request(connection, "GET", f"/Users?cursor={cursor}&count=1000")
        assert status == 200, status
        everyone |= {user["id"]: user for user in page["Resources"]}
        cursor = page.get("nextCursor")
    return everyone


def check(server, group, acknowledged, recent):
    """What is wrong with what is stored. `recent`: ids that are asked for one by one, too."""
    connection = server.connect()
    problems = []
    _, stored_group = server.request(connection, "GET", f"/Groups/{group}")
    members = {member["value"] for member in stored_group.get("members", [])}
    everyone = read_all(server, connection)
    for user_id, expected in acknowledged.items():
        user = everyone.get(user_id)
        if user is None:
            problems.append(f"{user_id} is lost")
            continue
        whole = user["userName"] == expected["userName"] == user.get("displayName")
        # What was not acknowledged may have happened; what was must show.
        patched = user["title"] == "patched" or (expected["title"] == "created" and user["title"] == "created")
        in_group = user_id in members
        in_user = any(entry["value"] == group for entry in user.get("groups", []))
        if not whole or not patched or in_group != in_user or (expected["member"] and not in_group):
            problems.append(f"{user_id} is half there: {user}")
    for user_id in recent:
        status, user = server.request(connection, "GET", f"/Users/{user_id}")
        if status != 200 or user != everyone.get(user_id):
            problems.append(f"{user_id} is another in the list: {status} {user}, {everyone.get(user_id)}")
    # Nobody is in the group who does not exist.
    problems += [f"{member} is a member and does not exist" for member in members - everyone.keys()]
    return problems


def newest_log(store):
    """The number of the newest segment of the write-ahead log; it grows by one when a memtable is replaced. 0 without a log."""
    if not os.path.isdir(os.path.join(store, "wal")):
        return 0
    segments = [int(name[:-4]) for name in os.listdir(os.path.join(store, "wal")) if name.endswith(".wal")]
    return max(segments, default=0)


def count_writes(acknowledged):
    return sum(1 + (user["title"] == "patched") + user["member"] for user in acknowledged.values())


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("rounds", type=int)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--longest", type=float, default=1.5, help="seconds of a round at most")
    parser.add_argument("--writes", type=int, default=0, help="go on until so many are acknowledged")
    parser.add_argument("--rotations", type=int, default=1, help="go on until so many memtables were replaced")
    parser.add_argument("--memtable", type=int, default=1, help="mebibytes of a memtable")
    parser.add_argument("--store", default="surrealkv", help="surrealkv, or rocksdb, whose memtables are not seen")
    parser.add_argument("--most", type=int, default=1000, help="rounds after which it ends all the same")
    return parser.parse_args()


def main():
    options = arguments()
    if options.store != "surrealkv":
        options.rotations = 0
    binary = options.binary
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    acknowledged, slowest, number, rotations = {}, 0.0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        store = f"{options.store}://{folder}/store?sync=every"
        server = Server(binary, store, options.memtable)
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Survivors"}
        status, created = server.request(server.connect(), "POST", "/Groups", body)
        assert status == 201, status
        group = created["id"]
        while number < options.most and (
            number < options.rounds or count_writes(acknowledged) < options.writes or rotations < options.rotations
        ):
            before, log = set(acknowledged), newest_log(f"{folder}/store")
            names = [f"r{number}w{writer}" for writer in range(options.writers)]
            writers = [threading.Thread(target=write, args=(server, name, group, acknowledged)) for name in names]
            for writer in writers:
                writer.start()
            time.sleep(chance.uniform(0.2, options.longest))
            server.kill()
            for writer in writers:
                writer.join()
            rotations += newest_log(f"{folder}/store") - log
            server = Server(binary, store, options.memtable)
            slowest = max(slowest, server.ready_after)
            number += 1
            problems = check(server, group, acknowledged, acknowledged.keys() - before)
            if problems:
                print("\n".join(problems[:20]))
                print(f"round {number}: {len(problems)} problems among {len(acknowledged)} acknowledged users, ", end="")
                print(f"after {rotations} replaced memtables")
                server.kill()
                sys.exit(1)
        server.kill()
    print(
        f"{number} kills, {rotations} replaced memtables, {count_writes(acknowledged)} acknowledged writes of "
        f"{len(acknowledged)} users, 0 lost, 0 half there; ready in {slowest:.1f} s at most"
    )
    if rotations < options.rotations:
        print(f"{options.rotations} replaced memtables were to be seen: this run could not fail")
        sys.exit(1)


if __name__ == "__main__":
    main()
