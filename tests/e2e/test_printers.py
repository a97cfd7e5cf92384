"""Containers of the C++ libraries: what is printed of them, against gdb with libstdc++'s printers and
against what the program put into them."""

import re
import shutil
import subprocess

import pytest

from support import crashers, values

BUILDS = {
    "g++-O0": ("g++", ["-O0", "-g"]),
    "g++-O2": ("g++", ["-O2", "-g"]),
    "clang++-O0": ("clang++", ["-O0", "-g"]),
    "clang++-O2": ("clang++", ["-O2", "-g"]),
    "g++-types": ("g++", ["-O0", "-gdwarf-4", "-fdebug-types-section"]),
    "g++-debug": ("g++", ["-O0", "-g", "-D_GLIBCXX_DEBUG"]),
    "g++-old": ("g++", ["-O0", "-g", "-D_GLIBCXX_USE_CXX11_ABI=0"]),
    "libc++-O0": ("clang++", ["-O0", "-g", "-stdlib=libc++"]),
    "libc++-O2": ("clang++", ["-O2", "-g", "-stdlib=libc++"]),
    "libc++-dw4": ("clang++", ["-O0", "-gdwarf-4", "-stdlib=libc++"]),
}
COMPARED = ["g++-O0", "g++-O2", "clang++-O0", "clang++-O2"]

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
POINTER = "0xHEX"
# "HEX" stands for any number in hexadecimal, "SYMBOL" for the name of one, if any.
EXPECTED = {
    "texts": {
        "given": '"given"', "moved": '""', "empty": '""', "small": '"short"',
        "large": "'x' <repeats 60 times>", "quoted": r'"a \\"b\\"\\n"'.replace(r"\\", "\\"),
        "taken": '"moved from a longer text than fits in"',
        "longer": '"' + (ALPHABET * 8)[:200] + '"...',
        "wide": 'L"wide"', "u16": 'u"sixteen"', "u32": 'U"thirty-two"', "view": '"given"',
        "none": '""', "nul": '"a\\000b"', "pointed": POINTER,
    },
    "rows": {
        "given": "std::initializer_list of length 2 = {5, 6}",
        "numbers": "std::vector of length 3, capacity 8 = {1, 2, 3}",
        "empty": "std::vector of length 0, capacity 0",
        "moved": "std::vector of length 0, capacity 0",
        "taken": "std::vector of length 1, capacity 1 = {9}",
        "many": "std::vector of length 300, capacity 300 = {" + ", ".join(["7"] * 200) + "...}",
        "words": 'std::vector of length 2, capacity 2 = {"one", "two"}',
        "nested": "std::vector of length 3, capacity 3 = {std::vector of length 1, capacity 1 = {1}, "
                  "std::vector of length 0, capacity 0, std::vector of length 2, capacity 2 = {2, 3}}",
        "points": "std::vector of length 2, capacity 2 = {{x = 1, y = 2}, {x = 3, y = 4}}",
        "bits": "std::vector<bool> of length 3, capacity 64 = {true, false, true}",
        "no_bits": "std::vector<bool> of length 0, capacity 0",
        "many_bits": "std::vector<bool> of length 70, capacity 128 = {" +
                     ", ".join(["true"] * 70) + "}",
        "literals": f'std::vector of length 2, capacity 2 = {{{POINTER} "a", 0x0}}',
        "array": "{1, 2, 3}", "array_of_points": "{{x = 1, y = 2}, {x = 3, y = 4}}",
        "deque": "std::deque with 149 elements = {" + ", ".join(map(str, range(1, 150))) + "}",
        "no_deque": "std::deque with 0 elements",
        "deque_of_words": 'std::deque with 2 elements = {"x", "y"}',
        "few": "std::bitset = {[0] = 1, [2] = 1, [5] = 1}",
        "more": "std::bitset = {[3] = 1, [150] = 1}", "at": "2",
    },
    "links": {
        "list": "std::list = {[0] = 1, [1] = 2, [2] = 3}", "no_list": "empty std::list",
        "list_of_words": 'std::list = {[0] = "one", [1] = "two"}',
        "wides": "std::list = {[0] = {tag = 119 'w'}, [1] = {tag = 119 'w'}}",
        "forward": "std::forward_list = {[0] = 1, [1] = 2, [2] = 3}",
        "no_forward": "empty std::forward_list",
        "stack": "std::stack wrapping: std::deque with 2 elements = {1, 2}",
        "queue": "std::queue wrapping: std::deque with 1 element = {3}",
        "ranks": "std::priority_queue wrapping: std::vector of length 2, capacity 2 = {5, 4}",
    },
    "trees": {
        "map": 'std::map with 2 elements = {[1] = "one", [2] = "two"}',
        "no_map": "std::map with 0 elements",
        "by_name": 'std::map with 2 elements = {["a"] = std::vector of length 2, capacity 2 = {1, 2}, '
                   '["b"] = std::vector of length 0, capacity 0}',
        "multimap": "std::multimap with 2 elements = {[1] = 10, [1] = 11}",
        "by_pair": "std::map with 1 element = {[{first = 1, second = 2}] = 3}",
        "set": "std::set with 300 elements = {" +
               ", ".join(f"[{i}] = {i}" for i in range(200)) + "...}",
        "no_set": "std::set with 0 elements",
        "letters": "std::set with 2 elements = {[0] = 97 'a', [1] = 98 'b'}",
        "wides": "std::set with 2 elements = {[0] = {tag = 97 'a'}, [1] = {tag = 98 'b'}}",
        "multiset": 'std::multiset with 2 elements = {[0] = "x", [1] = "x"}',
        "second": '{first = 2, second = "two"}',
    },
    "hashes": {
        "map": 'std::unordered_map with 1 element = {[1] = "one"}',
        "no_map": "std::unordered_map with 0 elements",
        "by_name": 'std::unordered_map with 2 elements = {["b"] = 2, ["a"] = 1}',
        "set": "std::unordered_set with 3 elements = {[0] = 3, [1] = 2, [2] = 1}",
        "multiset": 'std::unordered_multiset with 2 elements = {[0] = "x", [1] = "x"}',
    },
    "holders": {
        "pair": '{first = 1, second = "one"}', "nothing": "empty std::tuple",
        "one": "std::tuple containing = {[1] = 1}",
        "tuple": 'std::tuple containing = {[1] = 1, [2] = "two", [3] = std::vector of length 1, '
                 "capacity 1 = {3}}",
        "some": "std::optional<int> = {[contained value] = 5}",
        "none": "std::optional<int> [no contained value]",
        "some_vector": "std::optional<std::vector<int>> containing std::vector of length 2, "
                       "capacity 2 = {1, 2}",
        "some_text": 'std::optional<std::string> = {[contained value] = "text"}',
        "first": "std::variant<int, std::string> [index 0] = {1}",
        "second": 'std::variant<int, std::string> [index 1] = {"text"}',
        "third": "std::variant<std::vector<int>, Point> [index 1] = {{x = 1, y = 2}}",
        "owned": f"std::unique_ptr<int> = {{get() = {POINTER}}}",
        "unowned": "std::unique_ptr<int> = {get() = 0x0}",
        "owned_array": f"std::unique_ptr<Point []> = {{get() = {POINTER}}}",
        "shared": f"std::shared_ptr<Point> (use count 2, weak count 1) = {{get() = {POINTER}}}",
        "also": f"std::shared_ptr<Point> (use count 2, weak count 1) = {{get() = {POINTER}}}",
        "unshared": "std::shared_ptr<Point> (empty) = {get() = 0x0}",
        "separate": f"std::shared_ptr<int> (use count 1, weak count 0) = {{get() = {POINTER}}}",
        "weak": f"std::weak_ptr<Point> (use count 2, weak count 1) = {{get() = {POINTER}}}",
        "expired": f"std::weak_ptr<int> (expired, weak count 1) = {{get() = {POINTER}}}",
        "no_function": "std::function<int (int)> [no target]",
        "duration": "std::chrono::duration = { 1500ms }",
        "seconds": "std::chrono::duration = { 2.5s }",
        "hours": "std::chrono::duration = { 3h }",
        "since": "std::chrono::time_point<std::chrono::steady_clock> = { 5000000000ns }",
        "atomic": "std::atomic<int> = { 5 }", "flag": "std::atomic<bool> = { true }",
        "atomic_pointer": "std::atomic<Point *> = { 0x0 }",
        "colour": "std::atomic<Colour> = { Colour::Green }",
        "no_any": "std::any [no contained value]", "complex": "1 + 2i",
        "plain": '{name = "name", numbers = std::vector of length 1, capacity 1 = {1}}',
    },
    "corrupted": {
        "ring": "std::list = {[0] = 1, [1] = 2, [2] = 3, <cycle>}",
        "torn": "std::list = {[0] = 4, [1] = 5, <address not mapped>}",
        "loop": "std::forward_list = {[0] = 7, [1] = 8, <cycle>}",
        "lost": '"this one is long enough to be elsewhere"',
        "tree": "std::map with 3 elements = {[1] = 10, [2] = 20, [3] = 30}",
        "nowhere": "std::unique_ptr<int> = {get() = 0x18}",
        "blocks": "std::deque with 3 elements = {1, 2, 3}",
    },
}

