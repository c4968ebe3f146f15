"""A simulated disk: replays a record of recorder.c and lays out the files as they are after a power cut.

There are three readings of one cut. They differ in the names that survive. A file has its content as of its last sync.

as named  Each change of a name is durable at once. A file that was never synced is there and empty.
ext4      Changes of names are durable in their order, up to the last one that a sync has committed. A sync of a file
          commits all changes up to its creation or its last change of size, and fsync also up to its last rename. A
          sync of a folder commits all changes up to the last one in that folder. Truncations are in the same order.
          Later changes are lost.
strict    A folder has the names as of its last sync. POSIX promises no more.
"""

import itertools
import os
import struct
from pathlib import Path

READINGS = ("as named", "ext4", "strict")
HEAD = struct.Struct("=II5Q")
FOUND, CREATE, FOLDER, RENAME, LINK, UNLINK, TRUNCATE, STAGE, ZEROS, FOLDER_STAGE, COMMIT, DROP = range(1, 13)


class File:
    def __init__(self, content=b""):
        self.synced = bytearray(content)
        self.staged = []  # (sync, changes before it, offset, bytes or a number of zeros, size)
        self.truncated = []  # (number of the change, size): since the last sync

    def commit(self, sync):
        for _, changes, at, data, size in (part for part in self.staged if part[0] <= sync):
            if isinstance(data, int):
                data = bytes(data)
            if data:
                self.synced += bytes(max(0, at - len(self.synced)))
                self.synced[at : at + len(data)] = data
            del self.synced[size:]
            self.synced += bytes(size - len(self.synced))
            self.truncated = [cut for cut in self.truncated if cut[0] > changes]
        self.staged = [part for part in self.staged if part[0] > sync]

    def content(self, durable):
        """The content as of the last sync, after the truncations among the first `durable` changes of names."""
        return self.synced[: min((size for number, size in self.truncated if number <= durable), default=None)]


class Folder:
    def __init__(self, entries=()):
        self.entries = dict(entries)
        self.synced = dict(self.entries)
        self.staged = []  # (sync, entries)
        self.changed = 0  # the number of the last change of a name in it

    def commit(self, sync):
        for _, entries in (part for part in self.staged if part[0] <= sync):
            self.synced = entries
        self.staged = [part for part in self.staged if part[0] > sync]

    def copy(self):
        """Another folder with the same files."""
        return Folder((name, node.copy() if isinstance(node, Folder) else node) for name, node in self.entries.items())

    def find(self, path):
        """The folder of a path, and the last part of the path."""
        folder, parts = self, path.split("/")
        for part in parts[:-1]:
            folder = folder.entries[part]
        return folder, parts[-1]

    def change(self, number, kind, path, other, file):
        folder, name = self.find(path)
        folder.changed = number
        if kind == CREATE:
            folder.entries[name] = file
        elif kind == FOLDER:
            folder.entries[name] = Folder()
        elif kind == UNLINK:
            del folder.entries[name]
        elif kind in (RENAME, LINK):
            node = folder.entries[name]
            if kind == RENAME:
                del folder.entries[name]
            to, name = self.find(other)
            to.entries[name] = node
            to.changed = number

    def paths(self, prefix=""):
        for name, node in self.entries.items():
            yield prefix + name
            if isinstance(node, Folder):
                yield from node.paths(f"{prefix}{name}/")


def load(path):
    """A folder as it is on the real disk."""
    return Folder((entry.name, load(entry) if entry.is_dir() else File(entry.read_bytes())) for entry in path.iterdir())


def entries_of(record):
    """The entries of a record; a torn one at its end is left out."""
    at = 0
    while at + HEAD.size <= len(record):
        head = HEAD.unpack_from(record, at)
        at += HEAD.size
        if at + head[1] > len(record):
            return
        yield head, record[at : at + head[1]]
        at += head[1]


class Disk:
    """`start`: a folder that holds the durable files from before the record. `entries`: of the record; all if None."""

    def __init__(self, start, record, entries=None):
        self.now = load(start)
        self.before = self.now.copy()
        self.changes, self.durable, self.syncs = [], 0, 0
        self.files, self.pending = {}, {}
        for (kind, _, *numbers), payload in itertools.islice(entries_of(Path(record).read_bytes()), entries):
            self._replay(kind, numbers, payload)

    def _replay(self, kind, numbers, payload):
        number, sync, size, at, durable = numbers
        if kind == COMMIT:
            target, durable = self.pending.pop(sync)
            target.commit(sync)
            self.durable = max(self.durable, durable)
            self.syncs += 1
        elif kind == DROP:
            target, _ = self.pending.pop(sync)
            target.staged = [part for part in target.staged if part[0] != sync]
        elif kind in (STAGE, ZEROS):
            data = payload if kind == STAGE else int.from_bytes(payload, "little")
            self.files[number].staged.append((sync, len(self.changes), at, data, size))
            self.pending[sync] = (self.files[number], durable)
        elif kind == FOLDER_STAGE:
            folder = self.now
            for part in filter(None, os.fsdecode(payload).split("/")):
                folder = folder.entries[part]
            folder.staged.append((sync, dict(folder.entries)))
            self.pending[sync] = (folder, folder.changed)
        elif kind == TRUNCATE:
            self.changes.append((kind, "", "", None))
            self.files[number].truncated.append((len(self.changes), size))
        else:
            path, _, other = os.fsdecode(payload).partition("\0")
            if kind == FOUND:
                folder, name = self.now.find(path)
                self.files[number] = folder.entries[name]
                return
            if kind == CREATE:
                self.files[number] = File()
            self.changes.append((kind, path, other, self.files.get(number)))
            self.now.change(len(self.changes), *self.changes[-1])

    def unseen(self, folder):
        """Names that differ between the record and the real folder: more than one change means an incomplete record."""
        real = {str(path.relative_to(folder)) for path in folder.rglob("*")}
        different = real ^ set(self.now.paths())
        return sorted(different) if len(different) > 2 else []  # the kill may fall between a change and its entry

    def lay_out(self, reading, target):
        target.mkdir()
        if reading == "ext4":
            root = self.before.copy()
            for number, change in enumerate(self.changes[: self.durable], 1):
                if change[0] != TRUNCATE:
                    root.change(number, *change)
            self._write(root, target, "entries", self.durable)
        else:
            self._write(self.now, target, "entries" if reading == "as named" else "synced", 0)

    def _write(self, folder, target, which, durable):
        for name, node in getattr(folder, which).items():
            if isinstance(node, Folder):
                (target / name).mkdir()
                self._write(node, target / name, which, durable)
            else:
                (target / name).write_bytes(node.content(durable))
                (target / name).chmod(0o600)


def add_torn(target, real, chance):
    """Adds to each file a beginning of the bytes that were not synced: the kernel may have written them out."""
    for path in (path for path in target.rglob("*") if path.is_file()):
        now = real / path.relative_to(target)
        if not now.is_file():
            continue
        synced, written = path.read_bytes(), now.read_bytes()
        if synced != written:
            same = len(os.path.commonprefix([synced, written]))
            end = chance.randint(min(same, len(written)), len(written))
            path.write_bytes(written[:end] + synced[end:])
