"""Runs inside gdb: one line, "frames " and a JSON object {lwp: [[pc, kind, function, file, line]]},
of every frame of every thread. Kinds are "physical" and gdb's two reconstructions, "inline" and
"tail". A core made for a live process by gdb has the pid where a process of one thread has no
lwp."""

import json

import gdb

gdb.execute("set backtrace past-main on")
gdb.execute("set backtrace limit unlimited")

KINDS = {gdb.INLINE_FRAME: "inline", gdb.TAILCALL_FRAME: "tail"}


def frames(thread):
    thread.switch()
    frame = gdb.newest_frame()
    while frame is not None:
        sal = frame.find_sal()
        yield [frame.pc(), KINDS.get(frame.type(), "physical"), frame.name(),
               sal.symtab.filename if sal.symtab else None, sal.line if sal.symtab else 0]
        try:
            frame = frame.older()
        except gdb.error:
            return


print("frames " + json.dumps({thread.ptid[1] or thread.ptid[0]: list(frames(thread))
                              for thread in gdb.selected_inferior().threads()}))
