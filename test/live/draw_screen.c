/* SPDX-License-Identifier: MIT */
/*
 * draw_screen NODE TERMINAL: a desktop for tests. It has a virtual terminal in graphics mode, is
 * the master of the display, sets a mode and draws. At SIGTERM it gives the terminal back and ends.
 * Linked statically, because it starts often.
 * Ref: include/uapi/drm/drm.h, drm_mode.h, include/uapi/linux/kd.h, vt.h
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kd.h>
#include <linux/vt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define IDS_MAX 4
#define MODES_MAX 64
#define SET_MASTER 0x641e

struct mode {
	uint32_t clock;
	uint16_t width, horizontal[4], height, vertical[4];
	uint32_t refresh, flags, type;
	char name[32];
};
_Static_assert(sizeof(struct mode) == 68, "drm_mode_modeinfo");

struct resources {
	uint64_t fbs, crtcs, connectors, encoders;
	uint32_t fb_count, crtc_count, connector_count, encoder_count, limits[4];
};

struct connector {
	uint64_t encoders, modes, properties, values;
	uint32_t mode_count, property_count, encoder_count, encoder, id, kind[2], connection,
		size[2];
	uint32_t subpixel, unused;
};

struct buffer {
	uint32_t height, width, bits, flags, handle, pitch;
	uint64_t size;
};

struct framebuffer {
	uint32_t id, width, height, pitch, bits, depth, handle;
};

struct mapping {
	uint32_t handle, unused;
	uint64_t offset;
};

struct crtc {
	uint64_t connectors;
	uint32_t connector_count, id, framebuffer, x, y, gamma_size, mode_valid;
	struct mode mode;
};

/* The ioctl DRM_IOWR(number) of that structure. */
#define drm(fd, number, object)                                                             \
	do {                                                                                \
		if (ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'd', number, sizeof(*(object))), \
			    object) < 0)                                                    \
			err(1, "display, call %#x", (unsigned)(number));                    \
	} while (0)

static int terminal_take(unsigned long number)
{
	char path[32];
	int console = open("/dev/tty0", O_RDWR | O_NOCTTY | O_CLOEXEC);

	(void)snprintf(path, sizeof(path), "/dev/tty%lu", number);
	int terminal = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (console < 0 || terminal < 0 || ioctl(console, VT_ACTIVATE, number) < 0 ||
		ioctl(console, VT_WAITACTIVE, number) < 0 ||
		ioctl(terminal, KDSETMODE, KD_GRAPHICS) < 0)
		err(1, "%s", path);
	(void)close(console);
	return terminal;
}

/* The first CRTC, the first connector and its first mode. */
static void output_find(int fd, struct crtc *crtc, uint32_t *connector)
{
	static struct mode modes[MODES_MAX];
	uint32_t crtcs[IDS_MAX] = {0}, connectors[IDS_MAX] = {0};
	struct resources found = {
		.crtcs = (uintptr_t)crtcs,
		.crtc_count = IDS_MAX,
		.connectors = (uintptr_t)connectors,
		.connector_count = IDS_MAX,
	};

	drm(fd, 0xa0, &found);
	struct connector probed = {.id = connectors[0]};
	drm(fd, 0xa7, &probed);
	struct connector known = {
		.id = connectors[0],
		.modes = (uintptr_t)modes,
		.mode_count = probed.mode_count < MODES_MAX ? probed.mode_count : MODES_MAX,
	};
	drm(fd, 0xa7, &known);
	*connector = connectors[0];
	crtc->id = crtcs[0];
	crtc->mode = modes[0];
	crtc->mode_valid = 1;
}

/* Return: the number of a frame buffer with a picture. */
static uint32_t picture_draw(int fd, uint32_t width, uint32_t height)
{
	struct buffer b = {.height = height, .width = width, .bits = 32};

	drm(fd, 0xb2, &b);
	struct framebuffer fb = {.width = width,
		.height = height,
		.pitch = b.pitch,
		.bits = 32,
		.depth = 24,
		.handle = b.handle};
	drm(fd, 0xae, &fb);
	struct mapping map = {.handle = b.handle};
	drm(fd, 0xb3, &map);
	uint32_t *pixels =
		mmap(NULL, b.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);
	if (pixels == MAP_FAILED)
		err(1, "map the picture");
	for (uint32_t y = 0; y < height; y++)
		for (uint32_t x = 0; x < b.pitch / 4; x++)
			pixels[y * (b.pitch / 4) + x] = (x + y) * 0x010305U & 0xffffffU;
	(void)munmap(pixels, b.size);
	return fb.id;
}

int main(int argc, char **argv)
{
	struct crtc crtc = {0};
	uint32_t connector = 0;
	sigset_t ends;
	int sig;

	if (argc != 3)
		errx(2, "usage: draw_screen NODE TERMINAL");
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	int terminal = terminal_take(strtoul(argv[2], NULL, 10));
	int fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, SET_MASTER) < 0)
		err(1, "%s", argv[1]);
	output_find(fd, &crtc, &connector);
	crtc.connectors = (uintptr_t)&connector;
	crtc.connector_count = 1;
	crtc.framebuffer = picture_draw(fd, crtc.mode.width, crtc.mode.height);
	drm(fd, 0xa2, &crtc);
	(void)puts("drawn");
	(void)fflush(stdout);
	(void)sigwait(&ends, &sig);
	return ioctl(terminal, KDSETMODE, KD_TEXT) < 0;
}
