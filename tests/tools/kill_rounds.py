"""Kills a server with SIGKILL while clients write, restarts it, and checks every acknowledged write.

A write is a user that joins a group in the same breath: the user must be there, whole, with its title; a
patch that was acknowledged must show; a group membership that was acknowledged must show on both sides.
Standard library only.
"""

import http.client
import json
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
WRITERS = 8


class Server:
    def __init__(self, binary, store):
        command = [binary, "demo", "--json", "--listen", "127.0.0.1:0", "--store", store]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
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


def check(server, group, acknowledged):
    connection = server.connect()
    problems = []
    _, stored_group = server.request(connection, "GET", f"/Groups/{group}")
    members = {member["value"] for member in stored_group.get("members", [])}
    for user_id, expected in acknowledged.items():
        status, user = server.request(connection, "GET", f"/Users/{user_id}")
        if status != 200:
            problems.append(f"{user_id} is lost ({status})")
            continue
        whole = user["userName"] == expected["userName"] == user.get("displayName")
        # What was not acknowledged may have happened; what was must show.
        patched = user["title"] == "patched" or (expected["title"] == "created" and user["title"] == "created")
        in_group = user_id in members
        in_user = any(entry["value"] == group for entry in user.get("groups", []))
        if not whole or not patched or in_group != in_user or (expected["member"] and not in_group):
            problems.append(f"{user_id} is half there: {user}")
    # Nobody is in the group who does not exist.
    status, everyone = server.request(connection, "GET", "/Users?attributes=id&count=1000")
    total = everyone["totalResults"]
    ids = {user["id"] for user in everyone["Resources"]}
    while len(ids) < total:
        page = server.request(connection, "GET", f"/Users?attributes=id&count=1000&startIndex={len(ids) + 1}")[1]
        ids |= {user["id"] for user in page["Resources"]}
    problems += [f"{member} is a member and does not exist" for member in members - ids]
    return problems


def main():
    binary, rounds = sys.argv[1], int(sys.argv[2])
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    acknowledged, slowest = {}, 0.0
    with tempfile.TemporaryDirectory() as folder:
        store = f"surrealkv://{folder}/store?sync=every"
        server = Server(binary, store)
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Survivors"}
        status, created = server.request(server.connect(), "POST", "/Groups", body)
        assert status == 201, status
        group = created["id"]
        for number in range(rounds):
            arguments = [(server, f"r{number}w{writer}", group, acknowledged) for writer in range(WRITERS)]
            writers = [threading.Thread(target=write, args=argument) for argument in arguments]
            for writer in writers:
                writer.start()
            time.sleep(chance.uniform(0.2, 1.5))
            server.kill()
            for writer in writers:
                writer.join()
            server = Server(binary, store)
            slowest = max(slowest, server.ready_after)
            problems = check(server, group, acknowledged)
            if problems:
                print("\n".join(problems[:20]))
                print(f"round {number + 1}: {len(problems)} problems among {len(acknowledged)} acknowledged users")
                server.kill()
                sys.exit(1)
        server.kill()
    print(f"{rounds} kills, {len(acknowledged)} acknowledged users, 0 lost, 0 half there; ready in {slowest:.1f} s at most")


main()
