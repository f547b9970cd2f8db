/* SPDX-License-Identifier: MIT */
/*
 * Goes through a fuzzer's seeds without the fuzzer: replay_NAME [--mutations SECONDS] FOLDER…
 * With --mutations, it also runs mutated seeds for that long, in an order that is always the same.
 * When one of them is the end, a line says which: '--only NUMBER' repeats it.
 */
#include "base/file.h"
#include "base/num.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

#define SEED_MAX 65536
#define SEEDS_MAX 4096
#define CHANGES_MAX 8

struct seed {
	char *name;
	uint8_t *data;
	size_t size;
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count;
static volatile uint64_t mutation; /* number of the one that runs; 0: a seed */
static uint64_t state;

static uint32_t draw(void)
{
	/* xorshift64*: the same numbers everywhere. */
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)(state * UINT64_C(2685821657736338717) >> 32);
}

static void tell_mutation(void)
{
	char text[64];

	if (!mutation)
		return;
	int n = snprintf(text, sizeof(text), "mutation %" PRIu64 "\n", mutation);
	(void)!write(STDERR_FILENO, text, (size_t)n);
}

static void on_abort(int sig)
{
	tell_mutation();
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static int seed_compare(const void *a, const void *b)
{
	return strcmp(((const struct seed *)a)->name, ((const struct seed *)b)->name);
}

static bool seed_read(const char *folder, const char *name)
{
	static uint8_t data[SEED_MAX];
	char path[FILE_PATH_MAX];

	if (seed_count == SEEDS_MAX)
		return true;
	if (file_path(path, sizeof(path), "%s/%s", folder, name) < 0)
		return false;
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	struct seed *s = &seeds[seed_count++];
	s->size = fread(data, 1, sizeof(data), f);
	s->data = malloc(s->size + 1);
	s->name = strdup(name);
	memcpy(s->data, data, s->size);
	(void)fclose(f);
	return true;
}

static bool folder_read(const char *folder)
{
	DIR *dir = opendir(folder);
	size_t before = seed_count;
	bool good = dir != NULL;

	for (struct dirent *d = dir ? readdir(dir) : NULL; d && good; d = readdir(dir))
		good = d->d_name[0] == '.' || seed_read(folder, d->d_name);
	if (dir)
		(void)closedir(dir);
	/* Folders list in any order. */
	qsort(seeds + before, seed_count - before, sizeof(seeds[0]), seed_compare);
	return good;
}

static size_t change_bytes(uint8_t *data, size_t size)
{
	static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, '\n', ' ', '/'};
	const struct seed *other = &seeds[draw() % seed_count];
	size_t at = size ? draw() % size : 0, len = size ? draw() % min_u64(size - at + 1, 64) : 0;

	switch (draw() % 7) {
	case 0:
		if (size)
			data[at] ^= (uint8_t)(1U << draw() % 8);
		return size;
	case 1:
		if (size)
			data[at] = edges[draw() % sizeof(edges)];
		return size;
	case 2:
		if (size)
			data[at] = (uint8_t)draw();
		return size;
	case 3: /* cut out */
		memmove(data + at, data + at + len, size - at - len);
		return size - len;
	case 4: /* say twice */
		if (size + len > SEED_MAX)
			return size;
		memmove(data + at + len, data + at, size - at);
		return size + len;
	case 5: /* end as another one does */
		at = min_u64(at, other->size);
		len = min_u64(other->size - at, SEED_MAX - at);
		memcpy(data + at, other->data + at, len);
		return at + len;
	default: /* add one to it, from its second part */
		at = other->size / 2;
		len = min_u64(other->size - at, SEED_MAX - size);
		memcpy(data + size, other->data + at, len);
		return size + len;
	}
}

static int mutation_run(uint64_t number)
{
	static uint8_t data[SEED_MAX];

	mutation = number;
	state = number * UINT64_C(0x9e3779b97f4a7c15) | 1;
	(void)draw();
	const struct seed *s = &seeds[draw() % seed_count];
	size_t size = s->size;
	memcpy(data, s->data, size);
	for (unsigned changes = 1 + draw() % CHANGES_MAX; changes; changes--)
		size = change_bytes(data, size);
	/* Exactly as large as it is: the sanitizer sees a read behind it. */
	uint8_t *exact = malloc(size + !size);
	memcpy(exact, data, size);
	int r = LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	mutation = 0;
	return r;
}

static uint64_t mutations_run(unsigned seconds)
{
	const time_t end = time(NULL) + seconds;
	uint64_t count = 0;

	while (time(NULL) < end)
		if (mutation_run(++count) != 0)
			abort();
	return count;
}

int main(int argc, char **argv)
{
	unsigned seconds = 0;
	uint64_t only = 0;
	int first = 1;

	if (argc > 3 && strcmp(argv[1], "--mutations") == 0)
		seconds = (unsigned)atoi(argv[2]), first = 3;
	else if (argc > 3 && strcmp(argv[1], "--only") == 0)
		only = strtoull(argv[2], NULL, 10), first = 3;
	for (int i = first; i < argc; i++)
		if (!folder_read(argv[i]))
			return 2;
	if (!seed_count)
		return 1;
	if (LLVMFuzzerInitialize)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	(void)signal(SIGABRT, on_abort);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(tell_mutation);
	if (only)
		return mutation_run(only);
	for (size_t i = 0; i < seed_count; i++)
		if (LLVMFuzzerTestOneInput(seeds[i].data, seeds[i].size) != 0)
			return 1;
	printf("%zu seeds, %" PRIu64 " mutations\n", seed_count, mutations_run(seconds));
	for (size_t i = 0; i < seed_count; i++)
		free(seeds[i].name), free(seeds[i].data);
	return 0;
}
