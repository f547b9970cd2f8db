/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Invariant: a process that can reach a device node, by whatever the kernel shows of it, is
 * reported; a process that usher may not look at makes the answer incomplete, and that is
 * reported as well.
 *
 * A process reaches a node by:
 *
 *	/proc/PID/fd		descriptors. The leader of a process may have exited while other
 *				threads run: its folder is empty, and theirs is not
 *	/proc/TID/fd		a thread may have a descriptor table of its own
 *	/proc/PID/map_files	a mapping outlives the descriptor; so does one of a PCI device's
 *				resourceN in sysfs, which is no device node
 *	/proc/PID/fdinfo/N	files that are registered with an io_uring need no descriptor
 *
 * The first is all that a listing looks at, and costs a few calls for each process. Mapped files
 * are asked for their type once for all processes: most of them are libraries. A BAR is known by
 * its path in /proc/PID/maps, so to look for BARs alone takes one file of each process.
 */
#include "host/holders.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX ((size_t)256 * 1024) /* [bytes] of /proc/2/task/2/children */
#define RING_TRIES 5 /* the kernel shows no files of a ring whose lock is taken */

/* A mapped file that is no device. */
struct plain_file {
	uint64_t device; /* as maps has it: (major << 32) + minor; 0 with inode 0: a free place */
	uint64_t inode;
};

struct walk {
	struct host *host;
	enum host_look look;
	int (*each)(void *arg, const struct host_holder *o);
	void *arg;
	int blind; /* error that hid a process from us */
	char *threads; /* " 2 3 17 …": kernel threads; NULL: unknown */
	size_t plain_count, plain_room; /* room: a power of two */
	struct plain_file *plain;
};

/* One process, and what is known of it so far. */
struct visit {
	struct walk *walk;
	const char *pid; /* of the process, or of the thread that is looked at */
	struct host_holder holder;
	unsigned descriptors; /* that were seen */
	unsigned mappings; /* that were seen */
	bool has_ring; /* among them */
};

static bool name_is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* Fills in user and name of a process. Only for one that has a node open: it takes two calls. */
static void holder_identify(struct visit *v)
{
	struct host_holder *o = &v->holder;
	char path[FILE_PATH_MAX];
	struct stat st;

	if (o->comm[0])
		return;
	if (file_path(path, sizeof(path), "/proc/%d", (int)o->pid) == 0 && stat(path, &st) == 0)
		o->uid = st.st_uid;
	if (file_path(path, sizeof(path), "/proc/%d/comm", (int)o->pid) < 0 ||
		file_read(path, o->comm, sizeof(o->comm)) < 0)
		o->comm[0] = '\0';
}

static int holder_tell(struct visit *v, enum host_holder_way way, const struct statx *st)
{
	struct host_holder *o = &v->holder;

	holder_identify(v);
	o->way = way;
	o->is_block = st && S_ISBLK(st->stx_mode);
	o->rdev = st ? makedev(st->stx_rdev_major, st->stx_rdev_minor) : 0;
	return v->walk->each(v->walk->arg, o);
}

/* Memory devices and pseudo terminals: majors of devices.txt without hardware behind them. */
static bool is_without_hardware(const struct statx *st)
{
	unsigned m = st->stx_rdev_major;

	return S_ISCHR(st->stx_mode) && (m == 1 || (m >= 136 && m <= 143));
}

static bool is_hardware(const struct statx *st)
{
	return (S_ISCHR(st->stx_mode) || S_ISBLK(st->stx_mode)) && !is_without_hardware(st);
}

/*
 * A ring's file: "/dev/nvme0n1", "socket:[17]"; older kernels (6.12) show the last component alone,
 * and nothing for a socket.
 */
static int ring_file_look(struct visit *v, const char *name)
{
	char path[FILE_PATH_MAX];
	struct statx st;

	if (!*name || strcmp(name, "<none>") == 0 || (strchr(name, ':') && name[0] != '/'))
		return 0;
	int r = file_path(path, sizeof(path), "/proc/%s/root%s%s", v->pid,
		name[0] == '/' ? "" : "/dev/", name);
	if (r == 0 && statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0)
		return is_hardware(&st) ? holder_tell(v, HOST_HOLDER_RING, &st) : 0;
	/* A node that was removed, or one that is not in /dev. */
	return holder_tell(v, HOST_HOLDER_RING, NULL);
}

/*
 * "UserFiles:\t2\n    0: /dev/nvme0n1\n    1: …\nUserBufs: …". The kernel leaves the files out
 * while a call works on the ring.
 * Return: 1 if it left them out, 0, -errno.
 */
