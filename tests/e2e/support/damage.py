"""Files damaged at random, and programs run on them within limits of time and memory."""

import os
import pathlib
import random
import resource
import subprocess
import sys
import time
import typing

CPU_SECONDS = 2.0
ANONYMOUS_BYTES = 256 << 20  # what a program may map for itself


class Run(typing.NamedTuple):
    status: int  # negative: the signal
    seconds: float  # of processor time
    megabytes: float  # peak resident, files included
    output: str


def run_limited(argv, sanitized=False):
    """Runs it to its end. Anonymous memory is limited by the kernel, so that asking for more fails
    with the program's own complaint; sanitizers map terabytes and go without."""

    def limit():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        if not sanitized:
            resource.setrlimit(resource.RLIMIT_DATA, (ANONYMOUS_BYTES,) * 2)

    process = subprocess.Popen([*map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               stdin=subprocess.DEVNULL, preexec_fn=limit)
    output = process.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    return Run(process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def damaged(rng, whole, places):
    """(what was done, bytes): the file with a few bytes or bits changed, cut, or with a hole.
    places: offsets around which half of the damage is done."""
    data = bytearray(whole)

    def place():
        if places and rng.random() < 0.6:
            return min(len(data) - 1, max(0, rng.choice(places) + rng.randrange(-16, 240)))
        return rng.randrange(len(data))

    way = rng.choice(("flip", "flip", "flip", "byte", "byte", "word", "hole", "cut", "move"))
    if way == "cut":
        at = place() if rng.random() < 0.5 else rng.randrange(len(data))
        return f"cut at {at}", bytes(data[:at])
    count = rng.choice((1, 1, 2, 8, 40))
    spots = [place() for _ in range(count)]
    for at in spots:
        if way == "flip":
            data[at] ^= 1 << rng.randrange(8)
        elif way == "byte":
            data[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)))
        elif way == "word":
            value = rng.choice((0, 1, 0xffffffff, 0x7fffffff, 0x80000000, 1 << 63, (1 << 64) - 1,
                                len(data), rng.randrange(1 << 64)))
            size = rng.choice((2, 4, 8))
            data[at:at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        elif way == "hole":
            size = rng.choice((16, 256, 4096))
            data[at:at + size] = bytes(len(data[at:at + size]))
        else:
            size, other = rng.choice((4, 32, 512)), rng.randrange(len(data))
            data[at:at + size] = data[other:other + size]
    del data[len(whole):]
    return f"{way} at {spots}", bytes(data)


def places_of(whole):
    """Where an ELF file keeps what parsers trust: its headers, notes, and each section's start."""
    found = [0, 64, 512, max(0, len(whole) - 1024)]
    if whole[:5] != b"\x7fELF\x02":
        return found
    number = lambda at, size: int.from_bytes(whole[at:at + size], "little")  # noqa: E731
    phoff, shoff = number(32, 8), number(40, 8)
    for index in range(min(number(56, 2), 40)):
        at = phoff + 56 * index
        found += [at, number(at + 8, 8)]
    for index in range(number(60, 2)):
        at = shoff + 64 * index
        if number(at + 4, 4) != 8 and whole[at:at + 64]:  # .bss has no bytes
            found += [at, number(at + 24, 8)]
    return [at for at in found if at < len(whole)]


def batter(argv, files, seed, seconds, rounds, sanitized=False):
    """Damages one of the files after the other and runs argv each time: so many rounds, or for so
    many seconds. Every file is whole again afterwards. Fails with the seed and what was done when
    a run crashes, takes too long or needs too much. Returns the slowest and the largest run."""
    wholes = {path: pathlib.Path(path).read_bytes() for path in files}
    places = {path: places_of(whole) for path, whole in wholes.items()}
    end, number, slowest, largest = time.monotonic() + seconds, 0, 0.0, 0.0
    while number < rounds if rounds else time.monotonic() < end:
        rng = random.Random(f"{seed}/{number}")
        path = rng.choice(list(files))
        what, data = damaged(rng, wholes[path], places[path])
        # A file of its own, as what is mapped by others must not change.
        pathlib.Path(path).unlink()
        pathlib.Path(path).write_bytes(data)
        os.chmod(path, 0o755)
        run = run_limited(argv, sanitized)
        told = f"seed {seed}, round {number}: {path}: {what}\n{' '.join(map(str, argv))}\n"
        bad = (run.status not in (0, 1, 2) and f"exit status {run.status}" or
               "ERROR: " in run.output and "a sanitizer's finding" or
               "out of memory" in run.output and "more than 256 MB" or
               not sanitized and run.seconds > CPU_SECONDS and f"{run.seconds:.2f} s")
        if bad:
            kept = pathlib.Path(os.environ.get("KEEP", "/tmp")) / f"damaged-{seed}-{number}"
            kept.write_bytes(data)
            raise AssertionError(f"{bad}: {told}kept as {kept}\n{run.output[-3000:]}")
        slowest, largest = max(slowest, run.seconds), max(largest, run.megabytes)
        number += 1
    for path, whole in wholes.items():
        pathlib.Path(path).unlink()
        pathlib.Path(path).write_bytes(whole)
        os.chmod(path, 0o755)
    print(f"seed {seed}: {number} damaged files, at most {slowest:.2f} s and {largest:.0f} MB",
          file=sys.stderr)
    return slowest, largest
