"""Victims that are larger, stranger or busier than a collector likes: each is released in time, and its
core opens."""

import contextlib
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

from support import capture

pytestmark = pytest.mark.system

RELEASED_US = 2_000_000

GIANT = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#define PAGE 4096ul
static int *volatile nowhere;
static volatile int n_ready;

__attribute__((noipa)) void falls_over(void *volatile *words)
{
	*nowhere = words[0] != 0;
}
static char *pages(size_t n, int protection)
{
	char *memory = mmap(NULL, n * PAGE, protection,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? abort(), memory : memory;
}
static void *waits(void *unused)
{
	__atomic_add_fetch(&n_ready, 1, __ATOMIC_SEQ_CST);
	return pause(), unused;
}
static void *ends(void *unused)
{
	return unused;
}
static void *breeds(void *unused)
{
	pthread_t id;
	n_ready = 1;
	while (pthread_create(&id, NULL, ends, NULL) == 0)
		pthread_detach(id);
	return waits(unused);
}
static void *runs(void *program)
{
	n_ready = 1;
	execl(program, program, NULL);
	return program;
}
static void start(void *(*body)(void *), void *argument, size_t stack)
{
	pthread_attr_t attributes;
	pthread_t id;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, stack);
	if (pthread_create(&id, &attributes, body, argument))
		abort();
}
/* Every second page another mapping. */
static void *split(long n)
{
	char *memory = pages(n, PROT_READ | PROT_WRITE);
	for (long i = 0; i < n; i += 2)
		if (mprotect(memory + i * PAGE, PAGE, PROT_READ))
			abort();
	memory[PAGE] = 1;
	return memory + PAGE;
}
static void *many_files(const char *path, long n)
{
	int fd = open(path, O_RDWR);
	char *last = NULL;
	for (; n; n--)
		last = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	return *last = 'w', last;
}
static void *sparse(void)
{
	char *memory = pages(16ul << 20, PROT_READ | PROT_WRITE);
	for (size_t at = 0; at < 64ul << 30; at += 64 << 20)
		memset(memory + at, 'S', 16);
	return memory;
}
static void *missing(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	range.range.start = (uintptr_t)pages(1, PROT_READ | PROT_WRITE);
	range.range.len = PAGE;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		exit(77);
	return (void *)range.range.start;
}
static void *secret(void)
{
	int fd = syscall(447, 0);
	char *memory = fd < 0 || ftruncate(fd, PAGE)
		? MAP_FAILED : mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return memory == MAP_FAILED ? exit(77), memory : strcpy(memory, "UNSEEN-" "BY-ANYBODY");
}
int main(int argc, char **argv)
{
	const char *what = argv[1];
	long n = argc > 2 ? atol(argv[2]) : 0;
	void *volatile words[4] = { &n };

	if (!strcmp(what, "maps"))
		words[1] = split(n);
	if (!strcmp(what, "files"))
		words[1] = many_files(argv[3], n);
	if (!strcmp(what, "sparse"))
		words[1] = sparse();
	if (!strcmp(what, "missing"))
		words[1] = missing();
	if (!strcmp(what, "none"))
		words[1] = pages(1, PROT_NONE);
	if (!strcmp(what, "secret"))
		words[1] = secret();
	if (!strcmp(what, "threads"))
		for (long i = 0; i < n; i++)
			start(waits, NULL, 16384);
	if (!strcmp(what, "breeds"))
		start(breeds, NULL, 65536), n = 1;
	if (!strcmp(what, "exec"))
		start(runs, "/bin/true", 65536), n = 1;
	while (n_ready < n && (!strcmp(what, "threads") || argc == 2))
		usleep(100);
	if (!strcmp(what, "exec"))
		usleep(random() % 3 * atol(getenv("DELAY")));
	falls_over(words);
	return 0;
}
"""


@pytest.fixture(scope="module")
def giant(tmp_path_factory):
    return capture.compile_c(tmp_path_factory.mktemp("giants"), "giant", GIANT)


@contextlib.contextmanager
def more_mappings(number):
    limit = pathlib.Path("/proc/sys/vm/max_map_count")
    before = limit.read_text()
    limit.write_text(str(max(number, int(before))))
    try:
        yield
    finally:
        limit.write_text(before)


def die(spool, *argv, **keywords):
    """The core, after the crash was seen in time and by all of its parents."""
    status = spool.crash([str(word) for word in argv], **keywords)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 77:
        pytest.skip("this kernel lets nobody have such memory")
    assert os.WCOREDUMP(status), status
    path = spool.core_path()
    return path


def opens(exe, path):
    assert any("falls_over" in line for line in capture.gdb_frames(exe, path))


def lacks(core):
    return {(item["what"], item["why"]) for item in core.facts["truncated"]}


def test_more_mappings_than_a_header_can_count(spool, giant):
    """Attack 14: 70,000 mappings (PN_XNUM)."""
    with more_mappings(80_000):
        core = capture.Core(die(spool, giant, "maps", 70_000))
    assert core.n_segments > 0xFFFF and core.facts["held_us"] < RELEASED_US
    assert not lacks(core)
    opens(giant, core.path)


def test_a_list_of_files_that_the_kernel_leaves_out_is_made_of_proc(spool, giant, tmp_path):
    """Attack 14: NT_FILE beyond kernel.core_file_note_size_limit."""
    file = tmp_path / ("f" * 220)
    file.write_bytes(b"-" * 4096)
    core = capture.Core(die(spool, giant, "files", 20_000, file))
    ((files,),) = [[desc for name, kind, desc in core.notes() if (name, kind) == ("CORE", 0x46494C45)]]
    assert struct.unpack_from("<QQ", files) [1] == 4096
    assert files.count(b"/" + b"f" * 220 + b"\0") == 20_000
    assert core.facts["held_us"] < RELEASED_US and not lacks(core)
    # The file's page that was written to is a private one, and taken although no note names it.
    assert any(core.data[at : at + size] == b"w" + b"-" * 4095 for _, size, _, at in core.loads)
    opens(giant, core.path)


def test_ten_thousand_threads(spool, giant):
    """Attack 14: 10,000 threads."""
    core = capture.Core(die(spool, giant, "threads", 10_000))
    assert len(core.threads()) == 10_001 and core.facts["thread_count"] == 10_001
    assert core.facts["held_us"] < RELEASED_US + 100_000
    # Their small stacks are more than what is taken of small mappings, before stacks are.
    assert lacks(core) <= {("memory", "time"), ("files", "budget")}
    opens(giant, core.path)


@pytest.mark.parametrize("mode", [0, 1])
def test_sixty_four_gigabytes_that_are_mostly_never_touched(spool, giant, mode):
    spool.set_policy(mode=mode)
    path = die(spool, giant, "sparse")
    core = capture.Core(path, whole=False)
    assert core.facts["mode"] == ("minimal", "full")[mode] and not lacks(core)
    assert path.stat().st_blocks * 512 < 16 << 20
    if mode:
        (memory,) = [at for _, size, _, at in core.loads if size == 64 << 30]
        with open(path, "rb") as file:
            for place in range(0, 64 << 30, 1 << 30):
                file.seek(memory + place)
                assert file.read(20) == b"S" * 16 + bytes(4)
        assert core.facts["held_by"] == "reading"
    assert core.facts["held_us"] < RELEASED_US
    opens(giant, path)


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("what", ["missing", "none", "secret"])
def test_pages_that_cannot_be_read(spool, giant, what, mode):
    """Attack 20: pages that never come, may not be read or are nobody's, on the stack's tongue."""
    spool.set_policy(mode=mode)
    core = capture.Core(die(spool, giant, what))
    assert core.facts["held_us"] < RELEASED_US
    assert b"UNSEEN-BY-ANYBODY" not in core.data
    opens(giant, core.path)


def test_threads_come_and_go_while_one_crashes(spool, giant):
    for _ in range(3):
        path = die(spool, giant, "breeds")
        core = capture.Core(path)
        assert core.facts["held_us"] < RELEASED_US and core.facts["identity"] == "verified"
        opens(giant, path)
        path.unlink()


def test_one_thread_crashes_while_another_becomes_another_program(spool, giant):
    """Whoever wins, nobody hangs, and a core is never of the other program."""
    for i in range(12):
        before = len(list(spool.pending.iterdir()))
        status = spool.crash([giant, "exec"], env={"DELAY": str(60 * i)})
        assert status == 0 or os.WIFSIGNALED(status)
        if os.WCOREDUMP(status):
            core = capture.Core(spool.core_path(before + 1))
            assert core.facts["exe"] == str(giant)
            assert core.facts["held_us"] < RELEASED_US


def test_a_program_of_32_bits(spool, tmp_path):
    if subprocess.run(["gcc", "-m32", "-x", "c", "-", "-o", tmp_path / "probe"], input=b"int main(){}",
                      capture_output=True, check=False).returncode:
        pytest.skip("gcc -m32 links no program here")
    # The kernel's own headers are those of the one machine.
    exe = capture.compile_c(tmp_path, "narrow", GIANT, "-m32", "-w", "-idirafter",
                            "/usr/include/x86_64-linux-gnu")
    for mode in (0, 1):
        spool.set_policy(mode=mode)
        path = die(spool, exe, "none")
        assert path.read_bytes()[4] == 1
        opens(exe, path)
        path.unlink()


def test_a_chroot_within_namespaces_of_its_own(spool, giant, tmp_path):
    """Attack 17: a user and pid namespace, another root, the thread's numbers are its own."""
    exe = capture.compile_c(tmp_path, "inside", GIANT, "-static")
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(exe, root / "inside")
    for folder in (*tmp_path.parents[:2], tmp_path, root):
        folder.chmod(0o755)
    spool.crash(["unshare", "-Urpf", "chroot", str(root), "/inside", "none"])
    # unshare ends by the same signal and leaves a core as well.
    (core,) = spool.wait_for(lambda: [core for core in map(capture.Core, spool.pending.iterdir())
                                      if core.facts["comm"] == "inside"])
    assert core.facts["root"] == str(root) and core.facts["ns_pid"] != core.facts["pid"]
    assert core.facts["identity"] == "verified"
    opens(exe, core.path)