static int ring_text_look(struct visit *v, char *text)
{
	char *save = NULL;
	unsigned count, number, seen = 0;
	char *at = strstr(text, "UserFiles:");

	if (!at || sscanf(at, "UserFiles: %u", &count) != 1 || !count)
		return 0;
	at = strchr(at, '\n');
	for (char *line = at ? strtok_r(at, "\n", &save) : NULL; line;
		line = strtok_r(NULL, "\n", &save)) {
		int end = 0;
		if (sscanf(line, " %u:%n", &number, &end) != 1 || !end)
			break;
		end += line[end] == ' ';
		seen++;
		int r = ring_file_look(v, line + end);
		if (r)
			return r;
	}
	return seen == 0;
}

static int ring_look(struct visit *v, int fd_dir, const char *fd)
{
	static const struct timespec pause = {0, 1000000};
	char path[FILE_PATH_MAX], link[64];
	int r = 1;

	ssize_t n = readlinkat(fd_dir, fd, link, sizeof(link) - 1);
	if (n < 0)
		return 0;
	link[n] = '\0';
	if (strcmp(link, "anon_inode:[io_uring]") != 0)
		return 0;
	v->has_ring = true;
	if (file_path(path, sizeof(path), "/proc/%s/fdinfo/%s", v->pid, fd) < 0)
		return 0;
	for (unsigned i = 0; r == 1 && i < RING_TRIES; i++) {
		cleanup_free char *text = NULL;
		if (i)
			(void)nanosleep(&pause, NULL);
		if (host_read_all(v->walk->host, path, &text) < 0)
			return 0;
		r = ring_text_look(v, text);
	}
	return r == 1 ? holder_tell(v, HOST_HOLDER_RING, NULL) : r;
}

