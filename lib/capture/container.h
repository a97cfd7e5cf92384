/* Which container, and which pod, a cgroup path belongs to.
 *
 * Only names are looked at: those that docker, containerd, cri-o, podman, lxc and systemd-nspawn
 * give to their groups, in both hierarchies and in both of systemd's spellings. Names are chosen by
 * whoever may make groups, so this is a label and never a reason to allow anything. Of containers
 * in containers the innermost is told. Runs after root was given up. */
#ifndef CSN_CAPTURE_CONTAINER_H
#define CSN_CAPTURE_CONTAINER_H

#include "base/types.h"

struct csn_container {
	char id[129];     /* 12 to 64 hex digits, or the name of a machine; "" none */
	char pod_uid[37]; /* of Kubernetes, with dashes; 32 hex digits of a static pod; "" none */
	const char *runtime; /* "docker", "containerd", "cri-o", "podman", "lxc", "nspawn"; NULL */
};

/* Reads one path ("/docker/<id>"), or what stands behind "0::" in /proc/PID/cgroup. */
void csn_container_find(const char *path, struct csn_container *ret_container);

#endif
