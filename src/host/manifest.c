/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "host/manifest_end.h"
#include "host/manifest_line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define BUDGET MIB(64)

/* State of the parser. @at: the folder where relative paths start. */
struct reader {
	struct manifest *m;
	char at[FILE_PATH_MAX];
};

static int path_key(char c)
{
	return c == '\0' ? 0 : c == '/' ? 1 : (unsigned char)c + 1;
}

int manifest_compare(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return path_key(*a) - path_key(*b);
}

static void *budget_take(struct manifest *m, size_t size)
{
	if (size > m->budget)
		return NULL;
	m->budget -= size;
	return calloc(1, size);
}

static bool path_ok(const char *path)
{
	if (*path != '/')
		return false;
	while (*path) {
		size_t n = strcspn(++path, "/");
		if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && memcmp(path, "..", 2) == 0))
			return false;
		path += n;
	}
	return true;
}

static int full_path(const struct reader *r, const char *word, char *buf, size_t size)
{
	if (!word || (*word != '/' && !*r->at))
		return -EINVAL;
	int x = *word == '/' ? file_path(buf, size, "%s", word)
			     : file_path(buf, size, "%s/%s", r->at, word);
	if (x < 0)
		return x;
	return path_ok(buf) ? 0 : -EINVAL;
}

/* Takes over @data, also on failure. */
static int entry_add(
	struct manifest *m, const char *path, enum manifest_kind kind, char *data, size_t len)
{
	size_t size = strlen(path) + 1;
	char *copy = budget_take(m, size);
	void *array = manifest_array_grow(m, m->entries, m->entry_count, sizeof(*m->entries));

	if (array)
		m->entries = array;
	if (!copy || !array || !data) {
		free(copy);
		free(data);
		return -ENOMEM;
	}
	memcpy(copy, path, size);
	m->entries[m->entry_count++] = (struct manifest_entry){
		.path = copy,
		.data = data,
		.len = len,
		.kind = kind,
	};
	return 0;
}

static int parse_file(struct reader *r, const char *path, char *rest)
{
	ssize_t len = manifest_unescape(rest);

	if (len < 0)
		return (int)len;
	char *data = budget_take(r->m, (size_t)len + 2);
	if (data) {
		memcpy(data, rest, (size_t)len);
		data[len++] = '\n';
	}
	return entry_add(r->m, path, MANIFEST_FILE, data, (size_t)len);
}

/* Writes "OFFSET:HEX…" into an image of @size bytes. */
static int parse_run(char *data, uint64_t size, char *word)
{
	char *colon = strchr(word, ':');
	uint64_t off;

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	if (num_parse(word, 16, size, &off) < 0)
		return -EINVAL;
	for (const char *s = colon + 1; *s; s += 2) {
		int byte = manifest_hex_byte(s);
		if (byte < 0 || off >= size)
			return -EINVAL;
		data[off++] = (char)byte;
	}
	return 0;
}

static int parse_bytes(struct reader *r, const char *path, char *rest)
{
	char *word = manifest_word_next(&rest);
	uint64_t size;

	if (!word || num_parse(word, 10, MANIFEST_BYTES_MAX, &size) < 0)
		return -EINVAL;
	char *data = budget_take(r->m, size + 1);
	if (!data)
		return -ENOMEM;
	while ((word = manifest_word_next(&rest))) {
		if (parse_run(data, size, word) < 0) {
			free(data);
			return -EINVAL;
		}
	}
	return entry_add(r->m, path, MANIFEST_FILE, data, size);
}

static int parse_link(struct reader *r, const char *path, char *rest)
{
	size_t len = strlen(rest);

	if (len == 0 || len >= FILE_PATH_MAX)
		return -EINVAL;
	char *data = budget_take(r->m, len + 1);
	if (data)
		memcpy(data, rest, len + 1);
	return entry_add(r->m, path, MANIFEST_LINK, data, len);
}

static int parse_dir(struct reader *r, const char *path, char *rest)
{
	return *rest ? -EINVAL : entry_add(r->m, path, MANIFEST_DIR, budget_take(r->m, 1), 0);
}

static int parse_fail(struct reader *r, const char *path, char *rest)
{
	int error = manifest_error_by_name(rest);

	if (!error)
		return -EINVAL;
	int x = entry_add(r->m, path, MANIFEST_FAIL, budget_take(r->m, 1), 0);
	if (x == 0)
		r->m->entries[r->m->entry_count - 1].error = error;
	return x;
}

