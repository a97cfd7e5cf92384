"""The heap: what is said of memory, compared with what the program itself knows of it, and errors of
heap memory, compared with what AddressSanitizer says of the same program."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from support import capture, crashers, kernel

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOOK = ROOT / "build/tests/heap/heap_look"

pytestmark = pytest.mark.skipif(not kernel.system_tests_allowed(),
                                reason="the kernel must write the cores: needs root and SYSTEM=1")

# error: our classifiers beside "stop", what is said, what AddressSanitizer calls it, its region, and
# whether the size of ours must be that of its region.
ERRORS = {
    "double_free_tcache": ("abort double-free",
                           'double free ("free(): double free detected in tcache 2") of @, '
                           "a freed chunk of 24 bytes (tcache)",
                           "attempting double-free", 24),
    "double_free_fastbin": ("abort double-free",
                            'double free ("double free or corruption (fasttop)") of @, '
                            "a freed chunk of 40 bytes (fastbin)",
                            "attempting double-free", 40),
    "double_free_large": ("abort double-free",
                          'double free ("double free or corruption (!prev)") of @, '
                          "a freed chunk of 3000 bytes (unsorted bin)",
                          "attempting double-free", 3000),
    "double_free_top": ("abort double-free",
                        'double free ("double free or corruption (top)") of @, '
                        "the unused top of the heap", "attempting double-free", None),
    "free_stack": ("abort invalid-free", 'invalid free ("free(): invalid pointer")',
                   "attempting free on address which was not malloc", None),
    "free_global": ("abort invalid-free", 'invalid free ("free(): invalid pointer")',
                    "attempting free on address which was not malloc", None),
    "free_middle": ("abort invalid-free",
                    'invalid free ("free(): invalid pointer") of a pointer into '
                    "a live chunk of 200 bytes at @",
                    "attempting free on address which was not malloc", 200),
    # AddressSanitizer stops at the first misuse, glibc at the next one.
    "realloc_after_free": ("abort double-free",
                           'double free ("double free or corruption (!prev)") of @, '
                           "a freed chunk of 2008 bytes (large bin)",
                           "heap-use-after-free|attempting double-free", 2000),
    "use_read": ("segv read use-after-free",
                 "read from @ = object->next->value, not mapped, "
                 "loaded from @+0 in a freed chunk of 24 bytes (tcache)",
                 "heap-use-after-free", 24),
    "use_write": ("segv write use-after-free",
                  "write to @ = object->next->value, not mapped, "
                  "loaded from @+0 in a freed chunk of 24 bytes (tcache)",
                  "heap-use-after-free", 24),
    "use_call": ("segv exec bad-jump noncanonical use-after-free",
                 "jump to @ = object->method, no possible address, loaded from @+8 in "
                 "a freed chunk of 24 bytes (tcache)", "heap-use-after-free", 24),
    "use_large": ("segv exec bad-jump use-after-free",
                  "jump to @ = call, not permitted, loaded from @+0 in "
                  "a freed chunk of 3000 bytes (unsorted bin)", "heap-use-after-free", 3000),
    "use_perturbed": ("segv read noncanonical use-after-free",
                      "read from @ = list[20]->value, made of the fill pattern "
                      "0xa5a5a5a5a5a5a5a5, with which "
                      "a freed chunk of 2008 bytes (unsorted bin) at @ is filled",
                      "heap-use-after-free", 2000),
    "overrun_one": ("abort heap-corruption",
                    'heap corruption detected ("free(): invalid next size (normal)"): the header '
                    "behind the chunk of 1304 bytes at @ is overwritten (size before it "
                    "0x1111111111111111)", "heap-buffer-overflow", 1304),
    "overrun_many": ("abort heap-corruption",
                     'heap corruption detected ("double free or corruption (out)"): the header '
                     "behind the chunk of 24 bytes at @ is overwritten (size 0x4141414141414141)",
                     "heap-buffer-overflow", 24),
    # Of a header alone nobody can tell which neighbour wrote it.
    "underrun": ("abort heap-corruption",
                 'heap corruption detected ("double free or corruption (out)"): the header '
                 "behind the chunk of 24 bytes at @ is overwritten (size 0x4141414141414141)",
                 "heap-buffer-overflow", None),
    "top": ("abort heap-corruption",
            'heap corruption detected ("malloc(): corrupted top size"): the top\'s header '
            "behind the chunk of 24 bytes at @ is overwritten (size 0x4141414141414141)",
            "heap-buffer-overflow", 24),
    "tcache_link": ("abort heap-corruption",
                    'heap corruption detected ("malloc(): unaligned tcache chunk detected"): '
                    "a list (tcache) leads to @, where no chunk can be",
                    "heap-use-after-free", None),
    "unsorted": ("segv read noncanonical heap-corruption",
                 "read from 0x4141414141414151~, no possible address; a link of the freed chunk "
                 "at @ (unsorted bin) is overwritten (0x4141414141414141)",
                 "heap-use-after-free", None),
    "mapped": ("abort heap-corruption",
               'heap corruption detected ("double free or corruption (out)")',
               "heap-buffer-overflow", None),
    "thread_double_free": ("abort double-free",
                           'double free ("double free or corruption (out)") of @, '
                           "a freed chunk of 3000 bytes (unsorted bin)",
                           "attempting double-free", 3000),
    "thread_use_read": ("segv read use-after-free",
                        "read from @ = object->next->value, not mapped, loaded from @+0 in "
                        "a freed chunk of 24 bytes (tcache)", "heap-use-after-free", 24),
    "thread_overrun": ("abort heap-corruption",
                       'heap corruption detected ("double free or corruption (out)"): the header '
                       "behind the chunk of 24 bytes at @ is overwritten "
                       "(size 0x4141414141414141)", "heap-buffer-overflow", 24),
}


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("heap"))


@pytest.fixture(scope="module")
def spool(program):
    with capture.new_spool(program) as spool:
        yield spool


def environment(way):
    perturb = {"MALLOC_PERTURB_": "165"} if way == "use_perturbed" else {}
    return {**os.environ, **perturb}


def both_cores(spool, program, way):
    """Minimal and whole core of one crash, and what the program said of its memory. Programs of
    others that die meanwhile leave theirs too."""
    full = spool.root / f"full-{way}"
    for _ in range(5):
        before = set(spool.pending.iterdir())
        with (spool.root / "said").open("w+") as said:
            spool.crash([program, way], spool.tee(full), stdout=said, stderr=subprocess.DEVNULL,
                        env=environment(way))
            said.seek(0)
            truth = [line.split(None, 3) for line in said.read().splitlines()]
        spool.core(len(before) + 1)
        spool.wait_for(full.exists)
        ours = f"{program} {way}".encode()
        cores = [path for path in {*spool.pending.iterdir()} - before if is_of(path, ours)]
        if len(cores) == 1 and is_of(full, ours):
            return cores[0], full, truth
    raise AssertionError("no core of ours came")


def is_of(core, arguments):
    """prpsinfo holds the first 80 bytes of the arguments."""
    with open(core, "rb") as file:
        return arguments[:79] in file.read(1 << 16)


def look(target, truth):
    shown = subprocess.run([LOOK, str(target), *(row[0] for row in truth)], capture_output=True,
                           text=True, check=True, timeout=60)
    return json.loads(shown.stdout)


def check_states(target, truth, may_not_know=False):
    """Every answer is true. Returns how many say "unknown"."""
    answer = look(target, truth)
    assert answer["allocator"] == "glibc"
    assert answer["damages"] == []
    unknown = 0
    for pointer, state, size, where in truth:
        said = answer["addresses"][pointer]
        if may_not_know and said["state"] == "unknown":
            unknown += 1
            continue
        assert said["state"] == {"not": "not heap"}.get(state, state), (pointer, state, said)
        if state == "freed":
            assert said["list"] == where
        if state in ("freed", "live"):
            limit = 4096 if where == "mmapped" else 64
            assert int(size) <= said["size"] < int(size) + limit, said
            assert said["mmapped"] == (where == "mmapped")
            assert 0 <= said["offset"] < said["size"]
    return unknown


def test_every_state_is_seen_in_whole_and_in_minimal_cores(dead, spool):
    minimal, full, truth = both_cores(spool, dead.build("heap"), "states")
    assert len(truth) > 70
    check_states(full, truth)
    # Mappings of single large chunks are not taken whole.
    assert check_states(minimal, truth, may_not_know=True) <= 4


def test_every_state_is_seen_in_a_live_process(dead):
    with subprocess.Popen([dead.build("heap"), "sleep"], stdout=subprocess.PIPE,
                          text=True) as process:
        truth = []
        for line in process.stdout:
            if line == "ready\n":
                break
            truth.append(line.strip().split(None, 3))
        try:
            check_states(process.pid, truth)
        finally:
            process.kill()


@pytest.mark.parametrize("allocator,library", [("jemalloc", "libjemalloc.so.2"),
                                               ("tcmalloc", "libtcmalloc_minimal.so.4")])
def test_every_state_is_seen_of_other_allocators(dead, allocator, library):
    """They have no top, and lists of their own; threads get what others freed."""
    with subprocess.Popen([dead.build("heap"), "sleep"], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "LD_PRELOAD": library}) as process:
        truth = []
        for line in process.stdout:
            if line == "ready\n":
                break
            truth.append(line.strip().split(None, 3))
        truth = list({row[0]: row for row in truth}.values())
        answer = look(process.pid, truth)
        core = dead.folder / f"core-{allocator}"
        dead.core_of_child(core, process.pid, signal.SIGABRT)
        process.returncode = -signal.SIGABRT
    assert answer["allocator"] == allocator
    assert look(core, truth)["addresses"] == answer["addresses"]
    unknown = 0
    for pointer, state, size, _ in truth:
        said = answer["addresses"][pointer]
        if said["state"] == "unknown" and state == "not":
            unknown += 1
            continue
        assert said["state"] == {"not": "not heap", "top": "freed"}.get(state, state), said
        if state in ("freed", "live"):
            assert int(size) <= said["size"] <= 1.25 * int(size) + 16, said
            assert 0 <= said["offset"] < said["size"]
    assert unknown <= 1


def verdict_of(bt, core):
    shown = subprocess.run([bt, "--json", "--core", core], capture_output=True, text=True,
                           timeout=60, check=False)
    assert shown.returncode in (0, 1), shown.stderr
    snapshot = json.loads(shown.stdout)
    return set(snapshot["classifiers"]), snapshot["attributes"]["verdict"]


@pytest.mark.parametrize("way", ERRORS)
def test_every_error_is_named(dead, spool, program, way):
    classifiers, what, _, _ = ERRORS[way]
    # "~": an expression of the C library, where its debug information is installed.
    pattern = re.escape(what).replace("@", "0x[0-9a-f]+").replace(re.escape("~"), r"(?: = \S+)?")
    pattern += r" in \w+ \(heap\.c:\d+\)"
    for core in both_cores(spool, dead.build("heap"), way)[:2]:
        said, verdict = verdict_of(program("bt"), core)
        assert said == {*classifiers.split(), "stop"}, verdict
        assert re.fullmatch(pattern, verdict), verdict


@pytest.mark.parametrize("way", ERRORS)
def test_address_sanitizer_says_the_same(dead, way):
    _, what, kind, size = ERRORS[way]
    program = dead.build("heap-asan")
    ended = subprocess.run([program, way], capture_output=True, text=True, timeout=60, check=False,
                           env={**environment(way), "ASAN_OPTIONS": "abort_on_error=0"})
    error = re.search(r"ERROR: AddressSanitizer: (.*)", ended.stderr)
    assert error and re.match(kind, error[1]), ended.stderr
    if size is None:
        return
    region = re.search(r"(\d+)-byte region", ended.stderr)
    ours = re.search(r"chunk of (\d+) bytes", what)
    assert int(region[1]) == size
    assert size <= int(ours[1]) <= size + 16
