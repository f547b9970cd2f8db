/* SPDX-License-Identifier: MIT */
/*
 * All verbs that read a host, on each of these snapshots: read_verbs FILE…
 *
 * Runs them in one process for each snapshot, because starting a program under a sanitizer takes
 * longer than a verb. Whatever stands in a snapshot, each verb ends with one of its own statuses,
 * in time, prints no control byte, and its JSON can be parsed. Prints a line for each
 * fault; the status is 1 then.
 */
#include "base/file.h"
#include "base/num.h"
#include "cli/verb.h"

#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 8
#define ADDRESSES_MAX 6
#define SECONDS 20 /* of processor time: the machine may be busy */
#define OUTPUT_MAX (1 << 24)

/* "@" stands for the address of a device: such a line is done for several. */
static const char *const lines[][WORDS_MAX] = {
	{"list"},
	{"list", "-n", "-t"},
	{"list", "-l", "-o", "+group,name,above,subsystem"},
	{"list", "--json"},
	{"list", "--dot"},
	{"list", "--svg"},
	{"check"},
	{"check", "--json"},
	{"claims"},
	{"claims", "--json"},
	{"help", "iommu"},
	{"help", "group"},
	{"help", "reset"},
	{"help", "sriov"},
	{"snapshot", "/dev/null"},
	{"show", "@"},
	{"show", "--json", "@"},
	{"check", "@"},
	{"check", "--json", "@"},
	{"prove", "--dry-run", "@"},
	{"bind", "--dry-run", "@"},
	{"bind", "--dry-run", "--json", "@"},
	{"vfs", "@"},
	{"vfs", "--dry-run", "@", "2"},
};

static struct {
	int fd;
	FILE *faults; /* the real standard output */
	const char *file;
	char text[OUTPUT_MAX + 1];
} output;

static void tell_fault(int argc, char **argv, const char *what)
{
	(void)fprintf(output.faults, "%s:", output.file);
	for (int i = 0; i < argc; i++)
		(void)fprintf(output.faults, " %s", argv[i]);
	(void)fprintf(output.faults, ": %s\n", what);
	(void)fflush(output.faults);
}

/* What was printed since the last time. Return: its length. */
static size_t take_output(void)
{
	(void)fflush(stdout);
	(void)fflush(stderr);
	ssize_t len = pread(output.fd, output.text, OUTPUT_MAX, 0);
	if (ftruncate(output.fd, 0) < 0)
		abort();
	(void)lseek(output.fd, 0, SEEK_SET);
	output.text[len < 0 ? 0 : len] = '\0';
	return len < 0 ? 0 : (size_t)len;
}

static bool is_clean(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c < 0x20 && c != '\n') || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_json(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	json_object_put(o);
	return o != NULL;
}

/* Whether a line concerns one device. */
static bool has_address(const char *const *line)
{
	for (unsigned i = 0; i < WORDS_MAX && line[i]; i++)
		if (strcmp(line[i], "@") == 0)
			return true;
	return false;
}

/* Runs one verb, and leaves what it printed in output.text. Return: whether all is well. */
static bool run_line(const char *const *line, const char *address)
{
	static char words[WORDS_MAX + 3][FILE_PATH_MAX]; /* getopt_long() permutes argv */
	char *argv[WORDS_MAX + 3];
	const struct itimerval limit = {.it_value = {.tv_sec = SECONDS}};
	const char *fault = NULL;
	bool json = false;
	int argc = 0;

	for (unsigned i = 0; i < WORDS_MAX && line[i]; i++) {
		json |= strcmp(line[i], "--json") == 0;
		(void)snprintf(words[argc++], sizeof(words[0]), "%s",
			strcmp(line[i], "@") == 0 ? address : line[i]);
	}
	(void)strcpy(words[argc++], "--host");
	(void)snprintf(words[argc++], sizeof(words[0]), "%s", output.file);
	for (int i = 0; i < argc; i++)
		argv[i] = words[i];
	argv[argc] = NULL;
	optind = 0;
	const struct verb *v = strcmp(words[0], "help") == 0 ? &verb_help : verb_find(words[0]);
	(void)setitimer(ITIMER_PROF, &limit, NULL);
	int status = v->run(v, argc, argv);
	(void)fflush(stdout);
	ssize_t told = lseek(output.fd, 0, SEEK_CUR);
	size_t len = take_output();
	if (status < LEAVE_OK || status > LEAVE_REFUSED)
		fault = "it ends with a status that is none";
	else if (!is_clean(output.text, len))
		fault = "it prints a control byte";
	else if (!told && status != LEAVE_OK)
		fault = "it fails without a word";
	else if (json && output.text[0] == '{' && !is_json(output.text))
		fault = "it prints JSON that nobody can parse";
	if (fault)
		tell_fault(argc, argv, fault);
	return !fault;
}

/* The first addresses of the list. */
static size_t read_addresses(char addresses[][32])
{
	static const char *const line[WORDS_MAX] = {"list", "-l", "-n", "-o", "address"};
	size_t count = 0;

	if (!run_line(line, NULL))
		return 0;
	for (char *at = strchr(output.text, '\n'); at && count < ADDRESSES_MAX;
		at = strchr(at, '\n')) {
		at++;
		size_t len = strcspn(at, " \n");
		if (at[0] >= '0' && at[0] <= 'f' && len < 32 && memchr(at, ':', len)) {
			memcpy(addresses[count], at, len);
			addresses[count++][len] = '\0';
		}
	}
	return count;
}

static int run_host(void)
{
	char addresses[ADDRESSES_MAX + 1][32];
	size_t count = read_addresses(addresses);
	bool good = true;

	if (!count)
		(void)strcpy(addresses[count++], "0000:00:03.0"); /* is not there */
	for (size_t i = 0; i < COUNT(lines); i++) {
		size_t times = has_address(lines[i]) ? count : 1;
		for (size_t k = 0; k < times; k++)
			good &= run_line(lines[i], addresses[k]);
	}
	return good ? 0 : 1;
}

static bool run_child(const char *file)
{
	char what[64];
	int status;

	output.file = file;
	pid_t pid = fork();
	if (pid == 0)
		exit(run_host()); /* with a look for leaks, under a sanitizer */
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return false;
	if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		return WEXITSTATUS(status) == 0;
	size_t len = take_output(); /* the sanitizer's report is its end */
	(void)snprintf(what, sizeof(what), "ends the process (wait status %d)", status);
	tell_fault(0, NULL, what);
	(void)fwrite(output.text, 1, len, output.faults);
	(void)fflush(output.faults);
	return false;
}

int main(int argc, char **argv)
{
	bool good = argc > 1;

	output.faults = fdopen(dup(STDOUT_FILENO), "w");
	output.fd = memfd_create("output", MFD_CLOEXEC);
	if (!output.faults || output.fd < 0 || dup2(output.fd, STDOUT_FILENO) < 0 ||
		dup2(output.fd, STDERR_FILENO) < 0)
		return 2;
	for (int i = 1; i < argc; i++)
		good &= run_child(argv[i]);
	return good ? 0 : 1;
}
