"""Runs a program under what its systemd unit forbids, as far as the kernel lets anybody do that who
is not systemd: mounts, users, capabilities, limits and the same system calls filtered."""

import ctypes
import os
import pathlib
import re
import resource
import subprocess

# Without an equivalent here: the test's own files are in /tmp; cgroups and keyrings are systemd's.
NOT_APPLIED = {"PrivateTmp", "PrivateMounts", "ProtectControlGroups", "ProtectHostname", "DeviceAllow",
               "KeyringMode", "RemoveIPC", "TasksMax", "OOMScoreAdjust", "IOSchedulingPriority",
               "RestrictSUIDSGID", "ProtectClock", "ProtectKernelLogs", "ProtectKernelModules", "RestrictRealtime",
               "SystemCallArchitectures", "SystemCallErrorNumber"}

LIBC = ctypes.CDLL(None, use_errno=True)
NEWNS = 0x20000
NAMESPACES = 0x7E020000  # all the flags of clone that make one
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
ATTR_RDONLY, AT_RECURSIVE, AT_FDCWD = 1, 0x8000, -100
MOUNT_SETATTR = 442
ALLOW, EPERM_ACTION, ENOSYS_ACTION = 0x7FFF0000, 0x00050001, 0x00050026
CAPABILITIES = {"CAP_SYSLOG": 34, "CAP_NET_BIND_SERVICE": 10}


def read(path):
    """The unit's settings: name to list of values."""
    settings = {}
    for line in pathlib.Path(path).read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(name, []).append(value)
    return settings


def _check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result


def _mount(source, target, kind=None, flags=0, data=None):
    encode = lambda word: word and os.fsencode(word)  # noqa: E731
    _check(LIBC.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags),
                      encode(data)), f"mount {target}")


def _set_readonly(path, on):
    attributes = (ctypes.c_uint64 * 4)(ATTR_RDONLY if on else 0, 0 if on else ATTR_RDONLY, 0, 0)
    _check(LIBC.syscall(MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), AT_RECURSIVE, attributes, 32),
           f"mount_setattr {path}")


def _private_dev(extra):
    """A /dev of the usual few, and what the unit adds."""
    names = ["null", "zero", "full", "random", "urandom", "tty"]
    opened = {name: os.open(f"/dev/{name}", os.O_PATH) for name in names + extra}
    _mount("tmpfs", "/dev", "tmpfs", 0, "mode=755")
    for name, fd in opened.items():
        pathlib.Path(f"/dev/{name}").touch()
        _mount(f"/proc/self/fd/{fd}", f"/dev/{name}", None, MS_BIND)
        os.close(fd)


def _mounts(settings, writable):
    _check(LIBC.unshare(NEWNS), "unshare")
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    if "PrivateDevices" in settings:
        _private_dev([pathlib.Path(path.lstrip("-")).name
                      for path in settings.get("BindReadOnlyPaths", [])])
    options = {"ProtectProc": "hidepid", "ProcSubset": "subset"}
    given = ",".join(f"{word}={settings[name][0]}" for name, word in options.items()
                     if name in settings)
    if given:
        _mount("proc", "/proc", "proc", 0, given)
    for path in writable:
        _mount(path, path, None, MS_BIND)
    if settings.get("ProtectSystem") == ["strict"]:
        _set_readonly("/", True)
        for path in ["/dev", "/proc", *writable]:
            _set_readonly(path, False)
    if "ProtectKernelTunables" in settings and os.path.exists("/proc/sys"):
        _mount("/proc/sys", "/proc/sys", None, MS_BIND)
        _set_readonly("/proc/sys", True)


def _become(uid, keep):
    """uid, with the capabilities keep ambient and nothing else that could be had."""
    prctl = LIBC.prctl
    for capability in range(64):
        if capability not in keep:
            prctl(24, capability, 0, 0, 0)
    prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    bits = sum(1 << capability for capability in keep)
    words = (ctypes.c_uint32 * 6)(*[bits & 0xFFFFFFFF] * 3, *[bits >> 32] * 3)
    _check(LIBC.syscall(126, (ctypes.c_uint32 * 2)(0x20080522, 0), words), "capset")
    for capability in keep:
        _check(prctl(47, 2, capability, 0, 0), "ambient")


def syscalls(filters):
    """The names that SystemCallFilter= lines leave allowed."""
    allowed = set()

    def expand(word):
        if not word.startswith("@"):
            return {word}
        lines = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True,
                               text=True, check=True).stdout.splitlines()[1:]
        members = [line.strip() for line in lines if not line.strip().startswith("#")]
        return {"@" + word[1:]} | set().union(*(expand(member) for member in members if member))

    for line in filters:
        names = set().union(*(expand(word) for word in line.lstrip("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return {name for name in allowed | expand("@default") if not name.startswith("@")}


class _Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


def _filter(names, families):
    """seccomp as systemd would: what is not allowed fails with EPERM."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(lib.seccomp_init(EPERM_ACTION))

    def rule(action, name, *compare):
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            lib.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(compare),
                                       (_Compare * len(compare))(*compare))

    for name in names - {"socket", "clone", "clone3", "unshare", "setns"}:
        rule(ALLOW, name)
    for family in families:
        rule(ALLOW, "socket", _Compare(0, 4, family, 0))
    rule(ALLOW, "clone", _Compare(0, 7, NAMESPACES, 0))
    rule(ENOSYS_ACTION, "clone3")
    _check(lib.seccomp_load(context), "seccomp_load")


def start(path, uid, argv, writable, **keywords):
    """Popen of argv, confined as the unit says, with these folders for its ReadWritePaths."""
    settings = read(path)
    names = syscalls(settings["SystemCallFilter"])
    families = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
    allowed = [families[word] for word in settings["RestrictAddressFamilies"][0].split()]
    ctypes.CDLL("libseccomp.so.2")  # loaded before there is a filter

    def confine():
        _mounts(settings, [str(folder) for folder in writable])
        resource.setrlimit(resource.RLIMIT_CORE, (int(settings["LimitCORE"][0]),) * 2)
        os.umask(0o077)
        os.nice(int(settings.get("Nice", ["0"])[0]))
        LIBC.personality(0)
        _become(uid, {CAPABILITIES[name] for line in settings.get("AmbientCapabilities", [])
                      for name in line.split() if name in CAPABILITIES})
        LIBC.prctl(38, 1, 0, 0, 0)  # no_new_privs
        if "MemoryDenyWriteExecute" in settings:
            LIBC.prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE, from 6.3 on
        _filter(names, allowed)

    return subprocess.Popen([str(word) for word in argv], preexec_fn=confine, **keywords)


def unknown(path):
    """Settings that forbid something and that this file has never heard of."""
    known = NOT_APPLIED | set("""AmbientCapabilities CapabilityBoundingSet PrivateDevices
        BindReadOnlyPaths ProtectSystem ReadWritePaths ProtectHome ProtectKernelTunables ProtectProc
        NoNewPrivileges LockPersonality MemoryDenyWriteExecute RestrictNamespaces
        StateDirectory StateDirectoryMode LimitNOFILE ProcSubset RestrictAddressFamilies UMask SystemCallFilter LimitCORE Nice User Group""".split())
    section = re.split(r"^\[(\w+)\]$", pathlib.Path(path).read_text(), flags=re.M)
    names = re.findall(r"^(\w+)=", section[section.index("Service") + 1], re.M)
    return {name for name in names if not re.match(r"Exec|Restart|Type|EnvironmentFile", name)} - known