static int parse_at(struct reader *r, char *rest)
{
	return *rest == '/' && path_ok(rest) ? file_path(r->at, sizeof(r->at), "%s", rest)
					     : -EINVAL;
}

/* "DISK", or "DISK ERROR". */
static int parse_busy(struct reader *r, char *rest)
{
	struct manifest *m = r->m;
	const char *name = manifest_word_next(&rest);
	int answer = *rest ? manifest_error_by_name(rest) : 1;

	if (!name || strchr(name, '/') || !answer)
		return -EINVAL;
	void *array = manifest_array_grow(m, m->busy, m->busy_count, sizeof(*m->busy));
	if (!array)
		return -ENOMEM;
	m->busy = array;
	size_t size = strlen(name) + 1;
	char *copy = budget_take(m, size);
	if (!copy)
		return -ENOMEM;
	m->busy[m->busy_count++] = (struct manifest_busy){memcpy(copy, name, size), answer};
	return 0;
}

/* "MODE UID:GID", the mode in octal. */
static int parse_node(struct reader *r, const char *path, char *rest)
{
	char *mode = manifest_word_next(&rest);
	uint64_t bits, uid, gid;

	if (!mode || num_parse(mode, 8, 07777, &bits) < 0 ||
		manifest_number_take(&rest, ':', UINT32_MAX, &uid) < 0 ||
		num_parse(rest, 10, UINT32_MAX, &gid) < 0)
		return -EINVAL;
	struct host_node *n = budget_take(r->m, sizeof(*n));
	if (n)
		*n = (struct host_node){(unsigned)bits, (uid_t)uid, (gid_t)gid};
	return entry_add(r->m, path, MANIFEST_NODE, (char *)n, sizeof(*n));
}

/* "b8:1", "226:1", "0000:01:00.0/resource0", "?", and then a blank. */
static int parse_held(char **line, struct host_holder *o)
{
	uint64_t major, minor;
	size_t n = strcspn(*line, " ");

	if (memchr(*line, '/', n) || (n == 1 && **line == '?')) {
		const char *word = manifest_word_next(line);
		return *word == '?' ? 0 : file_path(o->resource, sizeof(o->resource), "%s", word);
	}
	o->is_block = **line == 'b';
	*line += o->is_block;
	if (manifest_number_take(line, ':', 4095, &major) < 0 ||
		manifest_number_take(line, ' ', 1048575, &minor) < 0)
		return -EINVAL;
	o->rdev = makedev((unsigned)major, (unsigned)minor);
	return 0;
}

static int parse_reach(struct reader *r, char *rest, enum host_holder_way way)
{
	struct host_holder o = {.way = way};
	struct manifest *m = r->m;
	uint64_t pid, uid;

	if (manifest_number_take(&rest, ' ', INT32_MAX, &pid) < 0 ||
		manifest_number_take(&rest, ' ', UINT32_MAX, &uid) < 0 || parse_held(&rest, &o) < 0)
		return -EINVAL;
	ssize_t len = manifest_unescape(rest);
	if (len < 0 || (size_t)len >= sizeof(o.comm))
		return -EINVAL;
	memcpy(o.comm, rest, (size_t)len);
	o.pid = (pid_t)pid;
	o.uid = (uid_t)uid;
	void *array = manifest_array_grow(m, m->holders, m->holder_count, sizeof(*m->holders));
	if (!array)
		return -ENOMEM;
	m->holders = array;
	m->holders[m->holder_count++] = o;
	return 0;
}

static int parse_holder(struct reader *r, char *rest)
{
	return parse_reach(r, rest, HOST_HOLDER_OPEN);
}

static int parse_mapped(struct reader *r, char *rest)
{
	return parse_reach(r, rest, HOST_HOLDER_MAPPED);
}

static int parse_ring(struct reader *r, char *rest)
{
	return parse_reach(r, rest, HOST_HOLDER_RING);
}

/*
 * "b259:1 NAME": a block node, "c" a character node, "f" a file on the file system of that number.
 */
