/* SPDX-License-Identifier: MIT */
#include "image/debian.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/signals.h"
#include "image/debian_script.h"
#include "image/newfile.h"
#include "program/command.h"
#include "program/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * How it works
 *
 * Invariant: the image has no name until it is whole, and all else lies in one folder, which this
 * process has locked. mmdebstrap, or debootstrap, fills a folder with the system; mke2fs copies
 * that into the image without a mount.
 *
 * As root, all of it runs in a mount namespace and a PID namespace of its own (unshare(1)). The
 * kernel kills their processes when this one dies, and its mounts go with them. The next call
 * removes the folder: nobody has it locked any more.
 */
#define PREFIX "usher-debian."
#define LOG_MAX 65536
#define SYSTEM_PATH ":/usr/sbin:/usr/bin:/sbin:/bin"
#define TAKEN_MAX 65536
#define END_MS 10000 /* mmdebstrap cleans up after SIGTERM */

struct build {
	const struct debian_request *q;
	struct newfile image;
	char folder[NEWFILE_PATH_MAX];
	int lock; /* the open folder */
	int signals; /* those that end usher: it cleans up first */
	sigset_t mask; /* of signals, before */
	bool is_root, is_old; /* without mmdebstrap */
};

/* @more: besides letters, digits, '.' and '-'. No word begins as an option does. */
static bool is_word(const char *text, const char *more)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	size_t len = 0;

	while (text[len] && (strchr(plain, text[len]) || strchr(more, text[len])))
		len++;
	return len && len < 2048 && !text[len] && text[0] != '-';
}

static int words_check(const struct debian_request *q, struct err *e)
{
	if (!is_word(q->suite, "_"))
		return err_say(
			e, -EINVAL, "--suite: '%.60s' is not the name of a release", q->suite);
	if (q->include && !is_word(q->include, ",+:=~"))
		return err_say(e, -EINVAL,
			"--include: '%.60s' is not a list of packages with commas between",
			q->include);
	if (!is_word(q->mirror, "/:_%~+") || !strstr(q->mirror, ":/"))
		return err_say(e, -EINVAL, "--mirror: '%.60s' is not a URL", q->mirror);
	return 0;
}

/* Whoever gives a private key by mistake would hand it to the guest. */
static int key_check(const char *path, const char *text, struct err *e)
{
	static const char *const kinds[] = {"ssh-", "ecdsa-", "sk-"};

	if (strstr(text, "PRIVATE KEY")) {
		(void)err_say(e, -EINVAL, "--ssh-key: '%s' is a private key", path);
		err_hint(e, "give the public one: %s.pub", path);
		return -EINVAL;
	}
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strncmp(text, kinds[i], strlen(kinds[i])) == 0)
			return 0;
	return err_say(e, -EINVAL, "--ssh-key: '%s' has no public key", path);
}

static bool program_is_there(const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/usr/sbin/%s", name);
	return command_seek(name, NULL).code == 0 || access(path, X_OK) == 0;
}

static int program_need(const char *name, const char *package, const char *why, struct err *e)
{
	if (program_is_there(name))
		return 0;
	const struct command c = command_seek(name, NULL);
	(void)command_report(&c, name, geteuid(), e);
	err_hint(e, "install the package %s%s", package, why);
	return -ENOENT;
}

static int programs_check(struct build *b, struct err *e)
{
	b->is_root = geteuid() == 0;
	b->is_old = b->is_root && command_seek("mmdebstrap", NULL).code < 0 &&
		    command_seek("debootstrap", NULL).code == 0;
	int r = b->is_old ? 0 : program_need("mmdebstrap", "mmdebstrap", "", e);
	if (r < 0)
		return r;
	r = program_need("mke2fs", "e2fsprogs", "", e);
	if (r < 0 || b->is_root)
		return r;
	r = program_need("newuidmap", "uidmap", ": without root, files of other users need it", e);
	return r < 0 ? r
		     : program_need("fakeroot", "fakeroot", ": without root, owners need it", e);
}

/* Where there is room for a system: /tmp often is memory. */
static const char *folder_above(void)
{
	const char *own = getenv("TMPDIR");

	return own && own[0] == '/' && is_word(own, "/_+") ? own : "/var/tmp";
}

static int folder_make(struct build *b, struct err *e)
{
	int r = file_path(b->folder, sizeof(b->folder), "%s/" PREFIX "XXXXXX", folder_above());
	if (r == 0 && !mkdtemp(b->folder))
		r = -errno;
	if (r < 0) {
		b->folder[0] = '\0';
		return err_set(e, r, "make a folder in %s", folder_above());
	}
	/* Users of a namespace go through it. */
	b->lock = open(b->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->lock < 0 || flock(b->lock, LOCK_EX) < 0 || fchmod(b->lock, 0711) < 0)
		return err_set(e, -errno, "prepare '%s'", b->folder);
	return 0;
}

