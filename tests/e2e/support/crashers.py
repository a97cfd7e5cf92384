"""Programs that die, built on demand, and the cores they leave.

With SYSTEM=1 and as root the kernel writes the core (core_pattern set to a file for as long as one
crash takes); otherwise gdb runs the program and writes it with gcore, so every test runs anywhere.
"""

import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time

import pytest

from . import kernel, terminal

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "crashers"

# No call-frame information: of this list and of what the linker adds (FINISH).
NO_CFI = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-Wl,--no-eh-frame-hdr",
          "-fcf-protection=none"]

# What a compiler knows of malloc makes errors go away.
HEAP = ["-O1", "-g", "-fno-builtin", "-fno-optimize-sibling-calls", "-pthread", "-w"]

# name: compiler, source, flags
RECIPES = {
    "nullderef": ("gcc", "nullderef.c", ["-O1", "-g"]),
    "nullderef-clang": ("clang", "nullderef.c", ["-O2"]),
    "nullcall": ("gcc", "nullcall.c", ["-O1", "-g"]),
    "sigalt": ("gcc", "sigalt.c", ["-O1", "-g"]),
    "stripped": ("gcc", "threads.c", ["-O2", "-s", "-pthread"]),
    "threads": ("gcc", "threads.c", ["-O2", "-g", "-pthread"]),
    "overflow": ("gcc", "overflow.c", ["-O0"]),
    "ways": ("gcc", "ways.c", ["-O1", "-fstack-protector-all", "-D_FORTIFY_SOURCE=2", "-D_GNU_SOURCE", "-w"]),
    "exception": ("g++", "exception.cc", ["-O1", "-g", "-pthread"]),
    "exception-clang": ("clang++", "exception.cc", ["-O2", "-pthread"]),
    "panic": ("rustc", "panic.rs", ["-Cpanic=abort", "-Copt-level=2", "-g"]),
    "nocfi-fp": ("gcc", "nocfi.c", ["-O1", "-fno-omit-frame-pointer",
                                    "-fno-asynchronous-unwind-tables", "-fcf-protection=none"]),
    "nocfi": ("gcc", "nocfi.c", ["-O1", "-fomit-frame-pointer", *NO_CFI]),
    "nocfi-clang": ("clang", "nocfi.c", ["-O1", "-fomit-frame-pointer", *NO_CFI]),
    "nocfifp": ("gcc", "nocfi.c", ["-O2", "-fno-omit-frame-pointer", "-momit-leaf-frame-pointer",
                                   "-fno-optimize-sibling-calls", *NO_CFI]),
    "smash": ("gcc", "smash.c", ["-O1", "-fno-stack-protector", "-fcf-protection=none"]),
    "noret": ("gcc", "noret.c", ["-O2"]),
    "noret-clang": ("clang", "noret.c", ["-O2"]),
    "contexts": ("gcc", "contexts.c", ["-O1"]),
    "jit": ("gcc", "jit.c", ["-O1"]),
    "deep": ("gcc", "overflow.c", ["-O1", "-DSIZE=8", "-fno-optimize-sibling-calls"]),
    "inl": ("g++", "inlined.cc", ["-O2", "-g", "-pthread"]),
    "inlclang": ("clang++", "inlined.cc", ["-O2", "-g", "-pthread"]),
    "vars": ("g++", "vars.cc", ["-O0", "-g", "-pthread"]),
    "varsO2": ("g++", "vars.cc", ["-O2", "-g", "-pthread"]),
    "musl": ("musl-gcc", "threads.c", ["-O1", "-D_GNU_SOURCE", "-pthread"]),
    "musl-ways": ("musl-gcc", "ways.c", ["-O1", "-D_GNU_SOURCE", "-w"]),
    "musl-static": ("musl-gcc", "threads.c", ["-O1", "-static", "-D_GNU_SOURCE", "-pthread"]),
    "static": ("gcc", "threads.c", ["-O1", "-static", "-g", "-pthread"]),
    "go": ("go", "fault.go", []),
    "verdicts": ("gcc", "verdicts.c", ["-O1", "-g", "-fstack-protector-all", "-D_FORTIFY_SOURCE=2",
                                       "-D_GNU_SOURCE", "-fno-optimize-sibling-calls",
                                       "-fcf-protection=none", "-pthread", "-w"]),
    "verdicts-cc": ("g++", "verdicts.cc", ["-O1", "-g", "-pthread", "-w"]),
    "verdicts-rs": ("rustc", "verdicts.rs", ["--edition=2021", "-Cpanic=abort", "-Copt-level=1", "-g",
                                             "-Coverflow-checks=on", "-Aunconditional_panic"]),
    "verdicts-go": ("go", "verdicts.go", []),
    "values-rs": ("rustc", "values.rs", ["-Cpanic=abort", "-g", "-Awarnings"]),
    "values-rs-O2": ("rustc", "values.rs", ["-Cpanic=abort", "-Copt-level=2", "-g", "-Awarnings"]),
    "values-go": ("go", "values.go", ["-gcflags=all=-N -l"]),
    "values-go-opt": ("go", "values.go", []),
    "heap": ("gcc", "heap.c", HEAP),
    "heap-asan": ("gcc", "heap.c", [*HEAP, "-fsanitize=address"]),
    "aliases": ("gcc", "aliases.c", ["-O0", "-g", "-pthread"]),
    "constraints": ("gcc", "constraints.c", ["-O0", "-g", "-w", "-fno-builtin", "-pthread"]),
    "constraints-clang": ("clang", "constraints.c", ["-O0", "-g", "-w", "-fno-builtin", "-pthread"]),
    "constraints-O2": ("gcc", "constraints.c", ["-O2", "-g", "-w", "-fno-builtin", "-pthread"]),
    "sleeper": ("gcc", "sleeper.c", ["-O1", "-g", "-pthread"]),
    "waits": ("gcc", "waits.c", ["-O1", "-g", "-fno-optimize-sibling-calls", "-D_GNU_SOURCE",
                                 "-pthread"]),
    "waits-static": ("gcc", "waits.c", ["-O1", "-s", "-static", "-D_GNU_SOURCE", "-pthread"]),
    "changed": ("gcc", "changed.c", ["-O1", "-g", "-D_GNU_SOURCE"]),
    "holders": ("gcc", "stale.c", ["-O0", "-g", "-D_GNU_SOURCE", "-pthread", "-w"]),
    "holders-plain": ("gcc", "stale.c", ["-O0", "-D_GNU_SOURCE", "-pthread", "-w"]),
    "waits-rs": ("rustc", "waits.rs", ["-Copt-level=1", "-g"]),
    "dw4": ("gcc", "threads.c", ["-O2", "-gdwarf-4", "-pthread"]),
    "dw5": ("gcc", "threads.c", ["-O2", "-gdwarf-5", "-pthread"]),
    "clangdw5": ("clang", "threads.c", ["-O2", "-gdwarf-5", "-pthread"]),
    "names": ("clang++", "inlined.cc", ["-O2", "-gdwarf-5", "-gpubnames", "-mllvm",
                                          "-accel-tables=Dwarf", "-pthread"]),
    "split": ("g++", "inlined.cc", ["-O2", "-gdwarf-5", "-gsplit-dwarf", "-pthread"]),
    "splitdwp": ("g++", "inlined.cc", ["-O2", "-gdwarf-4", "-gsplit-dwarf", "-pthread"]),
    "gz": ("g++", "inlined.cc", ["-O2", "-g", "-gz=zlib", "-pthread"]),
    "dwz": ("g++", "inlined.cc", ["-O2", "-g", "-pthread"]),
    "minidebug": ("gcc", "inlined.c", ["-O2", "-g", "-rdynamic"]),
    "debuglink": ("g++", "inlined.cc", ["-O2", "-g", "-pthread"]),
    "buildid": ("g++", "inlined.cc", ["-O2", "-g", "-pthread", "-Wl,--build-id"]),
}

