/* The attributes that every project knows from the start: the columns of every object, and what
 * our own snapshots define. */
#include "store/types.h"

#include <string.h>

#define COLUMN(name, type, format, text) \
	{ \
		name, format, text, type, true \
	}
#define NUMBER(name, format, text) \
	{ \
		name, format, text, CSN_TYPE_UINT64, false \
	}
#define TEXT(name, format, text) \
	{ \
		name, format, text, CSN_TYPE_DICTIONARY, false \
	}

static const struct csn_builtin_attribute builtins[] = {
	COLUMN("timestamp", CSN_TYPE_UINT64, "unix_timestamp", "Time of the crash"),
	COLUMN("fingerprint", CSN_TYPE_DICTIONARY, "sha256", "Group of the crash"),
	COLUMN("fingerprint;original", CSN_TYPE_DICTIONARY, "sha256", "Group before any merge"),
	COLUMN("fingerprint;issues;state", CSN_TYPE_DICTIONARY, "none", "State of the group"),
	COLUMN("fingerprint;issues;tags", CSN_TYPE_DICTIONARY, "labels", "Tags of the group"),
	COLUMN("fingerprint;issues;assignee", CSN_TYPE_DICTIONARY, "none", "Assignee of the group"),
	COLUMN("fingerprint;issues;ticket", CSN_TYPE_DICTIONARY, "none", "Ticket of the group"),
	COLUMN("_tx", CSN_TYPE_UINT64, "none", "Transaction that made the object"),
	COLUMN("object", CSN_TYPE_UINT64, "none", "Object identifier"),
	COLUMN("_rxid", CSN_TYPE_UUID, "uuid", "Receipt identifier"),
	COLUMN("_deleted", CSN_TYPE_BITMAP, "none", "Whether the document was deleted"),
	COLUMN("_received", CSN_TYPE_UINT64, "unix_timestamp", "Time of arrival"),
	COLUMN("object.size", CSN_TYPE_UINT64, "bytes", "Size of the document"),
	COLUMN("object.ticks", CSN_TYPE_UINT64, "none",
	       "Further crashes of the same program that its host only counted"),

	TEXT("hostname", "hostname", "Name of the machine"),
	TEXT("application", "none", "Name of the program"),
	TEXT("callstack", "callstack", "Canonical stack of the faulting thread"),
	TEXT("callstack.raw", "callstack", "Stack of the faulting thread as unwound"),
	TEXT("classifiers", "labels", "What kind of fault it was"),
	TEXT("verdict", "none", "One sentence on the fault"),
	TEXT("error.message", "none", "Message of the error"),
	TEXT("error.type", "none", "Type of the error"),
	TEXT("signal", "none", "Signal that ended the process"),
	NUMBER("signal.number", "none", "Number of the signal"),
	NUMBER("signal.code", "none", "si_code of the signal"),
	NUMBER("fault.address", "memory_address", "Address of the fault"),
	TEXT("fault.access", "none", "read, write or exec"),
	TEXT("fault.module", "none", "Module of the faulting frame"),
	TEXT("fingerprint.confidence", "none", "How sure the grouping is"),
	TEXT("version", "none", "Version of the program"),
	TEXT("dc", "none", "Data centre"),
	TEXT("build.id", "none", "Build-id of the executable"),
	TEXT("container.id", "none", "Container of the process"),
	TEXT("container.runtime", "none",
	     "What runs the container: docker, containerd, cri-o, podman"),
	TEXT("pod.uid", "none", "Kubernetes pod of the process"),
	NUMBER("namespace.pid", "none", "Namespace of process ids (inode)"),
	NUMBER("namespace.mnt", "none", "Namespace of mounts (inode)"),
	NUMBER("namespace.user", "none", "Namespace of users (inode)"),
	NUMBER("namespace.net", "none", "Namespace of networks (inode)"),
	NUMBER("process.namespace.id", "none", "Process id within its own namespace"),
	TEXT("cgroup", "none", "Control group of the process"),
	TEXT("coresnap.object", "uuid", "Identifier on the crashed machine"),
	TEXT("coresnap.found_at", "none", "Where watch mode found the core"),
	TEXT("coresnap.status", "none", "Whether the analysis was whole"),
	TEXT("lang", "none", "Language of the report"),
	TEXT("agent", "none", "Who made the report"),
	TEXT("agent.version", "none", "Version of who made the report"),
	TEXT("executable", "none", "Path of the executable"),
	TEXT("cmdline", "none", "Command line"),
	TEXT("uname.machine", "none", "Machine type"),
	TEXT("uname.sysname", "none", "Operating system"),
	TEXT("uname.release", "none", "Kernel release"),
	TEXT("uname.version", "none", "Kernel version"),
	NUMBER("pid", "none", "Process identifier"),
	NUMBER("ppid", "none", "Parent process identifier"),
	NUMBER("uid", "none", "User of the process"),
	NUMBER("gid", "none", "Group of the process"),
	TEXT("user", "username", "Name of the user of the process"),
	NUMBER("process.age", "seconds", "Age of the process"),
	NUMBER("process.id", "none", "Process identifier"),
	NUMBER("process.parent.id", "none", "Parent process identifier"),
	NUMBER("process.uid", "none", "User of the process"),
	TEXT("process.path", "none", "Path of the executable"),
	TEXT("process.cwd", "none", "Working folder of the process"),
	NUMBER("process.oom.score", "none", "How soon the kernel would kill it for memory"),
	NUMBER("process.fault.minor", "none", "Page faults served from memory"),
	NUMBER("process.fault.major", "none", "Page faults served from disk"),
	NUMBER("process.stopped.us", "none",
	       "How long the analysis stopped the process, microseconds"),
	NUMBER("process.threads", "none", "Threads of the process"),
	NUMBER("descriptor.count", "none", "Open file descriptors"),
	NUMBER("uptime", "seconds", "Time since the machine started"),
	NUMBER("cpu.count", "none", "Processors of the machine"),
	NUMBER("cpu.user", "none", "Processor time in programs, ticks"),
	NUMBER("cpu.nice", "none", "Processor time in low-priority programs, ticks"),
	NUMBER("cpu.kernel", "none", "Processor time in the kernel, ticks"),
	NUMBER("cpu.idle", "none", "Idle processor time, ticks"),
	NUMBER("cpu.iowait", "none", "Processor time waiting for disks, ticks"),
	NUMBER("cpu.irq", "none", "Processor time in interrupts, ticks"),
	NUMBER("cpu.softirq", "none", "Processor time in soft interrupts, ticks"),
	NUMBER("cpu.context", "none", "Context switches of the machine"),
	NUMBER("cpu.boottime", "unix_timestamp", "When the machine started"),
	NUMBER("cpu.process.count", "none", "Processes made since the machine started"),
	NUMBER("cpu.process.running", "none", "Processes running"),
	NUMBER("cpu.process.blocked", "none", "Processes waiting for disks"),
	NUMBER("vm.threads", "none", "Threads of the process"),
	NUMBER("vm.vma.peak", "kilobytes", "Highest virtual size"),
	NUMBER("vm.vma.size", "kilobytes", "Virtual size"),
	NUMBER("vm.rss.peak", "kilobytes", "Highest resident size"),
	NUMBER("vm.rss.size", "kilobytes", "Resident size"),
	NUMBER("vm.rss.available", "kilobytes", "Memory left for the process"),
	NUMBER("vm.data.size", "kilobytes", "Size of data"),
	NUMBER("vm.stack.size", "kilobytes", "Size of stack"),
	NUMBER("vm.exe", "kilobytes", "Size of the executable's code"),
	NUMBER("vm.shared.size", "kilobytes", "Size of shared libraries"),
	NUMBER("vm.locked.size", "kilobytes", "Locked memory"),
	NUMBER("vm.pte.size", "kilobytes", "Size of page tables"),
	NUMBER("vm.swap.size", "kilobytes", "Memory of the process in swap"),
	NUMBER("system.memory.total", "kilobytes", "Memory of the machine"),
	NUMBER("system.memory.free", "kilobytes", "Free memory of the machine"),
	NUMBER("system.memory.available", "kilobytes", "Available memory of the machine"),
	NUMBER("system.memory.active", "kilobytes", "Active memory of the machine"),
	NUMBER("system.memory.inactive", "kilobytes", "Inactive memory of the machine"),
	NUMBER("system.memory.cached", "kilobytes", "Page cache of the machine"),
	NUMBER("system.memory.buffers", "kilobytes", "Buffers of the machine"),
	NUMBER("system.memory.dirty", "kilobytes", "Memory to be written to disks"),
	NUMBER("system.memory.writeback", "kilobytes", "Memory being written to disks"),
	NUMBER("system.memory.slab", "kilobytes", "Memory of kernel structures"),
	NUMBER("system.memory.vmalloc.total", "kilobytes", "Address space for vmalloc"),
	NUMBER("system.memory.vmalloc.used", "kilobytes", "Memory taken by vmalloc"),
	NUMBER("system.memory.vmalloc.chunk", "kilobytes", "Largest free part of vmalloc"),
	NUMBER("system.memory.swap.cached", "kilobytes", "Swap that is in memory too"),
	NUMBER("system.memory.swap.total", "kilobytes", "Swap of the machine"),
	NUMBER("system.memory.swap.free", "kilobytes", "Free swap of the machine"),
	NUMBER("sched.cs.voluntary", "none", "Voluntary context switches"),
	NUMBER("sched.cs.involuntary", "none", "Involuntary context switches"),
};

