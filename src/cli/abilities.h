/* SPDX-License-Identifier: MIT */
#ifndef CLI_ABILITIES_H
#define CLI_ABILITIES_H

struct engine;
struct guest_spec;
struct host;
struct json;

/* What an engine can do of what not every engine can: for 'usher run --plan'. */
void abilities_print(const struct engine *e);
void abilities_put(struct json *doc, const struct engine *e);

/* How a program that opens its devices itself, or gets descriptors of them, reaches them. */
void backend_print(const struct engine *e, struct host *h, const struct guest_spec *s);
void backend_put(
	struct json *doc, const struct engine *e, struct host *h, const struct guest_spec *s);

#endif
