"""Stacks that other tools lose, get wrong or invent: what is right was written by hand."""

import os
import shutil

import pytest

from support import crashers, kernel, oracle

# gcore writes its notes last, and stops a program where it catches the signal itself.
NEEDS_KERNEL = pytest.mark.skipif(not kernel.system_tests_allowed(),
                                  reason="needs the kernel's core: root and SYSTEM=1")


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("hard"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def fault(snapshot):
    """Names and ways of the faulting stack, and why it ended."""
    thread = snapshot["threads"][snapshot["mainThread"]]
    physical = [frame for frame in thread["stack"] if frame.get("unwind") not in ("inline", "tail")]
    return ([frame.get("funcName", "??").split("(")[0] for frame in physical],
            [frame.get("unwind", "") for frame in physical], thread)


def stack(bt, core):
    return fault(oracle.our_snapshot(bt, "--core", core))


def chain(names, expected):
    """The innermost names are the expected ones, and after main comes nothing but libc's start."""
    assert names[:len(expected)] == expected
    start = {"__libc_start_call_main", "__libc_start_main", "__libc_start_main_impl", "_start", "??",
             "_start_c", "libc_start_main_stage2", "__libc_start_main_alias_1",
             "__libc_start_main_alias_2", "generic_start_main"}
    if expected[-1] == "main":
        assert {name.split("@")[0] for name in names[len(expected):]} <= start, names
        assert len(names) <= len(expected) + 4, names


@pytest.mark.parametrize("name", ["nocfi", "nocfi-clang", "nocfifp", "nocfi-fp"])
def test_code_without_unwind_information(dead, bt, name):
    core, _ = dead.core(name)
    names, kinds, thread = stack(bt, core)
    chain(names, ["leaf", "level3", "level2", "level1", "main"])
    assert set(kinds[1:5]) <= {"emul", "fp", "cfi"} and "scan" not in kinds
    assert thread["unwind_end"] == "outermost frame"


def test_a_call_through_null_and_to_garbage(dead, bt):
    core, _ = dead.core("nullcall")
    names, _, _ = stack(bt, core)
    assert names[0] == "??" and names[-1] in ("_start", "main") and "main" in names
    core, _ = dead.core("ways", "badjump")
    names, kinds, _ = stack(bt, core)
    chain(names[1:], ["die_badjump", "main"])
    assert kinds[1] == "emul"


def test_an_overwritten_return_address_ends_the_walk(dead, bt):
    core, _ = dead.core("smash")
    names, _, thread = stack(bt, core)
    assert names == ["vuln"]
    assert thread["unwind_end"] == (
        'return address overwritten with 0x4141414141414141 ("AAAAAAAA")')


def test_the_stack_protector_is_followed_to_where_the_stack_was_smashed(dead, bt):
    core, _ = dead.core("ways", "smash")
    names, _, thread = stack(bt, core)
    assert "__stack_chk_fail" in names and names[-1] == "die_smash"
    assert thread["unwind_end"].startswith("return address overwritten with 0x7878")


@pytest.mark.parametrize("name", ["noret", "noret-clang"])
def test_calls_that_never_return(dead, bt, name):
    core, _ = dead.core(name)
    names, _, _ = stack(bt, core)
    names = [name.split(".")[0] for name in names]
    chain(names[names.index("die"):], ["die", "last", "grown", "aligned", "main"])


def test_a_coroutine_ends_where_it_began(dead, bt):
    core, _ = dead.core("contexts")
    names, _, thread = stack(bt, core)
    assert names == ["fault", "coroutine", "__start_context"]
    assert thread["unwind_end"] == "outermost frame"


def test_code_made_at_run_time(dead, bt):
    core, _ = dead.core("jit")
    names, kinds, _ = stack(bt, core)
    chain(names, ["fault", "??", "run", "main"])
    assert kinds[2] in ("emul", "fp")


def test_a_handler_on_a_stack_of_its_own(dead, bt):
    core, _ = dead.core("sigalt")
    names, _, thread = stack(bt, core)
    assert "main" in names and thread["unwind_end"] == "outermost frame"
    assert any(frame.get("signal_frame") for frame in thread["stack"])


def test_a_deep_recursion_is_whole(dead, bt):
    core, _ = dead.core("deep")
    names, _, _ = stack(bt, core)
    assert len(names) > 100000 and set(names[:-4]) <= {"descend", "main"}
    assert names.count("main") == 1


@NEEDS_KERNEL
def test_a_truncated_core_gives_prefixes_of_the_whole_stacks(dead, bt):
    core, _ = dead.core("threads", "1000")
    part = dead.folder / "truncated"
    shutil.copyfile(core, part)
    os.truncate(part, core.stat().st_size * 6 // 10)
    whole = oracle.our_frames(oracle.our_snapshot(bt, "--core", core))
    snapshot = oracle.our_snapshot(bt, "--core", part)
    ours = oracle.our_frames(snapshot)
    assert len(whole) == 1001
    assert any("cut short" in text for text in snapshot["truncated"])
    frames = 0
    for tid, found in ours.items():
        assert [pc for pc, _ in found] == [pc for pc, _ in whole[tid]][:len(found)]
        frames += len(found)
    assert frames > 2 * len(ours), "more than the counters of the registers"


def test_a_replaced_binary_is_told_and_not_used(dead, bt, tmp_path):
    own = crashers.Crashers(tmp_path)
    core, program = own.core("nullderef")
    program.unlink()
    shutil.copyfile(dead.build("nullcall"), program)
    snapshot = oracle.our_snapshot(bt, "--core", core)
    assert any(str(program) in text for text in snapshot["truncated"])
    modules = [m for m in snapshot["modules"] if m["code_file"] == str(program)]
    assert modules and modules[0]["state"] in ("mismatch", "memory")
    names, _, _ = fault(snapshot)
    assert names[0] == "??" and "dispatch" not in names


def test_musl_threads_have_their_frames_and_end(dead, bt):
    core, _ = dead.core("musl", "20")
    snapshot = oracle.our_snapshot(bt, "--core", core)
    threads = oracle.our_frames(snapshot)
    assert len(threads) == 21
    for frames in threads.values():
        names = [name.split("(")[0] for _, name in frames]
        assert {"worker", "main", "killer"} & set(names), names
        assert len(names) < 20, names


@pytest.mark.parametrize("name", ["static", "musl-static"])
def test_static_programs(dead, bt, name):
    core, _ = dead.core(name)
    names, _, _ = stack(bt, core)
    assert "main" in names


@NEEDS_KERNEL
def test_go_shows_the_fault_behind_the_signal(dead, bt, monkeypatch):
    monkeypatch.setenv("GOTRACEBACK", "crash")
    core, _ = dead.core("go")
    names, _, _ = stack(bt, core)
    assert names.count("main.deref") == 6, names
    assert "main.main" in names
