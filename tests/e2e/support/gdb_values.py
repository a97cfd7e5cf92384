"""Runs inside gdb: one line, "values " and a JSON list of the selected thread's frames, innermost
first: [function, [[name, text], ...], object], arguments and locals as `bt full` has them, inner blocks
first. Values are written with the pretty-printers that gdb has."""

import json

import gdb

gdb.execute("set backtrace past-main off")


def text_of(frame, symbol):
    try:
        return symbol.value(frame).format_string(deref_refs=True, symbols=True)
    except (gdb.error, gdb.MemoryError) as error:
        return f"<error: {error}>"


def variables(frame):
    try:
        block = frame.block()
    except RuntimeError:
        return
    while block is not None:
        for symbol in block:
            if symbol.is_argument or (symbol.is_variable and
                                      symbol.addr_class != gdb.SYMBOL_LOC_UNRESOLVED):
                yield [symbol.name, text_of(frame, symbol)]
        if block.function is not None:
            return
        block = block.superblock


def frames():
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() != gdb.TAILCALL_FRAME:
            sal = frame.find_sal()
            yield [frame.name(), list(variables(frame)),
                   sal.symtab.objfile.filename if sal.symtab else None]
        try:
            frame = frame.older()
        except gdb.error:
            return


print("values " + json.dumps(list(frames())))
