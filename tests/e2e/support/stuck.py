"""A FUSE file system of one file that answers reads until it is told to be stuck.

Speaks the kernel's protocol on /dev/fuse directly; no library is needed."""

import ctypes
import os
import struct
import subprocess
import threading

INIT, LOOKUP, GETATTR, OPEN, READ, FLUSH, RELEASE = 26, 1, 3, 14, 15, 25, 18
SIZE = 1 << 20
ENTRY_VALID = 1000

# Maps the file named, says so, and waits to be ended.
MAPS_A_FILE = r"""
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	int fd = open(argv[1], O_RDONLY);
	char *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	madvise(map, 1 << 20, MADV_RANDOM);
	map[0] = 1;
	write(1, "x", 1);
	pause();
}
"""


class StuckFile:
    """`with StuckFile(folder) as path:` path is the file; .stuck = True leaves reads
    unanswered. (Other requests too would hold the dying process in closing its files.)"""

    def __init__(self, folder):
        self.folder, self.stuck = folder, False

    def __enter__(self):
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"stuck", os.fsencode(self.folder), b"fuse", 0, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), "mount fuse")
        threading.Thread(target=self.serve, daemon=True).start()
        return self.folder / "file"

    def __exit__(self, *_):
        # Forced first: that fails whatever still waits for an answer.
        subprocess.run(["umount", "-f", self.folder], capture_output=True)
        subprocess.run(["umount", "-l", self.folder], capture_output=True)
        os.close(self.fd)

    def attr(self, node):
        mode, size = (0o40755, 0) if node == 1 else (0o100644, SIZE)
        return struct.pack("<QQQQQQIIIIIIIIII", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0,
                           4096, 0)

    def answer(self, opcode, node, body):
        if opcode == INIT:
            return struct.pack("<IIIIHHIIHHIIIIII", 7, 31, 0, 0, 0, 0, 65536, 1, 0, 0, 0, 0, 0, 0, 0, 0)
        if opcode == LOOKUP:
            return struct.pack("<QQQQII", 2, 0, ENTRY_VALID, ENTRY_VALID, 0, 0) + self.attr(2)
        if opcode == GETATTR:
            return struct.pack("<QII", ENTRY_VALID, 0, 0) + self.attr(node)
        if opcode == OPEN:
            return struct.pack("<QII", 1, 0, 0)
        if opcode == READ:
            return b"F" * struct.unpack_from("<I", body, 16)[0]
        return b""

    def serve(self):
        while True:
            try:
                request = os.read(self.fd, 1 << 20)
            except OSError:
                return
            _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
            if (self.stuck and opcode == READ) or opcode in (2, 42):  # FORGET wants no answer
                continue
            data = self.answer(opcode, node, request[40:])
            try:
                os.write(self.fd, struct.pack("<IiQ", 16 + len(data), 0, unique) + data)
            except OSError:
                return