static int parse_numbered(struct manifest *m, struct manifest_numbers *n, char *rest)
{
	static const char kinds[] = {
		[HOST_NUMBER_CHAR] = 'c', [HOST_NUMBER_BLOCK] = 'b', [HOST_NUMBER_FILE] = 'f'};
	const char *kind = *rest ? memchr(kinds, *rest, sizeof(kinds)) : NULL;
	uint64_t major, minor;

	if (!kind)
		return -EINVAL;
	rest++;
	if (manifest_number_take(&rest, ':', 4095, &major) < 0 ||
		manifest_number_take(&rest, ' ', 1048575, &minor) < 0 || !*rest)
		return -EINVAL;
	ssize_t length = manifest_unescape(rest);
	if (length < 0 || memchr(rest, '\0', (size_t)length))
		return -EINVAL;
	rest[length] = '\0';
	size_t size = sizeof(*n->list) + strlen(rest) + 1;
	if (size > m->budget)
		return -ENOMEM;
	m->budget -= size;
	const struct host_number number = {
		(enum host_number_kind)(kind - kinds), makedev((unsigned)major, (unsigned)minor)};
	return manifest_number_add(n, rest, number);
}

static int parse_path_number(struct reader *r, char *rest)
{
	return parse_numbered(r->m, &r->m->paths, rest);
}

static int parse_loop(struct reader *r, char *rest)
{
	return parse_numbered(r->m, &r->m->loops, rest);
}

static int parse_unseen(struct reader *r, char *rest)
{
	r->m->uses_error = manifest_error_by_name(rest);
	return r->m->uses_error ? 0 : -EINVAL;
}

static int parse_blind(struct reader *r, char *rest)
{
	r->m->blind = *rest ? manifest_error_by_name(rest) : -EACCES;
	return r->m->blind ? 0 : -EINVAL;
}

static int parse_line(struct reader *r, char *line)
{
	static const struct {
		const char *word;
		int (*plain)(struct reader *r, char *rest);
		int (*entry)(struct reader *r, const char *path, char *rest);
		int (*net)(struct manifest *m, char *rest);
	} words[] = {
		{"file", .entry = parse_file},
		{"bytes", .entry = parse_bytes},
		{"link", .entry = parse_link},
		{"dir", .entry = parse_dir},
		{"node", .entry = parse_node},
		{"fail", .entry = parse_fail},
		{"at", .plain = parse_at},
		{"busy", .plain = parse_busy},
		{"holder", .plain = parse_holder},
		{"mapped", .plain = parse_mapped},
		{"ring", .plain = parse_ring},
		{"number", .plain = parse_path_number},
		{"loop", .plain = parse_loop},
		{"address", .net = manifest_parse_address},
		{"way", .net = manifest_parse_way},
		{"upper", .net = manifest_parse_upper},
		{"away", .net = manifest_parse_away},
		{"use", .net = manifest_parse_use},
		{"namespaces", .net = manifest_parse_namespaces},
		{"socket", .net = manifest_parse_socket},
		{"time", .net = manifest_parse_time},
		{"unseen", .plain = parse_unseen},
		{"blind", .plain = parse_blind},
	};
	char path[FILE_PATH_MAX];

	if (!*line || *line == '#')
		return 0;
	const char *word = manifest_word_next(&line);
	for (size_t i = 0; word && i < COUNT(words); i++) {
		if (strcmp(word, words[i].word) != 0)
			continue;
		if (words[i].plain)
			return words[i].plain(r, line);
		if (words[i].net)
			return words[i].net(r->m, line);
		int x = full_path(r, manifest_word_next(&line), path, sizeof(path));
		return x < 0 ? x : words[i].entry(r, path, line);
	}
	return -EINVAL;
}

static int entry_order(const void *a, const void *b)
{
	const struct manifest_entry *x = a, *y = b;

	return manifest_compare(x->path, y->path);
}

/* Refuses a path that occurs twice, and one below a file or link. */
static int check_tree(const struct manifest *m, struct err *e)
{
	for (size_t i = 1; i < m->entry_count; i++) {
		const struct manifest_entry *a = &m->entries[i - 1], *b = &m->entries[i];
		size_t n = strlen(a->path);

		if (strncmp(a->path, b->path, n) != 0)
			continue;
		if (b->path[n] == '\0')
			return err_say(e, -EINVAL, "'%s' occurs twice", a->path);
		if (b->path[n] == '/' && a->kind != MANIFEST_DIR)
			return err_say(e, -EINVAL, "'%s' is below an entry that is not a directory",
				b->path);
	}
	return 0;
}

