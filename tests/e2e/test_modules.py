"""Analysis modules: what they see, what they add, and what they cannot do."""

import json
import pathlib
import re
import shutil
import subprocess
import time

import pytest

from support import crashers

ROOT = pathlib.Path(__file__).resolve().parents[2]

crashers.RECIPES["lists"] = ("gcc", "lists.c", ["-O0", "-g"])
crashers.RECIPES["lists-optimized"] = ("gcc", "lists.c", ["-O2", "-g"])
crashers.RECIPES["goroutines"] = ("go", "goroutines.go", [])


@pytest.fixture(scope="module")
def dead(tmp_path_factory):
    return crashers.Crashers(tmp_path_factory.mktemp("modules"))


@pytest.fixture(scope="module")
def lists(dead):
    return dead.core("lists")[0]


@pytest.fixture(scope="module")
def ptrace(program):
    return program("ptrace")


class Told:
    """A snapshot, and what modules left in it."""

    def __init__(self, document, stderr, seconds):
        self.document, self.stderr, self.seconds = document, stderr, seconds
        self.attributes = document["attributes"]
        self.classifiers = document["classifiers"]

    def notes(self, name):
        found = self.document["annotations"].get(name, [])
        found = found if isinstance(found, list) else [found]
        return [note["text"] if isinstance(note, dict) else note for note in found]

    def owners(self, name):
        found = self.document["annotations"].get(name, [])
        return [note for note in (found if isinstance(found, list) else [found])
                if isinstance(note, dict)]

    def log(self, module="m"):
        return [text.partition(": ")[2] for text in self.notes(f"module/{module}/log")]

    def warnings(self):
        return [text for text in self.notes("warning") if text.startswith("module")]


def run(ptrace, core, *options, status=(0, 1)):
    out = core.parent / "snapshot.json"
    out.unlink(missing_ok=True)
    began = time.monotonic()
    done = subprocess.run([ptrace, "--format=json", "-o", out, *options, "--core", core],
                          capture_output=True, text=True, timeout=60)
    seconds = time.monotonic() - began
    assert done.returncode in status, done.stderr
    return Told(json.loads(out.read_text()), done.stderr, seconds) if out.exists() else done


@pytest.fixture
def module(ptrace, lists, tmp_path):
    """Runs a module given as text over the core with lists."""

    def start(text, *options, core=None):
        (tmp_path / "m.lua").write_text(text)
        return run(ptrace, core or lists, f"--module-load={tmp_path / 'm.lua'}", *options)

    return start


def in_die(body):
    """A module that looks at the frame of die; the variables of it are f:variable(...)."""
    return ('pmodule.register("frame", pmodule.match():add_frame_symbol("die"), function(f)\n'
            f"{body}\nend)")


# --- walks ---


WALK = """
pmodule.define { id = "m" }
local nodes = pmodule.match():add_frame_symbol("die"):add_variable_base_type("node")
pmodule.register("variable", nodes, function(list)
  local elements, how, back = list:walk("next")
  local sum = 0
  for _, node in ipairs(elements) do sum = sum + node.value.value end
  list:annotate("comment", "%s %d %s %s %d", list.path, #elements, how, tostring(back), sum)
  return true
end)
"""


def test_lists_are_walked_by_their_members(module):
    told = module(WALK)
    assert told.warnings() == []
    assert told.notes("module/m/comment") == [
        "whole 5 end nil 150", "cyclic 4 cycle 2 100", "broken 3 unreadable nil 60",
        "empty 0 end nil 0"]


def test_annotations_say_whom_they_are_about(module):
    told = module(WALK)
    stack = told.document["threads"][told.document["mainThread"]]["stack"]
    for note in told.owners("module/m/comment"):
        assert stack[note["frame"]]["funcName"] == "die"
        assert note["variable"] == note["text"].split()[0]


def test_lists_in_registers_are_walked_as_well(dead, module):
    core, _ = dead.core("lists-optimized")
    told = module(WALK.replace(':add_frame_symbol("die")', ""), core=core)
    assert told.warnings() == []
    assert any(text.startswith(("whole 5 end", "whole{0} 5 end")) or " 5 end nil 150" in text
               for text in told.notes("module/m/comment"))


