"""What a mode keeps of a process: enough for the same verdict, and never what must not be dumped."""

import json
import os
import subprocess

import pytest

from support import capture, crashers

pytestmark = pytest.mark.system

# A heap that is larger than what is taken whole, with the chunks in question far from its start.
BALLAST = r"""
#include <stdlib.h>
#include <string.h>
static void *kept[24000];
__attribute__((constructor)) static void fill(void)
{
	for (int i = 0; i < 24000; i++)
		memset(kept[i] = malloc(1000), i, 1000);
}
"""

# What is told is told of a chunk that words lead to; with its neighbours: of chunks before it, too,
# to which only the walk over all of the heap leads.
OF_CHUNKS = [
    "double_free_tcache", "double_free_fastbin", "double_free_large", "double_free_top", "use_read",
    "use_call", "use_large", "tcache_link", "unsorted", "thread_double_free", "thread_use_read",
]
OF_NEIGHBOURS = ["free_middle", "overrun_one", "overrun_many", "underrun", "top"]


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("modes"))


@pytest.fixture(scope="module")
def ballast(tmp_path_factory):
    return capture.compile_c(tmp_path_factory.mktemp("ballast"), "ballast.so", BALLAST, "-shared", "-fPIC")


def verdict_of(program, core):
    shown = subprocess.run([program("bt"), "--json", "--core", core], capture_output=True, text=True,
                           timeout=60, check=False)
    assert shown.returncode in (0, 1), shown.stderr
    snapshot = json.loads(shown.stdout)
    return sorted(snapshot["classifiers"]), snapshot["attributes"]["verdict"]


def verdicts_of_both(spool, dead, ballast, program, error):
    minimal, full = spool.both_cores([dead.build("heap"), error], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, env={**os.environ, "LD_PRELOAD": str(ballast)})
    assert minimal.memory_bytes() < 8 << 20 < full.stat().st_size
    return verdict_of(program, minimal.path), verdict_of(program, full)


@pytest.mark.parametrize("error", OF_CHUNKS)
def test_errors_of_a_large_heap_read_the_same_from_a_minimal_core(spool, dead, ballast, program, error):
    minimal, full = verdicts_of_both(spool, dead, ballast, program, error)
    assert minimal == full


@pytest.mark.parametrize("error", OF_NEIGHBOURS)
def test_errors_next_to_a_chunk_keep_their_class(spool, dead, ballast, program, error):
    minimal, full = verdicts_of_both(spool, dead, ballast, program, error)
    assert minimal[0] == full[0]
    assert minimal[1].partition(")")[0] == full[1].partition(")")[0]


SECRETS = r"""
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
static char *filled(int flags, const char *word)
{
	char *memory = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 1 << 16; i += 64)
		strcpy(memory + i, word), memory[i + 3] = '!';
	return memory;
}
int main(void)
{
	char *hidden = filled(MAP_PRIVATE, "HID?EN-BY-ADVICE");
	char *shared = filled(MAP_SHARED, "HID?EN-BY-FILTER");
	char *seen = filled(MAP_PRIVATE, "SEE?-BY-EVERYBODY");
	char *volatile words[] = { hidden, shared, seen };
	madvise(hidden, 1 << 16, MADV_DONTDUMP);
	*(volatile int *)0 = words[0][0];
	return words[1][0];
}
"""


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_what_must_not_be_dumped_is_in_no_mode(spool, tmp_path, mode):
    """Attack 22: MADV_DONTDUMP and coredump_filter hold although memory is read past the kernel."""
    exe = capture.compile_c(tmp_path, "secrets", SECRETS)
    spool.set_policy(mode=mode)
    # Private anonymous memory and ELF headers only.
    spool.crash(["/bin/sh", "-c", 'echo 0x11 >/proc/self/coredump_filter; exec "$0"', exe])
    core = spool.core()
    assert core.facts["mode"] == ("minimal", "full", "full")[mode]
    assert b"SEE!-BY-EVERYBODY" in core.data
    assert b"HID!EN" not in core.data