# What is done to a program after it was linked, by sh in its folder; P is its name.
SEPARATE = 'objcopy --only-keep-debug "$P" "$P.debug" && '
FINISH = {
    **{name: 'objcopy --remove-section .eh_frame "$P"' for name in ("nocfi", "nocfi-clang", "nocfifp")},
    "splitdwp": 'dwp -e "$P" -o "$P.dwp" && rm -f "$P"*.dwo',
    "dwz": 'cp "$P" "$P.other" && dwz -m "$P.common" "$P" "$P.other"',
    "minidebug": 'nm --format=posix --defined-only "$P" | sed -n "s/ [tT] .*//p" >"$P.keep" && '
                 + SEPARATE + 'objcopy -S --keep-symbols="$P.keep" "$P.debug" "$P.mini" && '
                 'rm "$P.debug" && strip --strip-all "$P" && xz -f "$P.mini" && '
                 'objcopy --add-section .gnu_debugdata="$P.mini.xz" "$P"',
    "debuglink": SEPARATE + 'objcopy --strip-all --add-gnu-debuglink="$P.debug" "$P"',
    "buildid": SEPARATE + 'strip --strip-all "$P"',
}


class Crashers:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def build(self, name):
        compiler, source, flags = RECIPES[name]
        program = self.folder / name
        if not program.exists():
            tool = "/usr/bin/rustc" if compiler == "rustc" else compiler
            if not shutil.which(tool):
                pytest.skip(f"{tool} is not installed")
            build = [tool, "build"] if tool == "go" else [tool]
            subprocess.run([*build, *flags, "-o", name, SOURCES / source], check=True,
                           cwd=self.folder,
                           env={**os.environ, "GOCACHE": str(self.folder / "go-cache"),
                                "GO111MODULE": "off"})
            if name in FINISH:
                subprocess.run(["sh", "-c", FINISH[name]], check=True, cwd=self.folder,
                               env={**os.environ, "P": name})
        return program

    def core(self, name, *arguments):
        """(core, program) of the named crasher."""
        program = self.build(name)
        core = self.folder / "-".join(["core", name, *arguments])
        if not core.exists():
            self.core_of(core, program, *arguments)
        return core, program

    def core_of(self, core, program, *arguments):
        """Runs a program that dies, and lets its core go there."""
        make = self._by_kernel if kernel.system_tests_allowed() else self._by_gdb
        make(core, [program, *map(str, arguments)])

    def vim(self):
        """(core, program) of a real vim that got SIGABRT."""
        core, program = self.folder / "core-vim", pathlib.Path(shutil.which("vim")).resolve()
        if core.exists():
            return core, program
        with terminal.vim() as pid:
            self.core_of_child(core, pid, signal.SIGABRT)
        return core, program

    def core_of_child(self, core, pid, number):
        """Ends a child of ours by a signal, and lets its core go there."""
        if kernel.system_tests_allowed():
            resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
            with self._core_to(core):
                os.kill(pid, number)
                os.waitpid(pid, 0)
        else:
            gdb("-p", str(pid), "-ex", f"handle {number.name} stop nopass",
                "-ex", "python import os", "-ex", f"python os.kill({pid}, {int(number)})",
                "-ex", "continue", "-ex", f"gcore {core}")
        assert core.exists(), f"process {pid} left no core"

    @staticmethod
    def _core_to(core):
        core.parent.chmod(0o755)
        return kernel.core_pattern(str(core))

    def _by_kernel(self, core, argv):
        with self._core_to(core):
            subprocess.run(["/bin/sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh", *argv],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            assert core.exists(), f"{argv[0]} left no core"

    def _by_gdb(self, core, argv):
        # This one handles its first signal itself.
        handle = ["-ex", "handle SIGSEGV nostop pass"] if "sigalt" in core.name else []
        gdb("-ex", "set startup-with-shell off", "-ex", "set disable-randomization off", *handle,
            "-ex", "run", "-ex", f"gcore {core}", "--args", *map(str, argv))
        assert core.exists(), f"{argv[0]} left no core"

    def start_sleeper(self, threads=0, program=None, more=()):
        """A live process (a copy of its program, if given), asleep in all its threads."""
        process = subprocess.Popen([program or self.build("sleeper"), str(threads), *more],
                                   stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        wait_asleep(process.pid)
        return process


def wait_asleep(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task")
    end = time.monotonic() + 20
    while not all(task_sleeps(task) for task in tasks.iterdir()):
        assert time.monotonic() < end, "the sleeper stays awake"
        time.sleep(0.01)


def task_sleeps(task):
    return (task / "stat").read_text().rpartition(")")[2].split()[0] == "S"


def gdb(*arguments, timeout=300):
    return subprocess.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off",
                           *arguments], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)