static int descriptor_look(struct visit *v, int fd_dir, const char *fd)
{
	struct statx st;

	/* DONT_SYNC: a file may lie on a dead network file system. */
	if (statx(fd_dir, fd, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		/* Root without CAP_SYS_PTRACE can list descriptors, but not look at them. */
		return errno == EACCES || errno == EPERM ? -errno : 0;
	/* Files of the kernel's own, such as rings, have no type. */
	if (!(st.stx_mode & S_IFMT) && v->walk->look == HOST_LOOK_EVERYWHERE)
		return ring_look(v, fd_dir, fd);
	return is_hardware(&st) ? holder_tell(v, HOST_HOLDER_OPEN, &st) : 0;
}

static int descriptors_look(struct visit *v)
{
	char path[FILE_PATH_MAX];
	int r = file_path(path, sizeof(path), "/proc/%s/fd", v->pid);

	if (r < 0)
		return r;
	cleanup_dir DIR *dir = opendir(path);
	if (!dir)
		return -errno;
	for (struct dirent *d = readdir(dir); d && r == 0; d = readdir(dir)) {
		if (!name_is_number(d->d_name))
			continue;
		v->descriptors++;
		r = descriptor_look(v, dirfd(dir), d->d_name);
	}
	return r;
}

/* Mixes a file's numbers into a place of the table. */
static size_t plain_place(const struct walk *w, const struct plain_file *f)
{
	uint64_t x = (f->inode ^ f->device << 17) * 0x9e3779b97f4a7c15;

	return (size_t)(x >> 32) & (w->plain_room - 1);
}

/* The place of a file in the table, or the free one where it belongs. */
static struct plain_file *plain_find(const struct walk *w, const struct plain_file *f)
{
	size_t i = plain_place(w, f);

	while (w->plain[i].inode &&
		(w->plain[i].inode != f->inode || w->plain[i].device != f->device))
		i = (i + 1) & (w->plain_room - 1);
	return &w->plain[i];
}

static bool plain_is_known(const struct walk *w, const struct plain_file *f)
{
	return w->plain_room && plain_find(w, f)->inode;
}

/* A table that cannot grow only costs time: the file is asked for again. */
static void plain_add(struct walk *w, const struct plain_file *f)
{
	if (2 * w->plain_count >= w->plain_room) {
		size_t room = w->plain_room ? 2 * w->plain_room : 256;
		struct walk next = {.plain_room = room, .plain = calloc(room, sizeof(*next.plain))};
		if (!next.plain)
			return;
		for (size_t i = 0; i < w->plain_room; i++)
			if (w->plain[i].inode)
				*plain_find(&next, &w->plain[i]) = w->plain[i];
		free(w->plain);
		w->plain = next.plain;
		w->plain_room = room;
	}
	struct plain_file *place = plain_find(w, f);
	w->plain_count += !place->inode;
	*place = *f;
}

/* "…/0000:01:00.0/resource0", also "resource0_wc": a BAR in sysfs. */
static bool resource_read(const char *path, struct host_holder *o)
{
	const char *base = strrchr(path, '/');
	unsigned number;
	int end = 0;

	if (!base || sscanf(base, "/resource%1u%n", &number, &end) != 1 ||
		(base[end] && strcmp(base + end, "_wc") != 0))
		return false;
	const char *device = base;
	while (device > path && device[-1] != '/')
		device--;
	return file_path(o->resource, sizeof(o->resource), "%s", device) == 0;
}

/* One line of maps: "START-END PERMISSIONS OFFSET MAJOR:MINOR INODE   PATH". */
struct mapping {
	uint64_t start, end;
	struct plain_file file;
	const char *path; /* "" for none */
};

/* A hexadecimal or decimal number, and the one character behind it; a scanf() takes far longer. */
static uint64_t number_scan(const char **p, unsigned base)
{
	uint64_t n = 0;

	for (;; (*p)++) {
		unsigned c = (unsigned char)**p;
		unsigned digit = c - '0' < 10u         ? c - '0'
				 : (c | 32) - 'a' < 6u ? (c | 32) - 'a' + 10
						       : 99;
		if (digit >= base)
			break;
		n = n * base + digit;
	}
	*p += **p != '\0';
	return n;
}

/* Return: whether a file is mapped there. */
static bool mapping_parse(const char *line, struct mapping *ret)
{
	const char *p = line;

	ret->start = number_scan(&p, 16);
	ret->end = number_scan(&p, 16);
	p += strcspn(p, " ");
	p += *p == ' ';
	(void)number_scan(&p, 16);
	ret->file.device = number_scan(&p, 16) << 32;
	ret->file.device |= number_scan(&p, 16);
	ret->file.inode = number_scan(&p, 10);
	ret->path = p + strspn(p, " ");
	return ret->file.inode != 0;
}

/* Behind resource_read(). */
static int bar_tell(struct visit *v)
{
	int r = holder_tell(v, HOST_HOLDER_MAPPED, NULL);

	v->holder.resource[0] = '\0';
	return r;
}

/*
 * One mapping in ten thousand is that of a BAR, so lines are taken apart that may be of one. @text:
 * of maps, and is changed.
 */
static int bars_find(struct visit *v, char *text)
{
	char *at = text;

	v->mappings += *text != '\0';
	while ((at = strstr(at, "/resource"))) {
		char *end = strchrnul(at, '\n');
		const char *before = memrchr(text, '\n', (size_t)(at - text));
		struct mapping m;
		const bool is_last = !*end;
		*end = '\0';
		if (mapping_parse(before ? before + 1 : text, &m) &&
			resource_read(m.path, &v->holder)) {
			int r = bar_tell(v);
			if (r)
				return r;
		}
		if (is_last)
			break;
		*end = '\n';
		at = end;
	}
	return 0;
}

static int mapping_look(struct visit *v, const struct mapping *m)
{
	struct walk *w = v->walk;
	char path[FILE_PATH_MAX];
	struct statx st;

	/* A ring may live on without a descriptor, and then shows no files. */
	if (!v->has_ring && strcmp(m->path, "anon_inode:[io_uring]") == 0) {
		v->has_ring = true;
		return holder_tell(v, HOST_HOLDER_RING, NULL);
	}
	if (plain_is_known(w, &m->file))
		return 0;
	if (resource_read(m->path, &v->holder))
		return bar_tell(v);
	int r = file_path(path, sizeof(path), "/proc/%s/map_files/%" PRIx64 "-%" PRIx64, v->pid,
		m->start, m->end);
	if (r < 0)
		return r;
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return errno == EACCES || errno == EPERM ? -errno : 0;
	if (is_hardware(&st))
		return holder_tell(v, HOST_HOLDER_MAPPED, &st);
	plain_add(w, &m->file);
	return 0;
}

static int mappings_look(struct visit *v)
{
	cleanup_free char *text = NULL;
	char path[FILE_PATH_MAX], *rest;

	int r = file_path(path, sizeof(path), "/proc/%s/maps", v->pid);
	if (r < 0)
		return r;
	ssize_t n = host_read_all(v->walk->host, path, &text);
	if (n < 0)
		return (int)n;
	if (v->walk->look == HOST_LOOK_BARS)
		return bars_find(v, text);
	rest = text;
	for (char *line = strsep(&rest, "\n"); line && r == 0; line = strsep(&rest, "\n")) {
		struct mapping m;
		v->mappings += *line != '\0';
		if (mapping_parse(line, &m))
			r = mapping_look(v, &m);
	}
	return r;
}

/* A thread that is not the leader: /proc has a folder for each, though it lists only leaders. */
static int thread_look(struct visit *v, const char *thread, bool leader_is_gone)
{
	const char *leader = v->pid;

	/* Threads share a table unless one of them asked for its own. */
	if (!leader_is_gone &&
		syscall(SYS_kcmp, v->holder.pid, strtol(thread, NULL, 10), KCMP_FILES, 0, 0) == 0)
		return 0;
	v->pid = thread;
	int r = v->walk->look == HOST_LOOK_BARS ? 0 : descriptors_look(v);
	/* Threads share memory, which the leader has given up. */
	if (r == 0 && leader_is_gone && v->walk->look != HOST_LOOK_DESCRIPTORS)
		r = mappings_look(v);
	v->pid = leader;
	return r == -ENOENT || r == -ESRCH ? 0 : r;
}

static int threads_look(struct visit *v, bool leader_is_gone)
{
	char path[FILE_PATH_MAX];
	struct stat st;

	int r = file_path(path, sizeof(path), "/proc/%s/task", v->pid);
	if (r < 0)
		return r;
	/* Its links are itself, its parent and the threads. */
	if (stat(path, &st) < 0 || st.st_nlink == 3)
		return 0;
	cleanup_dir DIR *dir = opendir(path);
	if (!dir)
		return -errno;
	for (struct dirent *d = readdir(dir); d && r == 0; d = readdir(dir))
		if (name_is_number(d->d_name) && strcmp(d->d_name, v->pid) != 0)
			r = thread_look(v, d->d_name, leader_is_gone);
	return r;
}

/* A leader that has exited has no memory. */
static int bars_look(struct visit *v)
{
	int r = mappings_look(v);

	if (r == -ESRCH && !v->mappings)
		r = 0; /* as some kernels say that */
	return r || v->mappings ? r : threads_look(v, true);
}

static int process_look(struct walk *w, const char *pid)
{
	struct visit v = {.walk = w, .pid = pid, .holder = {.pid = (pid_t)strtol(pid, NULL, 10)}};
	bool everywhere = w->look == HOST_LOOK_EVERYWHERE;

	if (w->look == HOST_LOOK_BARS)
		return bars_look(&v);
	int r = descriptors_look(&v);
	if (r)
		return r;
	bool leader_is_gone = v.descriptors == 0;
	if (leader_is_gone || everywhere)
		r = threads_look(&v, leader_is_gone);
	return r || !everywhere ? r : mappings_look(&v);
}

/*
 * Most processes are kernel threads, which have nothing open: skip them. They are the children of
 * kthreadd, process 2, which has no program. In a container, process 2 may be any process; without
 * CONFIG_PROC_CHILDREN the list is unknown. Programs that the kernel starts, as modprobe, are
 * children of kthreadd, too, and are skipped.
 */
static void threads_read(struct walk *w)
{
	static const char path[] = "/proc/2/task/2/children";
	char exe;

	if (readlink("/proc/2/exe", &exe, 1) >= 0 || errno != ENOENT)
		return;
	char *text = malloc(THREADS_MAX);
	ssize_t len = text ? w->host->ops->read(w->host, path, text + 1, THREADS_MAX - 2) : -1;
	if (len <= 0 || len == THREADS_MAX - 2) {
		free(text);
		return;
	}
	text[0] = ' ';
	text[len + 1] = '\0';
	w->threads = text;
}

static bool is_kernel_thread(const struct walk *w, const char *pid)
{
	char word[16];

	if (!w->threads || file_path(word, sizeof(word), " %s ", pid) < 0)
		return false;
	return strstr(w->threads, word) || strcmp(pid, "2") == 0;
}

static int walk_name(void *arg, const char *name)
{
	struct walk *w = arg;

	if (!name_is_number(name) || is_kernel_thread(w, name))
		return 0;
	int r = process_look(w, name);
	/* A process that ended meanwhile holds nothing. */
	if (r == -ENOENT || r == -ESRCH)
		return 0;
	if (r == -EACCES || r == -EPERM) {
		w->blind = w->blind ? w->blind : r;
		return 0;
	}
	return r;
}

int holders_walk(struct host *h, enum host_look look,
	int (*each)(void *arg, const struct host_holder *o), void *arg)
{
	struct walk w = {.host = h, .look = look, .each = each, .arg = arg};

	threads_read(&w);
	int r = h->ops->list(h, "/proc", walk_name, &w);
	free(w.threads);
	free(w.plain);
	return r ? r : w.blind;
}