def test_a_walk_ends_where_it_is_told_to(module):
    told = module('pmodule.define { id = "m" }' + in_die("""
  local elements, how = f:variable("whole"):walk("next", 2)
  print(#elements, how, elements[2].value.value)
  for node, i in f:variable("cyclic"):list("next") do print(i, node.value.value) end
"""))
    assert told.log() == ["2\tlimit\t20", "1\t10", "2\t20", "3\t30", "4\t40"]


def test_rings_of_links_lead_to_the_structures_around_them(module):
    told = module('pmodule.define { id = "m" }' + in_die("""
  local head, job = f:variable("head"), f:variable("table").jobs:typeof():target()
  local links, how, back = head:walk("next")
  print(#links, how, back)
  for i = 2, #links do
    local at = links[i]:container(job, "link")
    print(at.id.value, at.urgent.value, at.weight.value, at.label:string())
  end
"""))
    assert told.warnings() == []
    assert told.log() == ["4\tcycle\t1", "100\t0\t0.0\ta", "101\t1\t0.5\tb", "102\t0\t1.0\tc"]


def test_arrays_are_read_by_element(module):
    told = module('pmodule.define { id = "m" }' + in_die("""
  local t, numbers = f:variable("table"), f:variable("numbers")
  local sum = 0
  for number in numbers:elements() do sum = sum + number.value end
  print(sum, numbers:count(), numbers[4].value, numbers[5], numbers[-1])
  print(t.matrix[0].value, t.matrix[5].value, t.matrix[6], t.matrix.text)
  print(t.jobs[1].label.value, t.jobs[1]:get("path"), t.jobs:count(), pmodule.sizeof(numbers))
  local first = f:variable("whole")
  print(first[0].value.value, first:deref():get("path"), first:deref().next:get("path"))
"""))
    assert told.warnings() == []
    assert told.log() == [
        "15\t5\t1\tnil\tnil", "1\t6\tnil\t{{1, 2, 3}, {4, 5, 6}}",
        "b\ttable.jobs[1]\t4\t20", "10\t*whole\twhole->next"]


def test_members_win_over_properties_and_functions_over_members(module):
    told = module('pmodule.define { id = "m" }' + in_die("""
  local node = f:variable("whole")
  print(node.value.value, node:get("value") == node:get("value"), node.value.type)
  print(node.name:string(), node:get("name"), node.nothing, node:member("next->next->value").value)
  print(node.type, node.is_pointer, math.type(node:get("value")))
"""))
    assert told.warnings() == []
    assert told.log() == ["10\ttrue\tint", "odd\twhole\tnil\t30", "struct node *\ttrue\tinteger"]


def test_variables_outside_functions_symbols_and_memory(module):
    told = module("""
pmodule.define { id = "m" }
pmodule.register("attach", function(bt)
  local t = bt:global("global_table")
  print(t.used.value, bt:symbol("global_table") == t:get("address"))
  print(bt:symbol_at(t:get("address") + 8))
  print(bt:global("no_such_table"), (bt:global("global_table", "no_such_function")))
  print(bt:query("numbers")[0].value, bt:query("global_table").used.value)
  local raw = pmodule.address_read_raw(t:get("address"), 8)
  print(#raw, string.unpack("<I8", raw), pmodule.address_read_uint(t:get("address")))
  print(pmodule.address_read_raw(16, 8), (pmodule.address_read_uint(16)), pmodule.address_read_string(16))
  local again = pmodule.create_variable(bt:type("table", "die"), t:get("address"), "again")
  print(again.used.value, again:get("path"), again.used:get("path"))
  local names = {}
  for _, field in ipairs(bt:type("job", "main"):fields()) do
    names[#names + 1] = field.name .. "@" .. field.offset
  end
  print(table.concat(names, " "))
end)
""")
    assert told.warnings() == []
    log = told.log()
    assert log[0] == "3\ttrue" and log[1].startswith("global_table\t8\t/")
    assert log[2:7] == ["nil\tnil", "5\t3", "8\t3\t3",
                        "nil\tnil\tnil", "3\tagain\tagain.used"]
    assert log[7].split()[2] == "weight@8"


