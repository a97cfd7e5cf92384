"""Runs inside gdb: prints "thread LWP" and "pc ADDRESS NAME" for every physical frame of every
thread. Inlined and tail-call frames are gdb's reconstructions and left out, a pc of 0 at the end of
a stack is no frame."""

import gdb

gdb.execute("set backtrace past-main on")
gdb.execute("set backtrace limit unlimited")


def frames(thread):
    thread.switch()
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            yield frame.pc(), frame.name()
        try:
            frame = frame.older()
        except gdb.error:
            return


for thread in gdb.selected_inferior().threads():
    # A core made for a live process by gdb has the pid where a process of one thread has no lwp.
    found = list(frames(thread))
    while len(found) > 1 and found[-1][0] == 0:
        found.pop()
    print("thread", thread.ptid[1] or thread.ptid[0])
    for pc, name in found:
        print("pc", hex(pc), name or "??")