# Where a library has other capacities, orders or no such texts.
OTHERWISE = {
    # Iterators that are checked know their containers.
    "g++-debug": {("rows", "at"): None, ("trees", "second"): None},
    # Of these only where they are is known: the class that counts is declared and no more.
    "libc++-O2": {("holders", name): re.sub(r" \((use|expired).*?\)", "", EXPECTED["holders"][name])
                  for name in ("shared", "also", "separate", "weak", "expired")},
}

# What gdb has no printer for (or says 1 for true, or finds no node for an iterator) and what is
# broken: these are compared with what is expected only.
OURS = {"array", "array_of_points", "bits", "many_bits", "function", "no_function", "lambda",
        "duration", "seconds", "hours", "when", "since", "any", "complex", "second"}
BROKEN = {"backwards", "far", "ring", "torn", "loop"}
TEXT = re.compile(r"""[LuU]?"(?:[^"\\]|\\.)*"(?:\.\.\.)?|'x' <repeats \d+ times>""")


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("printers"))


@pytest.fixture(scope="session")
def bt(program):
    return program("bt")


def core_of(dead, build):
    compiler, flags = BUILDS[build]
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    name = f"containers-{build}"
    crashers.RECIPES[name] = (compiler, "containers.cc", ["-std=c++17", "-w", *flags])
    return dead.core(name)


