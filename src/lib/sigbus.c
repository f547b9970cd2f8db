/* SPDX-License-Identifier: MIT */
#include "lib/sigbus.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <usher/region.h>

/* What other threads may read. The window itself may be freed at any time. */
static struct {
	_Atomic(struct usher_window *) window;
	_Atomic(const struct usher_device *) device;
	_Atomic uintptr_t at;
	_Atomic size_t size; /* [bytes] mapped; 0: not mapped */
} slots[SIGBUS_WINDOWS_MAX];
static struct sigaction before;
static uintptr_t page_size; /* sysconf() is not async-signal-safe */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int install_error;

/* mmap(2) is a bare system call, so a signal handler may call it although POSIX does not say so. */
static int put_ones(struct usher_window *w, uintptr_t at)
{
	void *page = (void *)(at & ~(page_size - 1));
	const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	/* Set this first: another thread may load from the new page before it is all ones. */
	w->gone = 1;
	/* cppcheck-suppress invalidFunctionArg; -1 is what anonymous memory is mapped from */
	void *ones = mmap(page, page_size, PROT_READ | PROT_WRITE, how, -1, 0);
	if (ones == MAP_FAILED)
		return -1;
	memset(ones, 0xff, page_size);
	/* cppcheck-suppress memleak; usher_window_close() unmaps it with the window */
	return 0;
}

static struct usher_window *window_at(uintptr_t at)
{
	for (size_t i = 0; i < SIGBUS_WINDOWS_MAX; i++) {
		if (at - atomic_load(&slots[i].at) < atomic_load(&slots[i].size))
			return atomic_load(&slots[i].window);
	}
	return NULL;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	const int saved = errno;
	struct usher_window *w = window_at((uintptr_t)info->si_addr);

	if (w && info->si_code > 0 && !put_ones(w, (uintptr_t)info->si_addr)) {
		errno = saved;
		return;
	}
	if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(sig, info, context);
	} else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(sig);
	} else {
		/* Without a handler before ours, the repeated access ends the program. */
		(void)sigaction(sig, &before, NULL);
		if (info->si_code <= 0)
			(void)raise(sig);
	}
	errno = saved;
}

static void handler_install(void)
{
	/* SA_ONSTACK: threads with small stacks, as Go has, set up an alternate one. */
	struct sigaction sa = {
		.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};

	page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
	install_error = sigaction(SIGBUS, &sa, &before) ? -errno : 0;
}

int sigbus_watch(struct usher_window *w, void *mapping, size_t size)
{
	(void)pthread_once(&once, handler_install);
	if (install_error < 0)
		return install_error;
	for (size_t i = 0; i < SIGBUS_WINDOWS_MAX; i++) {
		struct usher_window *none = NULL;
		if (!atomic_compare_exchange_strong(&slots[i].window, &none, w))
			continue;
		atomic_store(&slots[i].device, w->device);
		atomic_store(&slots[i].at, (uintptr_t)mapping);
		atomic_store(&slots[i].size, mapping ? size : 0);
		return 0;
	}
	return -ENOSPC;
}

void sigbus_forget(struct usher_window *w)
{
	for (size_t i = 0; i < SIGBUS_WINDOWS_MAX; i++) {
		if (atomic_load(&slots[i].window) != w)
			continue;
		atomic_store(&slots[i].size, 0);
		atomic_store(&slots[i].device, NULL);
		atomic_store(&slots[i].window, NULL);
	}
}

struct usher_window *sigbus_window(size_t i, const struct usher_device *d)
{
	if (i >= SIGBUS_WINDOWS_MAX || atomic_load(&slots[i].device) != d)
		return NULL;
	return atomic_load(&slots[i].window);
}