def test_threads_frames_and_the_signal(module):
    told = module("""
pmodule.define { id = "m" }
pmodule.register("postattach", function(bt)
  print(bt:process_state(), bt:siginfo().num, bt:siginfo().reason, bt.arch, bt.live)
  for thread in bt do
    print(thread.fault, thread.name, thread:siginfo().code)
    for frame in thread do
      if frame.func == "die" then
        print(frame.line > 50, frame.file:match("[^/]*$"), #frame:fprm(), frame:register("rip") == frame.address)
        frame:annotate("critical", "here it died")
      end
    end
  end
  print(bt:thread().tid == bt:thread(bt:thread().tid).tid, bt:thread(1), bt:attribute("application"))
end)
""")
    assert told.warnings() == []
    assert told.log()[0].startswith("crashed\t11\tSI_TKILL\tx86_64\tfalse")
    assert told.log()[1].startswith("true\tlists\t")
    assert told.log()[2] == "true\tlists.c\t5\ttrue"
    assert told.log()[3] == "true\tnil\tlists"
    assert told.owners("module/m/critical")[0]["text"] == "here it died"


# --- what they add ---


def test_attributes_classifiers_json_and_texts(module, program, lists):
    told = module("""
pmodule.define { id = "m" }
pmodule.register("postattach", function(bt)
  bt:add_kv_int("m.count", -3)
  bt:add_kv_string("m.text", "words")
  bt:add_kv_string("dc", "west")
  bt:add_classifier("listy")
  bt:annotate("json", { b = { 1, 2.5, "x" }, a = true, c = { d = "e" } })
  bt:query("whole"):set_string("a list")
end)
""", "--kv=dc:east")
    assert told.attributes["m.count"] == -3 and told.attributes["m.text"] == "words"
    assert told.attributes["dc"] == "east"
    assert told.warnings() == ["module m: attribute dc is there already"]
    assert "listy" in told.classifiers and "segv" in told.classifiers
    assert told.notes("module/m/json") == ['{"a":true,"b":[1,2.5,"x"],"c":{"d":"e"}}']
    frame = next(f for f in told.document["threads"][told.document["mainThread"]]["stack"]
                 if f["funcName"] == "die")
    assert [v["value"] for v in frame["variables"] if v["name"] == "whole"] == ["a list"]


@pytest.mark.parametrize("what", ['bt:add_kv_string("verdict", "mine")',
                                  'bt:add_kv_string("hostname", "mine")',
                                  'bt:add_kv_string("a b", "mine")',
                                  'bt:add_classifier("")', 'bt:annotate("json", print)',
                                  'bt:annotate("nothing", "x")'])
def test_what_may_not_be_set_is_an_error_of_the_module(module, what):
    plain = module("")
    told = module(f'pmodule.register("attach", function(bt)\n{what}\nend)')
    assert len(told.warnings()) == 1 and "m.lua:2:" in told.warnings()[0]
    assert told.attributes["verdict"] == plain.attributes["verdict"]
    assert told.classifiers == plain.classifiers


def test_one_core_gives_one_snapshot(module):
    text = """
pmodule.define { id = "m" }
pmodule.register("postattach", function(bt)
  local t = {}
  for i = 1, 50 do t["key" .. i] = i end
  bt:annotate("json", t)
end)
"""
    assert module(text).document["annotations"] == module(text).document["annotations"]


def test_secrets_in_what_modules_say_are_withheld(module):
    told = module('pmodule.register("attach", function(bt)\n'
                  'bt:annotate("comment", "token ghp_16C7e42F292c6912E7710c838347Ae178B4a")\nend)')
    assert "ghp_16C7e42F" not in json.dumps(told.document)


# --- events, options, files ---


def test_events_come_in_their_order(module):
    told = module("""
pmodule.define { id = "m", load = function(o) print("load", o.a) end, unload = function() print("unload") end }
pmodule.register("preattach", function(o) print("preattach", o.a, o.c) end)
for _, event in ipairs { "attach", "thread", "postattach" } do
  pmodule.register(event, function() print(event) end)
end
local main = pmodule.match():add_frame_symbol("main"):add_file("lists.c")
pmodule.register("frame", main, function(f) print("frame", f.func) end)
main = pmodule.match():add_frame_symbol("main"):add_variable_name("cyc", "substr")
pmodule.register("variable", main, function(v) print("variable", v.path) end)
""", "--module=m:a,b", "--module=m:c,d e")
    assert told.warnings() == []
    assert told.log() == ["load\tb", "preattach\tb\td e", "attach", "thread", "frame\tmain",
                          "variable\tcyclic", "postattach", "unload"]


