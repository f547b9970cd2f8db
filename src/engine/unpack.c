/* SPDX-License-Identifier: MIT */
#include "engine/unpack.h"

#include "base/endian.h"
#include "base/err.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

/*
 * libarchive knows every compression the kernel's build knows, through one call. It pulls in nine
 * further libraries, which a start with a cached kernel must not pay for: hence dlopen(), with
 * the five functions by name. Their types are those of libarchive's archive(3) manual.
 */
struct archive;
struct archive_entry;
#define ARCHIVE_EOF 1

struct lib {
	void *handle;
	struct archive *(*read_new)(void);
	int (*read_support_filter_all)(struct archive *);
	int (*read_support_format_raw)(struct archive *);
	int (*read_open_memory)(struct archive *, const void *, size_t);
	int (*read_next_header)(struct archive *, struct archive_entry **);
	int (*read_data_block)(struct archive *, const void **, size_t *, int64_t *);
	int (*read_free)(struct archive *);
	const char *(*error_string)(struct archive *);
};

static int lib_open(struct lib *l, struct err *e)
{
	const struct {
		const char *name;
		void *slot;
	} wanted[] = {
		{"archive_read_new", &l->read_new},
		{"archive_read_support_filter_all", &l->read_support_filter_all},
		{"archive_read_support_format_raw", &l->read_support_format_raw},
		{"archive_read_open_memory", &l->read_open_memory},
		{"archive_read_next_header", &l->read_next_header},
		{"archive_read_data_block", &l->read_data_block},
		{"archive_read_free", &l->read_free},
		{"archive_error_string", &l->error_string},
	};

	l->handle = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
	if (!l->handle) {
		err_say(e, -ELIBACC, "libarchive is not installed");
		err_hint(e, "apt install libarchive13, or give an ELF vmlinux");
		return -ELIBACC;
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		void *f = dlsym(l->handle, wanted[i].name);
		if (!f) {
			err_say(e, -ELIBACC, "libarchive lacks %s", wanted[i].name);
			return -ELIBACC;
		}
		memcpy(wanted[i].slot, &f, sizeof(f)); /* POSIX's way to store a function */
	}
	return 0;
}

/*
 * The kernel's build appends the unpacked size, 4 bytes, to every payload but gzip's (whose own
 * trailer is that size): arch/x86/boot/compressed/Makefile, "size_append". lz4's and zstd's
 * readers would take them for the next frame.
 */
static size_t without_size(const uint8_t *p, size_t len)
{
	return len > 6 && !(p[0] == 0x1f && p[1] == 0x8b) ? len - 4 : len;
}

/* @put gets what the library has unpacked, where the library has it: no copy is made here. */
static int read_payload(
	struct lib *l, struct archive *a, size_t max, unpack_put put, void *arg, struct err *e)
{
	size_t len = 0;

	for (;;) {
		const void *piece = NULL;
		size_t size = 0;
		int64_t off;
		int r = l->read_data_block(a, &piece, &size, &off);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < 0)
			return err_say(e, -ENOEXEC, "damaged: %s", l->error_string(a));
		len += size;
		if (len > max)
			return err_say(e, -EFBIG, "more than %zu MiB unpacked", max >> 20);
		r = put(arg, piece, size);
		if (r < 0)
			return err_set(e, r, "keep it");
	}
}

int unpack(const void *data, size_t len, size_t max, unpack_put put, void *arg, struct err *e)
{
	struct lib l = {0};
	struct archive_entry *entry;

	int r = lib_open(&l, e);
	if (r < 0)
		return r;
	struct archive *a = l.read_new();
	if (!a)
		return err_set(e, -ENOMEM, "unpack");
	/* Returns a warning, not 0, when a filter needs an outside program: not an error. */
	(void)l.read_support_filter_all(a);
	(void)l.read_support_format_raw(a);
	if (l.read_open_memory(a, data, without_size(data, len)) != 0 ||
		l.read_next_header(a, &entry) != 0)
		r = err_say(e, -ENOEXEC, "%s",
			l.error_string(a) ? l.error_string(a) : "not compressed");
	else
		r = read_payload(&l, a, max, put, arg, e);
	(void)l.read_free(a);
	return r;
}

int unpack_prepare(struct err *e)
{
	struct lib l = {0};

	/* It stays loaded, and dlopen() finds it by its name. */
	return lib_open(&l, e);
}
