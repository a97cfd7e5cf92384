"""Programs of C and C++ made at random, from a seed: types within types, and variables of them in three
frames, all with values that the seed gives. They die by writing to NULL."""

import random

SCALARS = {
    "char": "c", "signed char": "i", "unsigned char": "i", "short": "i", "unsigned short": "i",
    "int": "i", "unsigned int": "i", "long": "i", "unsigned long": "i", "long long": "i",
    "float": "f", "double": "f",
}
HEAD = """#include <stddef.h>
#define KEEP(x) __asm__ volatile("" : : "g"(&(x)) : "memory")
#define USE(x) __asm__ volatile("" : : "g"(x) : "memory")
static int function_one(int a) { return a + 1; }
static int function_two(int a) { return a - 1; }
"""


class Maker:
    """Makes the text of one program."""

    def __init__(self, seed, cxx):
        self.random = random.Random(f"{seed}-{cxx}")
        self.cxx = cxx
        self.text, self.types, self.enums = [HEAD], [], []

    def pick(self, *choices):
        return self.random.choice(choices)

    def scalar(self):
        return self.random.choice(list(SCALARS))

    def value(self, kind):
        if SCALARS.get(kind) == "f":
            return str(self.random.randint(-4000, 4000) / 8)
        if SCALARS.get(kind) == "c":
            return str(self.random.randint(32, 126))
        return str(self.random.randint(0, 100))

    def enum(self):
        name = f"enum_{len(self.enums)}"
        flags = self.random.random() < 0.5
        values = [1 << i for i in range(4)] if flags else self.random.sample(range(-5, 90), 4)
        items = [f"{name}_{i}" for i in range(4)]
        self.text.append(f"enum {name} {{ " + ", ".join(
            f"{item} = {value}" for item, value in zip(items, values)) + " };\n")
        self.enums.append((name, items))

    def member(self, name, depth):
        """(declaration, initialiser) of one member."""
        choice = self.random.random()
        if choice < 0.35:
            kind = self.scalar()
            return f"{kind} {name};", self.value(kind)
        if choice < 0.5:
            return f"unsigned {name} : {self.random.randint(1, 31)};", "1"
        if choice < 0.6:
            kind, n = self.scalar(), self.random.randint(1, 12)
            return (f"{kind} {name}[{n}];",
                    "{ " + ", ".join(self.value(kind) for _ in range(n)) + " }")
        if choice < 0.68 and self.enums:
            enum, items = self.random.choice(self.enums)
            return f"enum {enum} {name};", self.random.choice(items)
        if choice < 0.75:
            return f"int (*{name})(int);", self.pick("function_one", "function_two", "NULL")
        if choice < 0.82:
            return f"const char *{name};", self.pick('"text"', '"a\\tb\\\\c"', '""', "NULL")
        if choice < 0.88:
            kind = self.scalar()
            return f"union {{ {kind} first; long second; }} {name};", "{ " + self.value(kind) + " }"
        if depth and self.types:
            other, initialiser = self.random.choice(self.types)
            return f"struct {other} {name};", initialiser
        kind = self.scalar()
        return f"{kind} {name}[2][3];", "{ { " + self.value(kind) + " }, { " + self.value(kind) + " } }"

    def structure(self):
        name, depth = f"type_{len(self.types)}", len(self.types)
        members = [self.member(f"m{i}", depth) for i in range(self.random.randint(1, 7))]
        self.text.append(f"struct {name} {{\n" +
                         "".join(f"\t{declaration}\n" for declaration, _ in members) + "};\n")
        self.types.append((name, "{ " + ", ".join(value for _, value in members) + " }"))

    def classes(self):
        """Bases, virtual ones, statics and members that are not set by initialisers."""
        seed = self.random.randint(1, 99)
        self.text.append(f"""
struct top {{ int top_value; top() : top_value({seed}) {{ }} virtual ~top() {{ }} static int shared; }};
int top::shared = {seed + 1};
struct left : virtual top {{ short left_value; left() : left_value({seed + 2}) {{ }} }};
struct right : virtual top {{ long right_value; right() : right_value({seed + 3}) {{ }} }};
struct bottom : left, right {{ char letter; int &referred;
	bottom(int &r) : letter('{chr(97 + seed % 26)}'), referred(r) {{ }} }};
struct plain {{ int a; int b : 5; }};
struct derived : plain {{ double c; static const int constant = {seed}; enum class kind : char {{ one = 1, two }} kind;
	derived() : plain{{{seed}, 3}}, c({seed}.5), kind(kind::two) {{ }} int method(int x) {{ return x + a; }} }};
template <typename T, int N> struct box {{ T items[N]; }};
""")

    def variables(self, frame):
        """(declarations, names) of a frame's variables."""
        lines, names = [], []
        for i in range(self.random.randint(3, 6)):
            name = f"v{frame}_{i}"
            names.append(name)
            if self.types and self.random.random() < 0.5:
                kind, initialiser = self.random.choice(self.types)
                lines.append(f"struct {kind} {name} = {initialiser};")
                if self.random.random() < 0.5:
                    lines.append(f"struct {kind} *p{name} = &{name};")
                    names.append(f"p{name}")
            else:
                kind = self.scalar()
                lines.append(f"{kind} {name} = {self.value(kind)};")
        lines.append(f"static int s{frame} = {self.random.randint(0, 99)};")
        names.append(f"s{frame}")
        if self.cxx and frame == 1:
            lines += ["int target = 5;", "bottom low(target);", "derived made;", "top &base = low;",
                      "box<short, 3> boxed = { { 1, 2, 3 } };", "int derived::*data = &derived::a;",
                      "int (derived::*method)(int) = &derived::method;", "int &&moved = 7;"]
            names += ["target", "low", "made", "base", "boxed", "data", "method", "moved"]
        return lines, names

    def function(self, frame, callee):
        lines, names = self.variables(frame)
        self.text.append(
            f"__attribute__((noinline)) static long frame_{frame}(int argument, double real, "
            f"const char *text)\n{{\n" + "".join(f"\t{line}\n" for line in lines) +
            "".join(f"\tKEEP({name});\n" for name in names) +
            f"\t{callee}\n" + "".join(f"\tKEEP({name});\n" for name in names) +
            "\treturn argument + (long)real + (text != 0);\n}\n")

    def program(self):
        for _ in range(2):
            self.enum()
        for _ in range(self.random.randint(3, 6)):
            self.structure()
        if self.cxx:
            self.classes()
        self.function(2, "*(volatile int *)NULL = 1;")
        self.function(1, "USE(frame_2(argument + 1, real * 2, text));")
        self.function(0, "USE(frame_1(argument + 1, real * 2, text));")
        self.text.append('int main(int argc, char **argv)\n{\n\t(void)argv;\n'
                         '\treturn (int)frame_0(argc, 1.5, "argument");\n}\n')
        return "".join(self.text)


def make(seed, cxx):
    return Maker(seed, cxx).program()
