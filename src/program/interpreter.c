/* SPDX-License-Identifier: MIT */
#include "program/interpreter.h"

#include "base/clean.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPTS_MAX 5 /* an interpreter may be a script; the kernel follows so many */
#define SEGMENTS_MAX 64

static int file_judge(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || access(path, X_OK) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -EACCES;
}

/* The first word behind "#!". Return: false if there is none; the kernel refuses such a file. */
static bool script_interpreter(const char *head, size_t len, char ret[INTERPRETER_MAX])
{
	size_t at = 2, end;

	while (at < len && (head[at] == ' ' || head[at] == '\t'))
		at++;
	for (end = at; end < len && !strchr(" \t\n", head[end]); end++)
		;
	if (end == at || end == INTERPRETER_MAX)
		return false;
	memcpy(ret, head + at, end - at);
	ret[end - at] = '\0';
	return true;
}

/* The dynamic loader. Return: false if the file needs none, or is of another kind. */
static bool elf_interpreter(int fd, const Elf64_Ehdr *head, char ret[INTERPRETER_MAX])
{
	Elf64_Phdr segment;

	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_phentsize != sizeof(segment))
		return false;
	for (unsigned i = 0; i < head->e_phnum && i < SEGMENTS_MAX; i++) {
		off_t at = (off_t)(head->e_phoff + i * sizeof(segment));
		if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
			return false;
		if (segment.p_type != PT_INTERP)
			continue;
		return segment.p_filesz && segment.p_filesz <= INTERPRETER_MAX &&
		       pread(fd, ret, segment.p_filesz, (off_t)segment.p_offset) ==
			       (ssize_t)segment.p_filesz &&
		       !ret[segment.p_filesz - 1];
	}
	return false;
}

/* Return: as interpreter_check(); 1 and @ret if the next file is a script or a loader itself. */
static int interpreter_step(const char *path, char ret[INTERPRETER_MAX])
{
	union {
		char bytes[INTERPRETER_MAX];
		Elf64_Ehdr elf;
	} head;

	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : pread(fd, &head, sizeof(head), 0);
	if (n < 4)
		return 0;
	bool found = false;
	if (memcmp(head.bytes, "#!", 2) == 0)
		found = script_interpreter(head.bytes, (size_t)n, ret);
	else if (n >= (ssize_t)sizeof(head.elf) && memcmp(head.bytes, ELFMAG, SELFMAG) == 0)
		found = elf_interpreter(fd, &head.elf, ret);
	if (!found)
		return 0;
	int r = file_judge(ret);
	return r < 0 ? r : 1;
}

int interpreter_check(const char *path, char ret[INTERPRETER_MAX])
{
	char next[INTERPRETER_MAX];
	int r = interpreter_step(path, ret);

	for (unsigned i = 1; r == 1 && i < SCRIPTS_MAX; i++) {
		memcpy(next, ret, sizeof(next));
		r = interpreter_step(next, ret);
	}
	return r == 1 ? 0 : r;
}
