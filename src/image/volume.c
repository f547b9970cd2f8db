/* SPDX-License-Identifier: MIT */
#include "image/volume.h"

#include "base/err.h"
#include "base/num.h"
#include "image/source.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define SECTOR 512 /* libblkid's unit */

static void value_copy(blkid_probe p, const char *name, char *buf, size_t size)
{
	const char *value = NULL;

	buf[0] = '\0';
	if (blkid_probe_lookup_value(p, name, &value, NULL) == 0)
		(void)snprintf(buf, size, "%s", value);
}

/* The file system on it, if it is one thing alone. */
static int volume_learn(const struct source *s, struct volume *v)
{
	blkid_probe p = blkid_new_probe();
	uint64_t start = 0;

	if (!p)
		return -ENOMEM;
	const int fd = source_look(s, v->start, v->size, &start);
	if (fd >= 0 &&
		blkid_probe_set_device(p, fd, (blkid_loff_t)start, (blkid_loff_t)v->size) == 0 &&
		blkid_probe_enable_superblocks(p, 1) == 0 &&
		blkid_probe_set_superblocks_flags(p, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID) == 0 &&
		blkid_do_safeprobe(p) == 0) {
		value_copy(p, "TYPE", v->type, sizeof(v->type));
		value_copy(p, "UUID", v->uuid, sizeof(v->uuid));
	}
	blkid_free_probe(p);
	return 0;
}

/* Return: true if all of the partition is on the disk, and it is no list of others. */
static bool partition_place(blkid_partition part, uint64_t disk, struct volume *ret)
{
	uint64_t start = (uint64_t)blkid_partition_get_start(part);
	uint64_t size = (uint64_t)blkid_partition_get_size(part);

	if (blkid_partition_is_extended(part) || !size || start > disk / SECTOR ||
		size > disk / SECTOR - start)
		return false;
	*ret = (struct volume){.number = (unsigned)blkid_partition_get_partno(part),
		.start = start * SECTOR,
		.size = size * SECTOR};
	const char *uuid = blkid_partition_get_uuid(part);
	(void)snprintf(ret->partuuid, sizeof(ret->partuuid), "%s", uuid ? uuid : "");
	return true;
}

static int partitions_add(const struct source *s, blkid_partlist parts, uint64_t disk,
	struct volume list[VOLUMES_MAX])
{
	int most = blkid_partlist_numof_partitions(parts), count = 0;

	for (int i = 0; i < most && count < VOLUMES_MAX; i++) {
		blkid_partition part = blkid_partlist_get_partition(parts, i);
		if (!part || !partition_place(part, disk, &list[count]))
			continue;
		int r = volume_learn(s, &list[count]);
		if (r < 0)
			return r;
		count++;
	}
	return count;
}

int volumes_find(const struct source *s, struct volume list[VOLUMES_MAX], struct err *e)
{
	blkid_probe p = blkid_new_probe();
	int count = -EINVAL;
	uint64_t start = 0;

	if (!p)
		return err_set(e, -ENOMEM, "look for partitions");
	const int fd = source_look(s, 0, s->size, &start);
	if (fd < 0 || blkid_probe_set_device(p, fd, 0, (blkid_loff_t)s->size) < 0) {
		blkid_free_probe(p);
		return err_say(e, -EINVAL, "nothing can be read of it");
	}
	uint64_t disk = (uint64_t)blkid_probe_get_size(p);
	(void)blkid_probe_enable_superblocks(p, 0);
	(void)blkid_probe_enable_partitions(p, 1);
	blkid_partlist parts = blkid_probe_get_partitions(p);
	if (parts && blkid_partlist_numof_partitions(parts) > 0) {
		count = partitions_add(s, parts, disk, list);
	} else {
		list[0] = (struct volume){.size = disk};
		count = volume_learn(s, &list[0]);
		count = count < 0 ? count : 1;
	}
	blkid_free_probe(p);
	return count < 0 ? err_set(e, count, "look for partitions") : count;
}
