"""Imports users while the import is killed again and again, until all are there, and holds its memory to a limit.

An import that was killed is run again: it goes on where it was. In the end every user is there once, `rollcall doctor` finds
nothing, and no process has used more than the limit. Standard library only.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time

LIMIT = 1024  # mebibytes of memory of any process


def run(binary, store, *words):
    done = subprocess.run([binary, *words, "--store", store, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr}{done.stdout[-2000:]}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("users", type=int)
    parser.add_argument("--kills", type=int, default=8)
    options = parser.parse_args()
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        store, people = f"surrealkv://{folder}/store?sync=every", f"{folder}/people.jsonl"
        with open(people, "w", encoding="utf-8") as file:
            for index in range(options.users):
                name = f"person{index:07}"
                file.write(json.dumps({"userName": name, "displayName": f"Person {index}", "title": "imported",
                                       "emails": [{"value": f"{name}@acme.example", "primary": True}]}) + "\n")
        run(options.binary, store, "init")
        run(options.binary, store, "organization", "create", "acme", "--no-owner")
        started, kills, is_done = time.monotonic(), 0, False
        # The time between two kills grows, so that the import ends whatever the machine.
        wait = max(1.0, options.users / 20_000)
        while not is_done:
            command = [options.binary, "import", "acme", people, "--store", store, "--json"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                _, errors = process.communicate(timeout=chance.uniform(0.2, wait) if kills < options.kills else None)
                if process.returncode != 0:
                    sys.exit(f"the import failed: {errors.decode()}")
                is_done = True
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills, wait = kills + 1, wait * 1.3
        seconds = time.monotonic() - started
        exported = f"{folder}/exported.jsonl"
        run(options.binary, store, "export", "acme", "--output", exported)
        with open(exported, encoding="utf-8") as file:
            names = [line["userName"] for line in map(json.loads, file) if "userName" in line]
        report = run(options.binary, store, "doctor")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    wrong = []
    if sorted(names) != [f"person{index:07}" for index in range(options.users)]:
        wrong.append(f"{len(names)} users are there, {len(set(names))} of them different")
    if not report["ok"]:
        wrong.append(f"doctor: {[one for one in report['findings'] if one['state'] == 'broken'][:5]}")
    if most > LIMIT:
        wrong.append(f"a process used {most} MiB, {LIMIT} are allowed")
    print(f"{options.users} users, {kills} kills, {seconds:.0f} s, at most {most} MiB in a process")
    if wrong:
        print("\n".join(wrong))
        sys.exit(1)


if __name__ == "__main__":
    main()
