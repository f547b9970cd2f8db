/* SPDX-License-Identifier: MIT */
#ifndef CLI_ABILITIES_H
#define CLI_ABILITIES_H

struct engine;
struct json;

/* What an engine can do of what not every engine can: for 'usher run --plan'. */
void abilities_print(const struct engine *e);
void abilities_put(struct json *doc, const struct engine *e);

#endif