static int text_put(const struct build *b, const char *name, const char *text, struct err *e)
{
	char path[NEWFILE_PATH_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/%s", b->folder, name);
	int r = file_replace(path, text, strlen(text), 0644);
	return r < 0 ? err_set(e, r, "write '%s'", path) : 0;
}

/* Copies a file of the user's into the folder, as @name. @check: of its text; NULL. */
static int file_take(const struct build *b, const char *option, const char *path, const char *name,
	int (*check)(const char *path, const char *text, struct err *e), struct err *e)
{
	cleanup_free char *text = calloc(1, TAKEN_MAX + 1);

	if (!text)
		return err_set(e, -ENOMEM, "%s", option);
	int r = file_read(path, text, TAKEN_MAX);
	if (r < 0)
		return err_set(e, r, "%s: read '%s'", option, path);
	r = check ? check(path, text, e) : 0;
	if (r < 0)
		return r;
	strcat(text, "\n"); /* file_read() has removed it */
	return text_put(b, name, text, e);
}

static int folder_fill(const struct build *b, struct err *e)
{
	const struct debian_request *q = b->q;

	int r = text_put(b, "finish", debian_script_finish, e);
	if (r == 0 && q->ssh_key)
		r = file_take(b, "--ssh-key", q->ssh_key, "key", key_check, e);
	return r < 0 || !q->hook ? r : file_take(b, "--hook", q->hook, "hook", NULL, e);
}

/* mke2fs is where an ordinary user's PATH may not lead, and so is much of the new root. */
static void path_add(struct program *p)
{
	const char *own = getenv("PATH");

	program_env(p, "PATH=%s" SYSTEM_PATH, own ? own : "/usr/bin:/bin");
}

static void variables_add(const struct build *b, struct program *p)
{
	const struct debian_request *q = b->q;
	/* Until then it is a part of systemd. */
	const bool has_resolved = strcmp(q->suite, "bullseye") != 0;

	path_add(p);
	program_keep(p, "http_proxy");
	program_keep(p, "https_proxy");
	program_env(p, "HOME=/");
	program_env(p, "LC_ALL=C");
	program_env(p, "DEBIAN_FRONTEND=noninteractive");
	program_env(p, "WORK=%s", b->folder);
	program_env(p, "SUITE=%s", q->suite);
	program_env(p, "MIRROR=%s", q->mirror);
	program_env(p, "PACKAGES=%s%s%s%s%s", debian_script_packages,
		has_resolved ? ",systemd-resolved" : "", q->ssh_key ? ",openssh-server" : "",
		q->include ? "," : "", q->include ? q->include : "");
	program_env(p, "IMAGE=%d", b->image.fd);
	program_env(p, "KIB=%" PRIu64, q->size / 1024);
	program_fd(p, b->image.fd);
}

/* unshare(1) hands the kernel's signal on to what it starts. */
static void words_add(const struct build *b, struct program *p)
{
	static const char *const words[] = {
		"unshare", "--mount", "--pid", "--fork", "--kill-child=KILL"};

	for (size_t i = 0; b->is_root && i < COUNT(words); i++)
		program_word(p, words[i]);
	program_word(p, "sh");
	program_word(p, "-c");
	program_word(p, !b->is_root ? debian_script_user
			: b->is_old ? debian_script_old
				    : debian_script_root);
	p->die_signal = b->is_root ? SIGKILL : SIGTERM;
}

/* Ends all of it: it has a session of its own. */
static void child_end(struct process *child)
{
	struct pollfd f = {.fd = child->pidfd, .events = POLLIN};

	(void)kill(-child->pid, SIGTERM);
	if (poll(&f, 1, END_MS) == 0)
		(void)kill(-child->pid, SIGKILL);
}

/* Return: its status; -EINTR a signal came that ends usher. */
static int child_await(const struct build *b, struct process *child)
{
	struct pollfd fds[] = {
		{.fd = child->pidfd, .events = POLLIN}, {.fd = b->signals, .events = POLLIN}};
	struct signalfd_siginfo info;

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (!fds[1].revents)
		return process_reap(child);
	(void)!read(b->signals, &info, sizeof(info));
	child_end(child);
	(void)process_reap(child);
	return -EINTR;
}

static bool is_error(const char *line)
{
	return strncmp(line, "E: ", 3) == 0;
}

/* The first line that names an error, which those behind it follow from; or else the last one. */
static void log_line(int fd, char *buf, size_t size)
{
	cleanup_free char *text = calloc(1, LOG_MAX + 1);
	off_t end = lseek(fd, 0, SEEK_END);
	const char *best = "";
	char *rest = text;

	if (!text || pread(fd, text, LOG_MAX, end > LOG_MAX ? end - LOG_MAX : 0) < 0)
		rest = NULL;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (line[0] && !is_error(best))
			best = line;
	file_escape(buf, size, is_error(best) ? best + 3 : best);
}

static int failure_say(const struct build *b, int status, int log, struct err *e)
{
	char line[300];

	log_line(log, line, sizeof(line));
	if (status == -EINTR)
		return err_say(e, -EINTR, "interrupted: there is no '%s'", b->q->path);
	(void)err_say(e, -EIO, "no Debian was made: %s", line[0] ? line : "its log is empty");
	if (strstr(line, "No space left") || strstr(line, "Could not allocate block"))
		err_hint(e, "--size takes a larger disk; TMPDIR=FOLDER another place for 1 GB");
	return -EIO;
}

static int log_open(const struct build *b, struct err *e)
{
	char path[NEWFILE_PATH_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/log", b->folder);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	return fd < 0 ? err_set(e, -errno, "write '%s'", path) : fd;
}

static int script_run(const struct build *b, struct err *e)
{
	cleanup_free struct program *p = calloc(1, sizeof(*p));
	cleanup_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	cleanup_fd int log = log_open(b, e);
	struct process child;

	if (log < 0)
		return log;
	if (!p || null < 0)
		return err_set(e, -ENOMEM, "make Debian");
	words_add(b, p);
	variables_add(b, p);
	program_dir(p, "%s", b->folder);
	p->stdin_fd = null;
	p->stdout_fd = p->stderr_fd = log;
	int r = process_start(p, &child, e);
	if (r < 0)
		return r;
	r = child_await(b, &child);
	return r ? failure_say(b, r, log, e) : 0;
}

/* What is in $WORK/tmp may belong to users of a namespace, and that folder itself does not. */
static const char remove_script[] =
	"if [ \"$(id -u)\" != 0 ] && [ -d \"$WORK/tmp\" ]; then\n"
	"	mmdebstrap --unshare-helper find \"$WORK/tmp\" -mindepth 1 -delete\n"
	"fi\n"
	"rm -rf --one-file-system \"$WORK\"\n";

static void folder_remove(const char *path)
{
	cleanup_free struct program *p = calloc(1, sizeof(*p));
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct process child;

	if (!p || !path[0] || null < 0)
		return;
	p->stdin_fd = p->stdout_fd = p->stderr_fd = null;
	program_word(p, "sh");
	program_word(p, "-c");
	program_word(p, remove_script);
	program_keep(p, "PATH");
	program_env(p, "WORK=%s", path);
	program_dir(p, "/");
	if (process_start(p, &child, NULL) == 0)
		(void)process_reap(&child);
}

/* One that a killed usher has left: ours, and nobody has it locked. */
static void folder_sweep(int above, const char *name)
{
	char path[NEWFILE_PATH_MAX];
	struct stat st;
	cleanup_fd int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
		flock(fd, LOCK_EX | LOCK_NB) == 0 &&
		file_path(path, sizeof(path), "%s/%s", folder_above(), name) == 0)
		folder_remove(path);
}

static void folders_sweep(void)
{
	cleanup_dir DIR *d = opendir(folder_above());
	const struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0)
			folder_sweep(dirfd(d), entry->d_name);
}

