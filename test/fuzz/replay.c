/* SPDX-License-Identifier: MIT */
/* Goes through a fuzzer's seeds without the fuzzer: replay_NAME FOLDER. */
#include "base/file.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

#define SEED_MAX 65536

static int replay(const char *folder, const char *name)
{
	static uint8_t data[SEED_MAX];
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "%s/%s", folder, name) < 0)
		return -1;
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	size_t n = fread(data, 1, sizeof(data), f);
	(void)fclose(f);
	return LLVMFuzzerTestOneInput(data, n);
}

int main(int argc, char **argv)
{
	DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
	unsigned n = 0;

	if (!dir)
		return 2;
	if (LLVMFuzzerInitialize)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	for (struct dirent *d = readdir(dir); d; d = readdir(dir)) {
		if (d->d_name[0] == '.')
			continue;
		if (replay(argv[1], d->d_name) != 0)
			return 1;
		n++;
	}
	(void)closedir(dir);
	printf("%u seeds\n", n);
	return n ? 0 : 1;
}
