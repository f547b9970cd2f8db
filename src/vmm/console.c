/* SPDX-License-Identifier: MIT */
#include "vmm/console.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

/*
 * How it works
 *
 * No vCPU and no loop waits for the reader of the output: the guest's bytes go to an outbox, and
 * the outbox's own thread writes them. When the outbox is full, the serial port reports a full
 * transmitter.
 *
 * KVM collects the guest's port writes without an exit (vmm/coalesce), so output can sit in KVM
 * while no exit fetches it. A timer, on_tick(), fetches it, and flushes a line that the guest has
 * not finished. Without output the timer slows down to CONSOLE_IDLE_MS.
 */

/* How long a reader may take once the guest has ended: without reading a byte, and in all. */
#define CONSOLE_LAST_IDLE_MS 1000
#define CONSOLE_LAST_MS 10000
/* The same if a signal or the keeper stopped the guest. */
#define CONSOLE_STOP_IDLE_MS 100
#define CONSOLE_STOP_MS 1000
#define CONSOLE_IDLE_MS 1000 /* between two looks at an idle port */
#define KEY_ESCAPE 0x01 /* Ctrl-A */

static struct console *of_serial(struct serial *s)
{
	return container_of(s, struct console, serial);
}

WALL_CALL(main | vcpu, timerfd_settime);

/*
 * Has on_tick() look, in @ms at the latest, for writes that KVM holds and for half a line in the
 * buffer. Under the lock.
 */
static void arm_tick(struct console *c, unsigned ms)
{
	const struct itimerspec when = {
		.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}};

	if (c->tick_ms && c->tick_ms <= ms)
		return;
	if (timerfd_settime(c->tick.fd, 0, &when, NULL) == 0)
		c->tick_ms = ms;
}

static void arm_tick_alone(struct console *c, unsigned ms)
{
	lock_take(&c->lock);
	arm_tick(c, ms);
	lock_drop(&c->lock);
}

static bool console_send(struct serial *s, uint8_t byte)
{
	struct console *c = of_serial(s);

	panic_hear(&c->vm->panic, byte);
	viewers_put(&c->viewers, &byte, 1);
	arm_tick(c, CONSOLE_TICK_MS);
	if (c->kind == CONSOLE_NONE)
		return true;
	size_t room = outbox_put(&c->outbox, &byte, 1);
	if (byte == '\n')
		outbox_flush(&c->outbox);
	return room >= SERIAL_FIFO;
}

/* Context: the outbox's thread. */
static void console_drained(struct outbox *o)
{
	struct console *c = container_of(o, struct console, outbox);

	lock_take(&c->lock);
	serial_drained(&c->serial);
	lock_drop(&c->lock);
}

static void console_irq(struct serial *s, bool level)
{
	(void)irq_line(&of_serial(s)->vm->irq, CONSOLE_PIN, level);
}

static void watch_input(struct console *c)
{
	if (!c->input_on && !c->background && c->input.fd >= 0 &&
		loop_add(&c->vm->loop, &c->input, NULL) == 0)
		c->input_on = true;
}

static void unwatch_input(struct console *c)
{
	if (c->input_on)
		loop_remove(&c->vm->loop, &c->input);
	c->input_on = false;
}

static void console_room(struct serial *s)
{
	watch_input(of_serial(s));
	viewers_room(&of_serial(s)->viewers);
}

/* Under the lock, and so is the next one. */
static unsigned keys_room(const struct console *c)
{
	return c->diverted ? CONSOLE_KEYS - c->key_count : serial_room(&c->serial);
}

static void keys_put(struct console *c, const uint8_t *keys, size_t len)
{
	if (!c->diverted) {
		serial_receive(&c->serial, keys, len);
		return;
	}
	len = min_u64(len, keys_room(c));
	memcpy(c->keys + c->key_count, keys, len);
	c->key_count += (unsigned)len;
	c->line->typed(c->line);
}

static unsigned viewers_ask_room(struct viewers *v)
{
	return keys_room(container_of(v, struct console, viewers));
}

static void viewers_type(struct viewers *v, const uint8_t *keys, size_t len)
{
	keys_put(container_of(v, struct console, viewers), keys, len);
}

static const struct serial_ops ops = {
	.send = console_send,
	.irq = console_irq,
	.room = console_room,
};

/*
 * Acts on the escape keys and removes them: Ctrl-A x stops the guest, and after another Ctrl-A, or
 * an a, the guest gets one. Return: bytes left for the guest.
 */