const struct csn_builtin_attribute *csn_builtin_attributes(size_t *ret_count)
{
	*ret_count = csn_countof(builtins);
	return builtins;
}

const struct csn_builtin_attribute *csn_builtin_attribute_find(const char *name)
{
	for (size_t i = 0; i < csn_countof(builtins); i++)
		if (strcmp(builtins[i].name, name) == 0)
			return &builtins[i];
	return NULL;
}

static const char *const type_names[] = {
	[CSN_TYPE_BITMAP] = "bitmap",         [CSN_TYPE_UINT8] = "uint8",
	[CSN_TYPE_UINT16] = "uint16",         [CSN_TYPE_UINT32] = "uint32",
	[CSN_TYPE_UINT64] = "uint64",         [CSN_TYPE_INT64] = "int64",
	[CSN_TYPE_UINT128] = "uint128",       [CSN_TYPE_UUID] = "uuid",
	[CSN_TYPE_DICTIONARY] = "dictionary",
};

const char *csn_type_name(enum csn_attribute_type type)
{
	return type_names[type];
}

bool csn_type_find(const char *name, enum csn_attribute_type *ret_type)
{
	for (size_t i = 0; i < csn_countof(type_names); i++) {
		if (strcmp(type_names[i], name) == 0) {
			*ret_type = (enum csn_attribute_type)i;
			return true;
		}
	}
	return false;
}
