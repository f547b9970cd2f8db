/* SPDX-License-Identifier: MIT */
#ifndef CLI_BUS_H
#define CLI_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * The bus of the system, and usherd on it, for a client. libsystemd is loaded at the first
 * bus_open(), because most commands need no bus.
 */
#define BUS_USHERD "org.usher.Usher1"
#define BUS_USHERD_PATH "/org/usher/Usher1"
#define BUS_USHERD_MANAGER BUS_USHERD ".Manager"
#define BUS_PATIENCE_US \
	(600 * UINT64_C(1000000)) /* for a person at polkit's question, and a bind */
#define BUS_FOR_EVER_US UINT64_MAX /* a job ends by itself, and the bus tells when usherd ends */

/* As sd_bus_error(3) has it. */
struct bus_error {
	const char *name, *message;
	int need_free;
};

struct bus;
struct bus_message;

struct bus_calls {
	int (*open)(struct bus **ret);
	struct bus *(*close)(struct bus *b);
	int (*message)(struct bus *b, struct bus_message **ret, const char *to, const char *path,
		const char *interface, const char *member);
	struct bus_message *(*unref)(struct bus_message *m);
	int (*interactive)(struct bus_message *m, int yes);
	int (*append)(struct bus_message *m, const char *types, ...);
	int (*begin)(struct bus_message *m, char type, const char *contents);
	int (*end)(struct bus_message *m);
	int (*call)(struct bus *b, struct bus_message *m, uint64_t us, struct bus_error *e,
		struct bus_message **ret);
	int (*read)(struct bus_message *m, const char *types, ...);
	int (*enter)(struct bus_message *m, char type, const char *contents);
	int (*leave)(struct bus_message *m);
	int (*skip)(struct bus_message *m, const char *types);
	int (*array)(struct bus_message *m, char type, const void **ret, size_t *ret_size);
	void (*error_free)(struct bus_error *e);
};

extern struct bus_calls bus_calls; /* functions of sd-bus, after bus_open() */

/* @ret: bus_calls.close(). Return: 0; -ENOTCONN there is no bus; -ENOPKG, -errno. */
int bus_open(struct bus **ret, struct err *e);

/*
 * Sends @m, which is taken over. Return: 0 with *@ret; -EPIPE usherd has ended meanwhile; -ENOTCONN
 * it does not run; the code of usherd's error; -errno.
 */
int bus_call(struct bus *b, struct bus_message *m, uint64_t patience_us, struct bus_message **ret,
	struct err *e);

/*
 * @text: a sentence, and perhaps "\nhint: …", as the command has printed them that usherd has run;
 * before them what it had done until then, which is passed on. Return: @code.
 */
int bus_explain(struct err *e, int code, const char *text);

/*
 * usherd may be killed and started again at any moment: what may be asked twice is asked again.
 * @tries: 0 at first. Return: whether to do so after @r.
 */
bool bus_ask_again(int r, unsigned *tries);

/* The path of an object of usherd's: of a "lease" or "guest" of that name. */
#define BUS_PATH_SIZE 256
void bus_path_of(const char *kind, const char *name, char *buf, size_t size);

#endif
