/* The scene of a crash: all that analyses look at, in one record.
 *
 * Threads and frames as they are stored, and behind them registers and values with their addresses
 * as they were read. Analyses add annotations with owners, classifiers and attributes to the
 * snapshot and change nothing else. Everything is borrowed and lives as long as the engine's run.
 */
#ifndef CSN_ANALYZE_SCENE_H
#define CSN_ANALYZE_SCENE_H

#include "base/json_load.h"
#include "snapshot/snapshot.h"
#include "symbols/module.h"
#include "target/target.h"
#include "values/values.h"

/* A stored frame, with the values of its variables. Inlined frames share the frame that is really
 * there with the one they are inlined in. */
struct csn_scene_frame {
	const struct csn_snapshot_thread *thread;
	const struct csn_snapshot_frame *stored;
	struct csn_value_frame *frame; /* its registers; never NULL */
	struct csn_value_node *values; /* NULL none, or nobody looked */
	size_t n_values;
};

struct csn_scene {
	struct csn_snapshot *snapshot;
	struct csn_target *target;
	struct csn_modules *modules;           /* NULL unknown */
	const struct csn_thread *fault_thread; /* NULL: nobody faulted */
	const json_t *facts;                   /* of the process; NULL unknown */
	struct csn_values *values;             /* for more values; NULL: no variables were wanted */
	bool wants_stale; /* everything that points to what faulted is looked for */
	/* Thread by thread, the faulting one first, from the innermost frame on. */
	struct csn_scene_frame *frames;
	size_t n_frames;
};

/* How deep parts lie within parts that are looked at. */
#define CSN_SCENE_DEPTH 32u

/* A value, and the way to it: values[0] is the variable. */
struct csn_scene_spot {
	const struct csn_scene_frame *frame;
	const struct csn_value_node *values[CSN_SCENE_DEPTH];
	size_t numbers[CSN_SCENE_DEPTH]; /* of a part within its whole */
	size_t n_values;
};

/* Called for a value before its parts. False: its parts are passed over. */
typedef bool (*csn_scene_visit)(void *context, const struct csn_scene_spot *spot);

/* The value that a spot leads to. */
static inline const struct csn_value_node *csn_scene_spot_value(const struct csn_scene_spot *spot)
{
	return spot->values[spot->n_values - 1];
}

/* Every value of a frame, and parts of values. */
void csn_scene_walk(const struct csn_scene_frame *frame, csn_scene_visit visit, void *context);
/* "conn->peers[3].name"; in the snapshot's arena. NULL when out of memory. */
const char *csn_scene_path(const struct csn_scene *scene, const struct csn_scene_spot *spot);
/* The frame's number in its thread. */
size_t csn_scene_frame_number(const struct csn_scene_frame *frame);
/* Annotations that belong to a frame, and to a value of it. */
int csn_scene_annotate_frame(const struct csn_scene *scene, const struct csn_scene_frame *frame,
			     const char *name, const char *text, struct csn_error *err)
	csn_must_check;
int csn_scene_annotate_value(const struct csn_scene *scene, const struct csn_scene_spot *spot,
			     const char *name, const char *text, struct csn_error *err)
	csn_must_check;

#endif
