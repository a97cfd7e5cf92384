"""Runs inside gdb: one JSON object, {lwp: [[pc, kind, function, file, line]]}, of every frame of
every thread, inlined ones included. Tail-call frames are gdb's reconstructions and left out."""

import json

import gdb

gdb.execute("set backtrace past-main on")
gdb.execute("set backtrace limit unlimited")


def frames(thread):
    thread.switch()
    frame = gdb.newest_frame()
    while frame is not None:
        kind = frame.type()
        sal = frame.find_sal()
        if kind != gdb.TAILCALL_FRAME:
            yield [frame.pc(), "inline" if kind == gdb.INLINE_FRAME else "physical", frame.name(),
                   sal.symtab.filename if sal.symtab else None, sal.line if sal.symtab else 0]
        try:
            frame = frame.older()
        except gdb.error:
            return


print("frames " + json.dumps({thread.ptid[1] or thread.ptid[0]: list(frames(thread))
                              for thread in gdb.selected_inferior().threads()}))
