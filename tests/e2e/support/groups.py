"""Control groups of a test's own, with names as container runtimes give them."""

import contextlib
import os
import pathlib

import pytest

from support.world import wait_until

UNIFIED = pathlib.Path("/sys/fs/cgroup/unified")


@contextlib.contextmanager
def cgroup(root, *names):
    """Groups of these names, one in another; what starts a program in the innermost."""
    if not os.access(root / "cgroup.procs", os.W_OK):
        pytest.skip(f"{root} is not a hierarchy that we may change")
    folders = [root.joinpath(*names[:i + 1]) for i in range(len(names))]
    for folder in folders:
        folder.mkdir()
    try:
        yield ["sh", "-c", f'echo $$ >"{folders[-1]}/cgroup.procs"; exec "$@"', "sh"]
    finally:
        for folder in reversed(folders):
            wait_until(lambda folder=folder: not (folder / "cgroup.procs").read_text(), "its end")
            folder.rmdir()