static int image_fill(struct build *b, struct err *e)
{
	if (ftruncate(b->image.fd, (off_t)b->q->size) < 0)
		return err_set(e, -errno, "make '%s'", b->q->path);
	int r = folder_make(b, e);
	if (r < 0)
		return r;
	r = folder_fill(b, e);
	if (r < 0)
		return r;
	if (b->q->begins)
		b->q->begins(b->q);
	r = script_run(b, e);
	return r < 0 ? r : newfile_finish(&b->image, e);
}

static int signals_catch(struct build *b, struct err *e)
{
	sigset_t set;

	signals_that_end(&set);
	(void)sigprocmask(SIG_BLOCK, &set, &b->mask);
	b->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return b->signals < 0 ? err_set(e, -errno, "signalfd") : 0;
}

static int image_build(struct build *b, struct err *e)
{
	int r = signals_catch(b, e);

	if (r == 0) {
		folders_sweep();
		r = image_fill(b, e);
		folder_remove(b->folder);
	}
	fd_close(&b->lock);
	fd_close(&b->signals);
	(void)sigprocmask(SIG_SETMASK, &b->mask, NULL);
	return r;
}

int debian_make(const struct debian_request *q, struct err *e)
{
	struct build b = {.q = q, .image = NEWFILE_NONE, .lock = -1, .signals = -1};

	int r = words_check(q, e);
	if (r < 0)
		return r;
	r = programs_check(&b, e);
	if (r < 0)
		return r;
	r = newfile_open(q->path, &b.image, e);
	if (r < 0)
		return r;
	r = image_build(&b, e);
	newfile_close(&b.image);
	return r;
}
