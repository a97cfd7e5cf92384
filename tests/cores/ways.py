"""What tests/cores/foreign.c can die of, how it is built, and the stacks that are right.

Functions are listed from the innermost on, inlined ones too; "?" has no name.
The lists were written by hand; regenerate keeps gdb's answer only where it agrees with them."""

OUTER = ["main", "begin", "_start"]
NULL = ["leaf", "inlined", "level2", "level1"]

# name: (letter, functions of the faulting thread, why its walk ends)
END = "outermost frame"
WAYS = {
    "null": ("n", [*NULL, "die_null", *OUTER], END),
    "nullcall": ("c", ["?", "dispatch", "die_nullcall", *OUTER], END),
    "garbage": ("g", ["?", "dispatch", "die_garbage", *OUTER], END),
    "signal": ("s", ["die", "handler", "?", "touch", "die_signal", *OUTER], END),
    "smash": ("o", ["?"], "return address overwritten with "),
    "deep": ("d", ["die", *["deep"] * 301, "die_deep", *OUTER], END),
    "shapes": ("f", ["die", "last", "grown", "aligned", "large", "die_shapes", *OUTER], END),
    "threads": ("t", ["die", "die_threads", *OUTER], END),
    "library": ("l", [*NULL, "visitor", "descend", "descend", "descend", "visit", "die_library",
                      *OUTER], END),
}
# The other threads of "threads".
THREADS = [["rest"] * (n + 1) + ["worker", "spawn"] for n in range(3)]

COMMON = ["-ffreestanding", "-nostdlib", "-fno-stack-protector", "-fno-optimize-sibling-calls",
          "-gdwarf-5"]
NO_CFI = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
NO_CFI_SECTIONS = ["--remove-section", ".eh_frame", "--remove-section", ".eh_frame_hdr"]

# name: compiler, flags, objcopy's flags for the program that is kept (None: as it is), ways
VARIANTS = {
    "gcc": ("gcc", ["-static", "-O1"], None, list(WAYS)),
    "gcc-O0": ("gcc", ["-static", "-O0"], None, ["null", "signal", "shapes"]),
    "clang": ("clang", ["-static", "-O2"], None, ["null", "signal", "shapes"]),
    "pac": ("gcc", ["-static", "-O2", "-mbranch-protection=standard"], None,
            ["null", "nullcall", "signal", "shapes"]),
    "nocfi": ("gcc", ["-static", "-O1", "-fomit-frame-pointer", *NO_CFI],
              ["--strip-debug", *NO_CFI_SECTIONS],
              ["null", "nullcall", "signal", "deep", "shapes", "library"]),
    "nocfi-fp": ("gcc", ["-static", "-O1", "-fno-omit-frame-pointer", *NO_CFI],
                 ["--strip-all", *NO_CFI_SECTIONS], ["null", "deep", "shapes", "library"]),
    "nocfi-pac": ("gcc", ["-static", "-O1", "-mbranch-protection=standard", *NO_CFI],
                  ["--strip-all", *NO_CFI_SECTIONS], ["null", "nullcall", "shapes"]),
    "stripped": ("gcc", ["-static", "-O2"], ["--strip-all"], ["null", "signal", "shapes"]),
    "dynamic": ("gcc", ["-O1", "-fpie", "-pie"], None, ["library", "nullcall"]),
}


def functions(names):
    """Names as the lists above have them: the system call is inlined or not, as compilers like."""
    return [name or "?" for name in names if name != "call"]