/* Whether the text begins as gzip, xz or zstd does. */
static bool is_compressed(const char *text)
{
	static const char *const magics[] = {"\x1f\x8b", "\xfd\x37zXZ", "\x28\xb5\x2f\xfd"};

	for (size_t i = 0; i < COUNT(magics); i++)
		if (strncmp(text, magics[i], strlen(magics[i])) == 0)
			return true;
	return false;
}

static int refuse_header(const char *text, struct err *e)
{
	if (!*text)
		return err_say(e, -EINVAL, "it is empty");
	(void)err_say(e, -EINVAL, "line 1 is not '" MANIFEST_HEADER "%d', so it is not a snapshot",
		MANIFEST_VERSION);
	if (*text == '>')
		err_hint(e, "it was quoted in a mail: get it again, as an attachment");
	return -EINVAL;
}

/* "usher-host 2"; an editor may have put a byte order mark before it. */
static int parse_header(struct manifest *m, char **text, struct err *e)
{
	size_t word = strlen(MANIFEST_HEADER);
	uint64_t version = 0;
	char digits[4] = "";

	if (strncmp(*text, "\xef\xbb\xbf", 3) == 0)
		*text += 3;
	size_t len = manifest_line_length(*text);
	if (len > word && len < word + sizeof(digits))
		memcpy(digits, *text + word, len - word);
	if (strncmp(*text, MANIFEST_HEADER, word) != 0 || num_parse(digits, 10, 999, &version) < 0)
		return refuse_header(*text, e);
	if (version < 1 || version > MANIFEST_VERSION)
		return err_say(e, -EINVAL, "its version is %" PRIu64 "; this usher reads up to %d",
			version, MANIFEST_VERSION);
	m->version = (int)version;
	return 0;
}

int manifest_parse(struct manifest *m, char *text, size_t len, struct err *e)
{
	struct reader r = {.m = m, .at = ""};
	unsigned line = 0;

	*m = (struct manifest){.budget = BUDGET};
	if (is_compressed(text))
		return err_say(e, -EINVAL, "it is compressed: unpack it first");
	if (strlen(text) != len)
		return err_say(e, -EINVAL, "it holds a NUL byte, so it is not a snapshot");
	int head = parse_header(m, &text, e);
	if (head < 0)
		return head;
	head = m->version > 1 ? manifest_end_check(text, e) : 0;
	if (head < 0)
		return head;
	while (text) {
		char *next = strchr(text, '\n');

		if (next)
			*next++ = '\0';
		line++;
		text[manifest_line_length(text)] = '\0';
		if (line > 1) {
			int x = parse_line(&r, text);
			if (x == -ENOMEM)
				return err_say(e, -EFBIG,
					"line %u: the snapshot needs too much memory", line);
			if (x < 0)
				return err_say(e, -EINVAL, "line %u is malformed", line);
		}
		text = next;
	}
	if (m->entry_count)
		qsort(m->entries, m->entry_count, sizeof(*m->entries), entry_order);
	return check_tree(m, e);
}

const struct manifest_number *manifest_number_find(
	const struct manifest_numbers *n, const char *name)
{
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->list[i].name, name) == 0)
			return &n->list[i];
	return NULL;
}

int manifest_number_add(struct manifest_numbers *n, const char *name, struct host_number number)
{
	struct manifest_number *list = reallocarray(n->list, n->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	n->list = list;
	list[n->count].name = strdup(name);
	if (!list[n->count].name)
		return -ENOMEM;
	list[n->count++].number = number;
	return 0;
}

static void numbers_free(struct manifest_numbers *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->list[i].name);
	free(n->list);
}

void manifest_fini(struct manifest *m)
{
	for (size_t i = 0; i < m->entry_count; i++) {
		free(m->entries[i].path);
		free(m->entries[i].data);
	}
	for (size_t i = 0; i < m->busy_count; i++)
		free(m->busy[i].name);
	numbers_free(&m->paths);
	numbers_free(&m->loops);
	manifest_times_free(m);
	free(m->entries);
	free(m->busy);
	free(m->holders);
	free(m->addresses);
	free(m->ways);
	free(m->uses);
	free(m->sockets);
	*m = (struct manifest){0};
}