def matches(expected, text):
    pattern = re.escape(expected).replace("HEX", "[0-9a-f]+")
    return text is not None and re.fullmatch(pattern, text) is not None


def of_function(stack, function):
    return next(dict(named) for name, named in stack if values.base(name) == function)


@pytest.mark.parametrize("build", BUILDS)
def test_containers_are_what_the_program_made_them(dead, bt, build):
    core, _ = core_of(dead, build)
    stack = values.ours(values.snapshot_of(bt, core))
    wrong = []
    for function, named in EXPECTED.items():
        mine = of_function(stack, function)
        for name, expected in named.items():
            expected = OTHERWISE.get(build, {}).get((function, name), expected)
            if expected is not None and not matches(expected, mine.get(name)):
                wrong.append(f"{function} {name}\n  is {mine.get(name)}\n  not {expected}")
    assert not wrong, "\n".join(wrong)


# In checked containers something else comes first than what is broken.
@pytest.mark.parametrize("build", [build for build in BUILDS if build != "g++-debug"])
def test_what_cannot_be_is_shown_as_it_is(dead, bt, build):
    core, _ = core_of(dead, build)
    mine = of_function(values.ours(values.snapshot_of(bt, core)), "corrupted")
    for name in ("backwards", "far"):
        assert mine[name].startswith("{"), mine[name]
        assert re.search(r"(_M_start|__begin_) = 0x", mine[name]), mine[name]


def test_so_many_elements_are_told_as_are_asked_for(dead, bt):
    core, _ = core_of(dead, "g++-O0")
    for asked, numbers, letters, many in (("0", 300, (ALPHABET * 12)[:300] + '"', "7}"),
                                          ("2", 2, 'ab"...', "{7, 7...}")):
        out = subprocess.run([bt, "-v", f"--max-elements={asked}", "--core", core],
                             capture_output=True, text=True).stdout
        lines = dict(line.strip().split(" = ", 1) for line in out.splitlines()
                     if re.match(r" {8}(set|longer|many) = ", line) and "unordered" not in line)
        assert lines["set"].count("] = ") == numbers
        assert lines["longer"] == '"' + letters
        assert lines["many"].endswith(many)


def is_gap(build, function, name, mine, text):
    """gdb says of a printed value where the reference leads; and without the type of what holds the
    pointer, which clang leaves out without optimisation, it prints nothing for a text."""
    text = re.sub("^@0x[0-9a-f]+: ", "", text)
    if mine is None:
        return False
    return mine == text or (build == "clang++-O0" and TEXT.sub("", mine) == TEXT.sub("", text))


@pytest.mark.parametrize("build", COMPARED)
def test_containers_are_those_of_gdb(dead, bt, build, record_property):
    core, program = core_of(dead, build)
    score = values.compare(bt, program, core)
    compared = [d for d in score.differences if d[1] not in OURS | BROKEN and d[0] != "main"]
    rest = [d for d in compared if not is_gap(build, *d)]
    total = score.equal + len(rest)
    print(f"{build}: {score.equal} of {total} equal; {len(compared) - len(rest) + score.more} that "
          f"gdb has not in full, {score.total - score.equal - len(compared)} printed otherwise")
    record_property("percent", 100 * score.equal / total)
    assert total >= 60
    assert not rest, "\n".join(map(str, rest))
