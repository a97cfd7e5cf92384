/* Maps of Go as its run time has them up to 1.23 (runtime/map.go): 2^B buckets of eight places,
 * each with a byte of the hash that also says whether the place is free, and further buckets behind
 * those that are full. While a map grows, some of its elements are still in the old buckets. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "values/go.h"

#define CSN_GO_PLACES 8u
/* Smaller numbers in the place of a hash say that there is no element, or that it has moved. */
#define CSN_GO_MIN_HASH 5u
#define CSN_GO_MOVED_FIRST 2u
#define CSN_GO_MOVED_LAST 4u
#define CSN_GO_MAX_LOG 40u
/* Growing without more buckets. */
#define CSN_GO_SAME_SIZE 8u

struct map {
	struct csn_walk walk;
	struct csn_type *bucket_type, *key_type, *element_type;
	csn_addr buckets, old; /* old 0: it is not growing */
	uint64_t n_buckets, n_old, bucket_bytes;
	/* Where the walk is. */
	uint64_t number;      /* of the bucket, old ones first */
	struct csn_part at;   /* the bucket or one behind it; type NULL: at its beginning */
	uint64_t place, seen; /* in it; buckets looked at */
};

/* Elements that are large are stored as pointers to them. */
static bool find_place(struct map *map, const char *name, struct csn_type *wanted,
		       struct csn_part *ret_part)
{
	struct csn_values *values = map->walk.printing->values;
	struct csn_type *type, *stripped;
	struct csn_part array;
	uint64_t stride, size_bytes;

	if (!csn_part_find(values, &map->at, name, &array))
		return false;
	type = csn_type_strip(array.type);
	if (!type || type->kind != CSN_TYPE_ARRAY)
		return false;
	type = csn_type_target(type);
	if (!type || !csn_type_size(type, &stride) || !csn_type_size(wanted, &size_bytes))
		return false;
	*ret_part =
		(struct csn_part){ .object = csn_object_part(&array.object, map->place * stride),
				   .type = wanted };
	stripped = csn_type_strip(type);
	if (stride == size_bytes && csn_type_strip(wanted)->kind == stripped->kind)
		return true;
	ret_part->type = type;
	if (stripped->kind != CSN_TYPE_POINTER || !csn_part_follow(values, ret_part, ret_part))
		return false;
	ret_part->type = wanted;
	return true;
}

static bool read_hash(struct map *map, uint64_t place, uint8_t *ret_hash)
{
	struct csn_values *values = map->walk.printing->values;
	struct csn_part hashes;
	struct csn_object at;

	if (!csn_part_find(values, &map->at, "tophash", &hashes))
		return false;
	at = csn_object_part(&hashes.object, place);
	return csn_object_read(values, &at, ret_hash, 1) == CSN_VALUE_OK;
}

/* The first bucket of the number at hand; false at the end. */
static bool begin_bucket(struct map *map)
{
	uint64_t number = map->number;
	csn_addr from = number < map->n_old ? map->old : map->buckets;

	if (number >= map->n_old + map->n_buckets)
		return false;
	number = number < map->n_old ? number : number - map->n_old;
	map->at = csn_part_in_memory(from + number * map->bucket_bytes, map->bucket_type);
	map->place = 0;
	return true;
}

static bool has_moved(struct map *map)
{
	uint8_t hash;

	return map->number < map->n_old && read_hash(map, 0, &hash) && hash >= CSN_GO_MOVED_FIRST &&
	       hash <= CSN_GO_MOVED_LAST;
}

/* The bucket behind a full one, or that of the next number. False at the end, or broken. */
static bool next_bucket(struct map *map)
{
	struct csn_values *values = map->walk.printing->values;
	uint64_t address = 0;

	if (map->at.type && !csn_part_number_at(values, &map->at, "overflow", &address)) {
		map->walk.broken = CSN_VALUE_NOT_IN_DUMP;
		return false;
	}
	if (address) {
		map->at = csn_part_in_memory(address, map->bucket_type);
		map->place = 0;
	}
	while (!address) {
		map->number += map->at.type != NULL;
		if (!begin_bucket(map))
			return false;
		if (!has_moved(map) || map->seen++ >= CSN_MAX_GO_BUCKETS)
			break;
	}
	if (map->seen++ < CSN_MAX_GO_BUCKETS)
		return true;
	map->walk.broken = CSN_VALUE_BUDGET;
	return false;
}

static bool next_element(struct csn_walk *walk, struct csn_element *ret_element)
{
	struct map *map = (struct map *)walk;
	uint8_t hash;

	for (;;) {
		if ((!map->at.type || map->place >= CSN_GO_PLACES) && !next_bucket(map)) {
			/* There must have been more. */
			walk->broken = walk->broken ? walk->broken : CSN_VALUE_UNSUPPORTED;
			return false;
		}
		if (!read_hash(map, map->place, &hash)) {
			walk->broken = CSN_VALUE_NOT_IN_DUMP;
			return false;
		}
		if (hash >= CSN_GO_MIN_HASH)
			break;
		map->place++;
	}
	if (!find_place(map, "keys", map->key_type, &ret_element->key) ||
	    !find_place(map, "values", map->element_type, &ret_element->value)) {
		walk->broken = CSN_VALUE_UNSUPPORTED;
		return false;
	}
	map->place++;
	return true;
}

/* What the structure says, and whether it can be. */
static bool read_map(struct map *map, const struct csn_part *header)
{
	struct csn_values *values = map->walk.printing->values;
	uint64_t log, flags, size_bytes;
	struct csn_part buckets;

	if (!csn_part_number_at(values, header, "count", &map->walk.count) ||
	    !csn_part_number_at(values, header, "B", &log) ||
	    !csn_part_number_at(values, header, "flags", &flags) ||
	    !csn_part_number_at(values, header, "oldbuckets", &map->old) ||
	    !csn_part_find(values, header, "buckets", &buckets) ||
	    !csn_part_number(values, &buckets, &map->buckets) || log > CSN_GO_MAX_LOG)
		return false;
	map->bucket_type = csn_type_strip(csn_type_target(csn_type_strip(buckets.type)));
	if (!map->bucket_type || !csn_type_size(map->bucket_type, &map->bucket_bytes) ||
	    !map->bucket_bytes)
		return false;
	map->n_buckets = UINT64_C(1) << log;
	if (map->old)
		map->n_old = flags & CSN_GO_SAME_SIZE || !log ? map->n_buckets : map->n_buckets / 2;
	if (!map->walk.count)
		return true;
	return map->buckets &&
	       !__builtin_mul_overflow(map->n_buckets, map->bucket_bytes, &size_bytes) &&
	       csn_memory_is_plausible(values, map->buckets, size_bytes);
}

bool csn_go_fill_map(struct csn_printing *printing, struct csn_type *type, struct csn_type *header,
		     csn_addr address)
{
	struct map map = { .walk = { .printing = printing, .next = next_element },
			   .key_type = csn_type_get(&type->go_key),
			   .element_type = csn_type_get(&type->go_element) };
	const struct csn_part whole = csn_part_in_memory(address, header);

	return header && map.key_type && map.element_type && csn_type_strip(map.key_type) &&
	       csn_type_strip(map.element_type) && read_map(&map, &whole) &&
	       csn_print_sequence(&map.walk);
}
