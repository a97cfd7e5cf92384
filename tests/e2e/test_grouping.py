"""One bug is one group whatever compiler, flags and recursion depth; two bugs are two groups."""

import json
import shutil
import subprocess
import urllib.request

import pytest

from support.world import World, wait_until

# The process stops below a recursion, static helpers and a call through a pointer; -DOTHER takes
# another way to the same leaf. Live processes need no core pattern.
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int wait_here(int n)
{
	puts("ready");
	fflush(stdout);
	pause();
	return n + 1;
}

static int walk(int depth, int n)
{
	if (depth == 0)
		return wait_here(n) + 1;
	return walk(depth - 1, n) + depth;
}

#ifdef OTHER
static int render(int depth)
{
	return walk(depth, 3) + 2;
}
#define ENTRY render
#else
static int parse(int depth)
{
	return walk(depth, 4) + 3;
}
#define ENTRY parse
#endif

int (*volatile entry)(int) = ENTRY;

int main(int argc, char **argv)
{
	return argc > 1 ? entry(atoi(argv[1])) + 1 : 0;
}
"""
FLAGS = [["-O0"], ["-O1", "-fno-inline"], ["-O2", "-fno-inline"], ["-Os", "-fno-inline"]]
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


@pytest.fixture(scope="module")
def world(stage, tmp_path_factory):
    made = World(stage, tmp_path_factory.mktemp("grouping") / "root")
    made.start_server()
    made.set_up()
    yield made
    made.close()


def snapshot(world, binary, depth, out):
    process = subprocess.Popen([binary, str(depth)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        wait_until(lambda: open(f"/proc/{process.pid}/stat").read().split(") ")[1][0] == "S",
                   "the process sleeping")
        world.run("ptrace", str(process.pid), "--fault-thread", str(process.pid),
                  "--classifier", "segv", "-o", out)
    finally:
        process.kill()
        process.wait()
    return out.read_bytes()


def post(world, body):
    request = urllib.request.Request(f"{world.url}/post?format=btt&token={world.token()}",
                                     data=body)
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert json.loads(reply.read())["response"] == "ok"


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
def test_compilers_flags_and_depth_do_not_split_a_bug(world, tmp_path):
    (tmp_path / "bug.c").write_text(SOURCE)
    count = 0
    for other in ([], ["-DOTHER"]):
        for compiler in COMPILERS:
            for number, flags in enumerate(FLAGS):
                binary = tmp_path / f"bug-{compiler}-{number}-{len(other)}"
                subprocess.run([compiler, "-g", "-fno-optimize-sibling-calls", *flags, *other,
                                "-o", binary, tmp_path / "bug.c"], check=True)
                for depth in (1, 3):
                    post(world, snapshot(world, binary, depth, tmp_path / f"{count}.btt"))
                    count += 1
    reply = json.loads(world.run("morgue", "list", world.project, "--factor=fingerprint",
                                 "--head=callstack", "--json").stdout)
    assert sorted(group["count"] for group in reply.values()) == [count // 2, count // 2], reply
    stacks = [json.loads(group["head(callstack)"][0])["frame"] for group in reply.values()]
    assert sorted(stacks) == [["pause", "wait_here", "walk", "parse", "main"],
                              ["pause", "wait_here", "walk", "render", "main"]]


def test_every_attribute_of_our_snapshots_is_declared(world, tmp_path):
    process = subprocess.Popen(["sleep", "60"])
    try:
        world.run("ptrace", str(process.pid), "--kv", "version:1.2.3", "-o", tmp_path / "s.btt")
    finally:
        process.kill()
        process.wait()
    post(world, (tmp_path / "s.btt").read_bytes())
    described = json.loads(world.run("morgue", "describe", world.project, "-a", "-r", "--json").stdout)
    assert [item["name"] for item in described if item["state"] == "disabled"] == []
    used = [item["name"] for item in described if item["statistics"]["used"]]
    assert len(used) >= 50, used