def test_matches_let_through_what_fits_all_kinds(module):
    told = module("""
pmodule.define { id = "m" }
local function on(match, name)
  local n = 0
  pmodule.register("variable", match, function(v) n = n + 1 end)
  pmodule.register("postattach", function() print(name, n) end)
end
local new = pmodule.match
on(new():add_frame_symbol("die"):add_variable_name("whole"), "name")
on(new():add_frame_symbol("die"):add_variable_name("whole"):add_variable_name("empty"), "names")
on(new():add_frame_symbol("die"):add_variable_name("whole"):add_variable_base_type("link"), "both")
on(new():add_variable_ptrace_type("int [5]"), "type")
on(new():add_object("lists"):add_variable_name("numbers"), "object")
on(new():add_object("libc.so.6"):add_variable_name("numbers"), "other")
on(new():set_fault():add_variable_name("numbers"), "fault")
on(new():add_variable_name("numbers"):reset():add_variable_name("head"), "reset")
""")
    assert told.warnings() == []
    assert told.log() == ["name\t1", "names\t2", "both\t0", "type\t1", "object\t1", "other\t0",
                          "fault\t1", "reset\t1"]


def test_folders_names_and_files_that_are_not_there(ptrace, lists, tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.lua").write_text(f'pmodule.define {{ id = "{name}" }}\nprint("x")')
    (tmp_path / "readme.txt").write_text("no module")
    (tmp_path / "pipe.lua").symlink_to("/dev/zero")
    told = run(ptrace, lists, f"--modules-path={tmp_path}", "--module-load=b",
               "--module-load=nowhere", "--module-load=/no/such.lua", "--module=other:a,b")
    assert told.log("a") == ["x"] and told.log("b") == ["x"]
    warnings = " ".join(told.warnings())
    assert "module nowhere: no such file" in warnings and "/no/such.lua" in warnings
    assert "pipe.lua: not a regular file" in warnings and "module other: no such file" in warnings
    assert "ptrace: warning: module nowhere" in told.stderr


@pytest.mark.parametrize("option", ["m", ":a,b", "m:a", "m:a,b,c", "../m:a,b"])
def test_an_option_that_is_none_is_a_usage_error(ptrace, lists, option):
    assert run(ptrace, lists, f"--module={option}", status=(64,)).returncode == 64


def test_bt_prints_what_modules_say_below_the_frames(program, lists, tmp_path):
    (tmp_path / "m.lua").write_text(WALK)
    text = subprocess.run([program("bt"), f"--module-load={tmp_path / 'm.lua'}", "--core", lists],
                          capture_output=True, text=True).stdout
    assert re.search(r"in die .*\n      note: whole: whole 5 end nil 150\n", text)


# --- hostile ones ---


BAD = {
    "syntax": ("pmodule.define {", "unexpected|expected"),
    "loop": ("while true do end", "time is over"),
    "loop that catches": ("while true do pcall(function() while true do end end) end",
                          "time is over"),
    "nested catches": ("local function f() pcall(f) while true do pcall(f) end end f()",
                       "time is over|overflow"),
    "handler of errors": ("while true do xpcall(error, function() while true do end end) end",
                          "time is over"),
    "closing": ("local t <close> = setmetatable({}, { __close = function() while true do end end }) "
                "while true do end", "time is over"),
    "memory": ("local t = {} while true do t[#t + 1] = {} end", "not enough memory"),
    "memory that catches": ("while true do pcall(function() local s = 'x' while true do "
                            "s = s .. s end end) end", "time is over|not enough memory"),
    "rep": ("string.rep('x', 1 << 40)", "too large|not enough memory"),
    "rep of nothing": ("string.rep('', math.maxinteger) while true do end", "time is over"),
    "recursion": ("local function f() return 1 + f() end f()", "overflow|not enough memory"),
    "recursion in C": ("local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end })"
                       " return t[1]", "overflow"),
    "pattern": ("local s = ('a'):rep(5000) s:find('.-.-.-.-.-b')", "could take too long"),
    "questions": ("local p = ('a?'):rep(40) .. ('a'):rep(40) local s = ('a'):rep(40) s:find(p)",
                  "could take too long"),
    "plain search": ("local s = ('a'):rep(4 << 20) s:find(('a'):rep(2 << 20) .. 'b', 1, true)",
                     "could take too long"),
    "long table": ("table.insert(setmetatable({}, { __len = function() return 1 << 50 end }), 1, 1)",
                   "time is over"),
    "moved table": ("table.move({}, 1, 1 << 60, 2)", "time is over"),
    "finaliser": ("setmetatable({}, { __gc = function() while true do end end })", "__gc"),
    "weak": ("setmetatable({}, { __mode = 'k' })", "__mode"),
    "late finaliser": ("local m = {} local t = setmetatable({}, m) m.__gc = function() while true do end end "
                       "t = nil error('done')", "done"),
    "metatable of ours": ("getmetatable(pmodule.match()).__index = nil", "index a boolean"),
    "sort": ("local t = {} for i = 1, 300 do t[i] = ('a'):rep(20000) .. i end "
             "while true do table.sort(t) end", "time is over"),
    "odd error": ("error({})", "the error is a table"),
    "long error": ("error(('x'):rep(1 << 20))", "xxx"),
    "notes": ("for i = 1, 1e6 do pmodule.log('info', 'x') end", "more than 512"),
    "io": ("io.open('/etc/passwd')", "nil value"),
    "os": ("os.execute('true')", "nil value"),
    "require": ("require('io')", "nil value"),
    "package": ("return package.loadlib", "nil value"),
    "debug": ("debug.sethook()", "nil value"),
    "load": ("load('return 1')()", "nil value"),
    "dofile": ("dofile('/etc/passwd')", "nil value"),
    "coroutine": ("coroutine.wrap(print)()", "nil value"),
    "dump": ("string.dump(print)", "nil value"),
    "collectgarbage": ("collectgarbage('stop')", "nil value"),
    "early": ("pmodule.address_read_raw(0, 8)", "before attach"),
    "register": ("pmodule.register('nothing', print)", "invalid option"),
    "compiled": ("\x1bLuaS", "binary|truncated"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_hostile_module_costs_a_warning_and_its_time(module, name):
    text, message = BAD[name]
    told = module(text)
    assert len(told.warnings()) == 1, told.warnings()
    assert re.search(message, told.warnings()[0]), told.warnings()
    assert told.seconds < 4
    assert told.attributes["verdict"].startswith("SIGSEGV raised by the process itself in die")


@pytest.mark.parametrize("event", ["preattach", "attach", "thread", "frame", "variable",
                                   "postattach"])
@pytest.mark.parametrize("body", ["error('oops')", "while true do pcall(error) end"])
def test_a_failure_in_any_event_ends_the_module_and_nothing_else(module, event, body):
    told = module(f"pmodule.register('{event}', function()\n{body}\nend)",
                  *(["--modules-time=1"] if "while" in body else []))
    assert len(told.warnings()) == 1
    assert event in told.warnings()[0]
    assert ("m.lua:2: oops" if "error('" in body else "time is over") in told.warnings()[0]
    assert "verdict" in told.attributes


@pytest.mark.parametrize("what", [
    "v:walk('next', 1 << 40)", "v:elements()", "v:elements(1 << 30)", "v:string(-1)",
    "v:member(nil)", "v.next = 1", "v:container(1, 'x')", "v:cast('int')", "v()", "#v", "v + 1",
    "pmodule.address_read_raw(0, 1 << 40)", "pmodule.address_read_uint(0, 9)",
    "pmodule.create_variable(nil, 0)", "v.frame(3)"])
def test_wrong_arguments_are_errors_with_their_line(module, what):
    told = module(in_die(f"local v = f:variable('whole')\nlocal x = {what}"
                         if "v.next =" not in what and what != "v()" else
                         f"local v = f:variable('whole')\n{what}"))
    assert len(told.warnings()) == 1
    assert "m.lua:3:" in told.warnings()[0]


def test_one_bad_module_leaves_the_others_alone(ptrace, lists, tmp_path):
    (tmp_path / "a.lua").write_text("string.format = nil pmodule.log = nil while true do end")
    (tmp_path / "b.lua").write_text(WALK)
    told = run(ptrace, lists, f"--modules-path={tmp_path}")
    assert len(told.warnings()) == 1 and len(told.notes("module/m/comment")) == 4


def test_all_modules_together_take_no_more_than_four_times_one(ptrace, lists, tmp_path):
    for i in range(12):
        (tmp_path / f"m{i:02}.lua").write_text("while true do end")
    told = run(ptrace, lists, f"--modules-path={tmp_path}")
    assert len(told.warnings()) == 12
    assert 3.5 < told.seconds < 7


# --- those that come with it ---


def test_goroutines_are_counted_and_told_by_place(dead, ptrace, monkeypatch):
    monkeypatch.setenv("GOTRACEBACK", "crash")
    core, _ = dead.core("goroutines")
    told = run(ptrace, core, "--module-load=goroutines", "--module=goroutines:limit,4")
    assert told.warnings() == []
    text, = told.notes("module/goroutines/comment")
    assert "30 chan receive in main.parked" in text and "15 sleep in main.sleeper" in text
    assert "5 semacquire in main.locked" in text and text.endswith("; ...")
    alive = told.attributes["go.goroutines"]
    assert alive >= 51
    assert told.attributes["go.goroutines.waiting"] >= 50


def test_goroutines_leave_other_programs_alone(ptrace, lists):
    told = run(ptrace, lists, "--module-load=goroutines", "--module-load=glib")
    assert told.warnings() == []
    assert not [name for name in told.document["annotations"] if name.startswith("module/")]


@pytest.fixture(scope="module")
def glib(dead):
    if not shutil.which("pkg-config"):
        pytest.skip("pkg-config is not installed")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "glib-2.0"], capture_output=True,
                           text=True)
    if flags.returncode:
        pytest.skip("libglib2.0-dev is not installed")
    program = dead.folder / "glib"
    subprocess.run(["gcc", "-O0", "-g", "-o", program, crashers.SOURCES / "glib.c",
                    *flags.stdout.split()], check=True)
    core = dead.folder / "core-glib"
    dead.core_of(core, program)
    return core


def test_lists_of_glib_are_told_whole_or_broken(glib, ptrace):
    told = run(ptrace, glib, "--module-load=glib", "--module=glib:limit,3")
    assert told.warnings() == []
    notes = {(note["variable"], note["frame"]): note["text"]
             for kind in ("comment", "critical") for note in told.owners(f"module/glib/{kind}")}
    inner = min(frame for _, frame in notes)
    texts = {name: text for (name, frame), text in notes.items() if frame == inner}
    assert re.fullmatch(r'list of 3 elements: 0x\w+ "alpha", 0x\w+ "beta", 0x\w+ "gamma"',
                        texts["names"])
    assert texts["ring"].startswith("list of 4 elements, which leads from element 4 back to element 2")
    assert "which element 3 does not lead back" in texts["unlinked"]
    assert texts["single"] == "single list of 20 elements: 0x14, 0x13, 0x12, ..."
    assert texts["queue"].startswith("queue of 4 elements: 0x1, 0x2")
    assert texts["lying"].startswith("queue of 4 elements, which says that it has 9")
    assert "nothing" not in texts
    critical = {note["variable"] for note in told.owners("module/glib/critical")}
    assert critical == {"ring", "unlinked", "lying"}


# --- the documentation ---


def test_the_examples_of_the_documentation_run(ptrace, lists, tmp_path):
    text = (ROOT / "docs/modules.md").read_text()
    examples = re.findall(r"```lua\n(.*?)```", text, re.S)
    assert examples
    for number, example in enumerate(examples):
        (tmp_path / f"example{number}.lua").write_text(example)
    told = run(ptrace, lists, f"--modules-path={tmp_path}")
    assert told.warnings() == []


def test_all_that_modules_can_call_is_documented():
    text = (ROOT / "docs/modules.md").read_text()
    missing = []
    for source in (ROOT / "lib/modules").glob("*.c"):
        for name in re.findall(r'\{ "(\w+)", \w+ \}', source.read_text()):
            if not re.search(rf"\b{name}\b", text):
                missing.append((source.name, name))
    assert not missing