static size_t take_escapes(struct console *c, uint8_t *keys, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		bool escaped = c->escape;
		c->escape = false;
		if (escaped && (keys[i] == KEY_ESCAPE || keys[i] == 'a' || keys[i] == 'A'))
			keys[kept++] = KEY_ESCAPE;
		else if (keys[i] == KEY_ESCAPE)
			c->escape = true;
		else if (escaped && (keys[i] == 'x' || keys[i] == 'X'))
			vm_interrupt(c->vm, SIGINT, "stopped from the terminal");
		else
			keys[kept++] = keys[i];
	}
	return kept;
}

/* Stops watching when there is no room, until the guest has read. Return: the room [bytes]. */
static unsigned input_room(struct console *c)
{
	lock_take(&c->lock);
	unsigned room = keys_room(c);
	if (!room)
		unwatch_input(c);
	lock_drop(&c->lock);
	return (unsigned)min_u64(room, SERIAL_FIFO);
}

WALL_CALL(main, read);

static void input_take(struct console *c)
{
	uint8_t keys[SERIAL_FIFO];
	unsigned room = input_room(c);
	ssize_t n = room ? read(c->input.fd, keys, room) : 0;

	if (!room || (n < 0 && (errno == EINTR || errno == EAGAIN)))
		return;
	lock_take(&c->lock);
	if (n <= 0) {
		unwatch_input(c);
		c->input.fd = -1;
	} else {
		keys_put(c, keys, c->raw ? take_escapes(c, keys, (size_t)n) : (size_t)n);
	}
	lock_drop(&c->lock);
}

/* In the background the keys are somebody else's. */
static bool in_background(const struct console *c)
{
	return c->terminal.known && !terminal_is_readable(c->terminal.fd);
}

static void on_input(struct loop_source *src, uint32_t events)
{
	struct console *c = container_of(src, struct console, input);

	if (!in_background(c)) {
		input_take(c);
		return;
	}
	lock_take(&c->lock);
	unwatch_input(c);
	c->background = true;
	arm_tick(c, CONSOLE_IDLE_MS);
	lock_drop(&c->lock);
}

WALL_CALL(main, ioctl, TCGETS, TCSETS);

/* A process in the background must not set the terminal: it is somebody else's meanwhile. */
static void make_raw(struct console *c)
{
	c->background = in_background(c);
	if (!c->background && !c->raw && terminal_read(c->input.fd, &c->terminal))
		c->raw = terminal_make_raw(&c->terminal);
}

/* Nobody tells a process that it is in the foreground again. */
static void input_return(struct console *c)
{
	make_raw(c);
	if (c->background) {
		arm_tick_alone(c, CONSOLE_IDLE_MS);
		return;
	}
	lock_take(&c->lock);
	watch_input(c);
	lock_drop(&c->lock);
}

/*
 * KVM may hold output of a guest that never exits to user space again. So while KVM coalesces, the
 * timer is always armed: soon after output, and later each time that there was none.
 */
static void on_tick(struct loop_source *src, uint32_t events)
{
	struct console *c = container_of(src, struct console, tick);
	uint64_t times;

	if (read(src->fd, &times, sizeof(times)) < 0)
		return;
	lock_take(&c->lock);
	unsigned next = (unsigned)min_u64(UINT64_C(2) * c->tick_ms, CONSOLE_IDLE_MS);
	c->tick_ms = 0;
	lock_drop(&c->lock);
	(void)coalesce_drain(c->vm);
	outbox_flush(&c->outbox);
	viewers_show(&c->viewers);
	if (c->vm->coalesce.ring)
		arm_tick_alone(c, next);
	if (c->background)
		input_return(c);
}

void console_renew(struct console *c)
{
	/* Without it each byte is an exit, and all works as before. */
	if (coalesce_port(c->vm, CONSOLE_PORT) == 0)
		arm_tick_alone(c, CONSOLE_TICK_MS);
}

WALL_CALL(main, timerfd_create);

