"""What a disk may hold after the power went at any moment: file system calls, recorded by strace, are
replayed up to each of them with what was not synced lost, kept, or kept in part.

The model is harsher than a journal: a file's bytes count once it was synced, and its name once the
folder was; until then any of them may be there without the others. A rename is one step."""

import codecs
import re

from support import attacker

RECORDED = ("trace=openat,openat2,write,pwrite64,ftruncate,fsync,fdatasync,linkat,rename,renameat,"
            "renameat2,unlink,unlinkat,execve,exit_group")

AT = r"(?:AT_FDCWD|\d+)<([^>]*)>"
TEXT = r'"((?:[^"\\]|\\.)*)"'
FD = r"(\d+)<([^>]*)>(?:\(deleted\))?"

OPEN = re.compile(rf"openat2?\({AT}, {TEXT}, (.*)\) += {FD}")
WRITE = re.compile(rf"write\({FD}, {TEXT}, \d+\) += (\d+)")
PWRITE = re.compile(rf"pwrite64\({FD}, {TEXT}, \d+, (\d+)\) += (\d+)")
TRUNCATE = re.compile(rf"ftruncate\({FD}, (\d+)\) += 0")
SYNC = re.compile(rf"f(?:data)?sync\({FD}\) += 0")
LINK = re.compile(rf'linkat\({AT}, {TEXT}, {AT}, {TEXT}, .*\) += 0')
RENAME = re.compile(rf"renameat2?\({AT}, {TEXT}, {AT}, {TEXT}.*\) += 0")
UNLINK = re.compile(rf"unlinkat\({AT}, {TEXT}, 0\) += 0")


def text(quoted):
    return codecs.escape_decode(quoted.encode("latin-1"))[0]


def name_of(folder, quoted):
    name = text(quoted).decode()
    return name if name[0] == "/" else f"{folder}/{name}".replace("/./", "/")


class Recording:
    """steps: what was done to the files below folder, in order, as tuples:
    ("data", file, offset, bytes), ("truncate", file, size), ("sync", file), ("name", folder, name,
    file or None), ("move", from, to, file), ("sync folder", folder), ("ends", program)."""

    def __init__(self, folder):
        self.folder, self.steps, self.names = str(folder), [], {}
        self.open, self.programs, self.at, self.n_files = {}, {}, {}, 0

    def add(self, lines):
        for pid, call in attacker.joined(lines):
            for pattern, does in ((OPEN, self.opened), (WRITE, self.wrote), (PWRITE, self.wrote_at),
                                  (TRUNCATE, self.truncated), (SYNC, self.synced), (LINK, self.linked),
                                  (RENAME, self.renamed), (UNLINK, self.unlinked)):
                match = pattern.match(call)
                if match:
                    does(pid, *match.groups())
                    break
            program = re.match(rf"execve\({TEXT}.*\) += 0", call)
            if program:
                self.programs[pid] = text(program[1]).decode().rpartition("/")[2]
            if call.startswith("exit_group(0)") and pid in self.programs:
                self.steps.append(("ends", self.programs[pid]))

    def file_of(self, pid, fd, path):
        """A file is known by its name, or while it has none, by the name the kernel gives it."""
        if not path.startswith(self.folder):
            return None
        known = self.names.get(path)
        return known if known is not None else self.open.get(path)

    def opened(self, pid, folder, name, flags, fd, path):
        self.open[pid, fd] = path
        if path.startswith(self.folder) and ("O_TMPFILE" in flags or "O_CREAT" in flags):
            if "O_CREAT" in flags and "O_TMPFILE" not in flags and path in self.names:
                return
            self.n_files += 1
            self.open[path] = self.n_files
            self.at[self.n_files] = 0
            if "O_TMPFILE" not in flags:
                self.give(path, self.n_files)

    def give(self, path, file):
        self.names[path] = file
        self.steps.append(("name", *path.rpartition("/")[::2], file))

    def wrote(self, pid, fd, path, data, done):
        file = self.file_of(pid, fd, path)
        if file is not None:
            self.steps.append(("data", file, self.at[file], text(data)[:int(done)]))
            self.at[file] += int(done)

    def wrote_at(self, pid, fd, path, data, offset, done):
        file = self.file_of(pid, fd, path)
        if file is not None:
            self.steps.append(("data", file, int(offset), text(data)[:int(done)]))

    def truncated(self, pid, fd, path, size):
        file = self.file_of(pid, fd, path)
        if file is not None:
            self.steps.append(("truncate", file, int(size)))

    def synced(self, pid, fd, path):
        file = self.file_of(pid, fd, path)
        if file is not None:
            self.steps.append(("sync", file))
        elif path.startswith(self.folder):
            self.steps.append(("sync folder", path))

    def linked(self, pid, from_folder, from_name, folder, name):
        source = name_of(from_folder, from_name)
        if source.startswith("/proc/self/fd/"):
            source = self.open[pid, source.rpartition("/")[2]]
        if source.startswith(self.folder):
            self.give(name_of(folder, name), self.file_of(pid, None, source))

    def renamed(self, _pid, from_folder, from_name, folder, name):
        source, target = name_of(from_folder, from_name), name_of(folder, name)
        if source.startswith(self.folder) and source in self.names:
            self.names[target] = self.names.pop(source)
            self.steps.append(("move", source, target, self.names[target]))

    def unlinked(self, _pid, folder, name):
        path = name_of(folder, name)
        if path.startswith(self.folder) and self.names.pop(path, None) is not None:
            self.steps.append(("name", *path.rpartition("/")[::2], None))


