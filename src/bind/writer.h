/* SPDX-License-Identifier: MIT */
#ifndef BIND_WRITER_H
#define BIND_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bind_writer;
struct err;

/* The live writer of struct bind_kernel_ops: see there. */
int bind_writer_start(struct bind_writer **ret);
pid_t bind_writer_pid(const struct bind_writer *w);
int bind_writer_ask(struct bind_writer *w, const char *path, const char *text, struct err *e);
int bind_writer_ask_register(
	struct bind_writer *w, const char *path, uint16_t offset, uint16_t value, struct err *e);
int bind_writer_wait(struct bind_writer *const *list, size_t count, int timeout_ms);
int bind_writer_answer(struct bind_writer *w, int timeout_ms, struct err *e);
void bind_writer_stop(struct bind_writer *w);

#endif