int console_init(struct console *c, struct vm *vm, enum console_kind kind, struct err *e)
{
	c->vm = vm;
	c->kind = kind;
	c->input = (struct loop_source){
		.fd = kind == CONSOLE_NONE ? -1 : STDIN_FILENO, .ready = on_input};
	c->tick = (struct loop_source){.fd = -1, .ready = on_tick};
	c->lock = (struct lock)LOCK_INIT(LOCK_DEVICE);
	c->viewers = (struct viewers){.lock = &c->lock,
		.loop = &vm->loop,
		.room = viewers_ask_room,
		.receive = viewers_type};
	viewers_init(&c->viewers);
	serial_init(&c->serial, &ops, CONSOLE_PORT);
	c->serial.range.lock = &c->lock;
	int r = outbox_init(&c->outbox, "console", STDOUT_FILENO);
	if (r < 0)
		return err_set(e, r, "make the console's buffer");
	c->outbox.ready = console_drained;
	c->outbox.low = SERIAL_FIFO;
	r = bus_add(&vm->ports, &c->serial.range, e);
	if (r < 0)
		return r;
	c->tick.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->tick.fd < 0)
		return err_set(e, -errno, "create the console's timer");
	r = loop_add(&vm->loop, &c->tick, e);
	if (r < 0)
		return r;
	console_renew(c);
	if (kind == CONSOLE_NONE)
		return 0;
	(void)terminal_read(c->input.fd, &c->terminal);
	input_return(c);
	return 0;
}

void console_join(struct console *c, struct console_line *l)
{
	if (!l && c->vm)
		console_divert(c, false);
	c->line = l;
}

void console_divert(struct console *c, bool to_line)
{
	lock_take(&c->lock);
	if (c->diverted != to_line && c->line) {
		c->diverted = to_line;
		c->key_count = 0;
		watch_input(c);
		viewers_room(&c->viewers);
	}
	lock_drop(&c->lock);
}

void console_say(struct console *c, const uint8_t *bytes, size_t len)
{
	lock_take(&c->lock);
	for (size_t i = 0; i < len; i++)
		panic_hear(&c->vm->panic, bytes[i]);
	viewers_put(&c->viewers, bytes, len);
	if (c->kind != CONSOLE_NONE)
		(void)outbox_put(&c->outbox, bytes, len);
	if (memchr(bytes, '\n', len))
		outbox_flush(&c->outbox);
	arm_tick(c, CONSOLE_TICK_MS);
	lock_drop(&c->lock);
}

size_t console_hear(struct console *c, uint8_t *keys, size_t size)
{
	lock_take(&c->lock);
	size_t len = min_u64(size, c->key_count);
	memcpy(keys, c->keys, len);
	c->key_count -= (unsigned)len;
	memmove(c->keys, c->keys + len, c->key_count);
	if (len) {
		watch_input(c);
		viewers_room(&c->viewers);
	}
	lock_drop(&c->lock);
	return len;
}

WALL_CALL(main, ioctl, TIOCGWINSZ);

void console_size(const struct console *c, uint16_t *ret_columns, uint16_t *ret_rows)
{
	struct winsize size = {0};

	if (c->terminal.known)
		(void)ioctl(c->terminal.fd, TIOCGWINSZ, &size);
	*ret_columns = size.ws_col;
	*ret_rows = size.ws_row;
}

void console_resized(struct console *c)
{
	if (c->vm && c->line)
		c->line->resized(c->line);
}

int console_show(struct console *c, int fd, bool read_only)
{
	/* What KVM still holds belongs to the history. */
	(void)coalesce_drain(c->vm);
	return viewers_add(&c->viewers, fd, read_only);
}

void console_drain(struct console *c)
{
	bool stopped = vm_ended(c->vm) == VM_STOPPED;

	/* What KVM still holds was sent before the end. */
	(void)coalesce_drain(c->vm);
	viewers_show(&c->viewers);
	(void)outbox_drain(&c->outbox, stopped ? CONSOLE_STOP_IDLE_MS : CONSOLE_LAST_IDLE_MS,
		stopped ? CONSOLE_STOP_MS : CONSOLE_LAST_MS);
}

void console_reset(struct console *c)
{
	lock_take(&c->lock);
	serial_reset(&c->serial);
	c->diverted = false;
	c->key_count = 0;
	watch_input(c);
	viewers_room(&c->viewers);
	lock_drop(&c->lock);
}

void console_fini(struct console *c)
{
	if (!c->vm)
		return;
	console_drain(c);
	viewers_fini(&c->viewers);
	outbox_fini(&c->outbox);
	if (c->outbox.dropped)
		log_warn(c->vm->name, "console: %" PRIu64 " bytes of output are lost, because %s",
			c->outbox.dropped,
			c->outbox.started ? "nobody read them"
					  : "the kernel started no thread to write them");
	if (c->raw)
		terminal_restore(&c->terminal);
	fd_close(&c->tick.fd);
	c->vm = NULL;
}