def content(steps):
    data = bytearray()
    for step in steps:
        if step[0] == "truncate":
            data[step[2]:] = bytes(max(0, step[2] - len(data)))
        else:
            data[len(data):step[2]] = bytes(max(0, step[2] - len(data)))
            data[step[2]:step[2] + len(step[3])] = step[3]
    return bytes(data)


def contents_of(steps):
    """{file: its bytes when all was done}."""
    files = {step[1] for step in steps if step[0] in ("data", "truncate")}
    return {file: content([step for step in steps if step[0] in ("data", "truncate") and
                           step[1] == file]) for file in files}


def effects_of(steps):
    """(folders whose sync keeps it, what it does to names) of each step that changes names."""
    for at, step in enumerate(steps):
        if step[0] == "name":
            yield at, step[1], {f"{step[1]}/{step[2]}": step[3]}
        elif step[0] == "move":
            yield at, step[2].rpartition("/")[0], {step[1]: None, step[2]: step[3]}


def after_power_cut(steps):
    """Every state, {path: bytes}, that a disk may be in when the power goes after these steps."""
    files = {}
    for file in {step[1] for step in steps if step[0] in ("data", "truncate")}:
        mine = [step for step in steps if step[0] in ("data", "truncate", "sync") and step[1] == file]
        last = max((n for n, step in enumerate(mine) if step[0] == "sync"), default=0)
        kept = [step for step in mine[:last] if step[0] != "sync"]
        whole = content([step for step in mine if step[0] != "sync"])
        files[file] = {content(kept), whole, bytes(len(whole))} if len(mine) > last + 1 or not last \
            else {whole}
    effects = list(effects_of(steps))
    synced = {}
    for at, step in enumerate(steps):
        if step[0] == "sync folder":
            synced[step[1]] = at
    loose = [n for n, (at, folder, _) in enumerate(effects) if synced.get(folder, -1) < at]
    choices = [set(), set(loose)] + [{n} for n in loose] + [set(loose) - {n} for n in loose]
    for kept in {frozenset(choice) for choice in choices}:
        names = {}
        for n, (_, _, changes) in enumerate(effects):
            if n not in loose or n in kept:
                names.update(changes)
        there = {path: file for path, file in names.items() if file is not None}
        for worst in (min, max, lambda options, key: sorted(options, key=key)[len(options) // 2]):
            yield {path: worst(files.get(file, {b""}), key=lambda data: (len(data), any(data)))
                   for path, file in there.items()}
