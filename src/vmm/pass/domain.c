/* SPDX-License-Identifier: MIT */
#include "vmm/pass/domain.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/keeper.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first byte at or after @at that no range covers, @end when there is none before it. */
static uint64_t first_gap(const struct vfio_iommu *iommu, uint64_t at, uint64_t end)
{
	for (size_t i = 0; i < iommu->range_count && at < end; i++) {
		const struct vfio_span *s = &iommu->ranges[i];
		if (s->last.v < at)
			continue;
		if (s->first.v > at)
			break;
		if (s->last.v >= end - 1)
			return end;
		at = s->last.v + 1;
	}
	return at;
}

int pass_domain_check(const struct vfio_iommu *iommu, gpa_t gpa, uint64_t size, struct err *e)
{
	uint64_t end = gpa.v + size;

	if (!iommu->range_count || !size)
		return 0; /* the kernel does not say: mapping will tell */
	uint64_t gap = first_gap(iommu, gpa.v, end);
	if (gap == end)
		return 0;
	(void)err_say(e, -EADDRINUSE,
		"guest memory [0x%" PRIx64 "-0x%" PRIx64
		"] cannot be reached by devices at 0x%" PRIx64 ": the IOMMU reserves that address",
		gpa.v, end - 1, gap);
	err_hint(e, "see /sys/kernel/iommu_groups/*/reserved_regions; less memory may avoid it");
	return -EADDRINUSE;
}

/* No bus guarantees peer-to-peer access: a BAR that cannot be mapped is a warning. */
static void map_peer(struct pass_domain *g, const struct memory_range *r)
{
	struct err e = {0};

	if (pass_domain_check(&g->iommu, r->gpa, r->size, &e) == 0 &&
		vfio_ioas_map(&g->ioas, IOVA(r->gpa.v), r->host, r->size,
			VFIO_DMA_READ | VFIO_DMA_WRITE, &e) == 0) {
		g->peer_bytes += r->size;
		return;
	}
	if (!g->told)
		log_warn(g->vm->name, "devices cannot reach each other: %s", e.msg);
	g->told = true;
}

WALL_CALL(main | vcpu | worker, ioctl, VFIO_IOMMU_MAP_DMA);
WALL_CALL(main | worker, prlimit64);
WALL_REFUSE(
	vcpu, prlimit64, EPERM); /* the hint of a peer that could not be mapped lacks the limit */

static int map_range(struct memory_listener *l, const struct memory_range *r, struct err *e)
{
	struct pass_domain *g = container_of(l, struct pass_domain, listener);
	unsigned access = VFIO_DMA_READ | (r->readonly ? 0 : VFIO_DMA_WRITE);

	if (r->kind != MEMORY_RAM) {
		if (g->peers)
			map_peer(g, r);
		return 0;
	}
	int code = pass_domain_check(&g->iommu, r->gpa, r->size, e);
	if (code < 0)
		return code;
	return vfio_ioas_map(&g->ioas, IOVA(r->gpa.v), r->host, r->size, access, e);
}

WALL_CALL(main | vcpu | worker, ioctl, VFIO_IOMMU_UNMAP_DMA);

static void unmap_range(struct memory_listener *l, const struct memory_range *r)
{
	struct pass_domain *g = container_of(l, struct pass_domain, listener);
	struct err e;

	if (__atomic_load_n(&g->deserted, __ATOMIC_ACQUIRE))
		return;
	if (r->kind != MEMORY_RAM) {
		/* -ENOENT: it could not be mapped. */
		if (g->peers && vfio_ioas_unmap(&g->ioas, IOVA(r->gpa.v), r->size, &e) == 0)
			g->peer_bytes -= r->size;
		return;
	}
	if (vfio_ioas_unmap(&g->ioas, IOVA(r->gpa.v), r->size, &e) < 0)
		log_error(g->vm->name, "%s", e.msg);
}

/* Pairs with pass_domain_link(). */
static struct pass_dev *first_device(const struct pass_domain *g)
{
	return __atomic_load_n(&g->devices, __ATOMIC_ACQUIRE);
}

/*
 * The host reset a device, or put it to sleep, while a vCPU was at its BAR (AER recovery, a bridge
 * that went down). The kernel does not tell which: all BARs are trapped, where an access to a
 * device that does not answer reads all-ones, until the guest next has a word with the device.
 */
bool pass_fault(struct vm *vm)
{
	bool any = false;

	assert(lock_is_mine(&vm->cure));
	for (struct pass_dev *d = vm->pass ? first_device(vm->pass) : NULL; d; d = d->next) {
		if (pass_dev_is_dropped(d) || !func_bars_fault(&d->bars))
			continue;
		any = true;
		log_guest(&d->misdeeds.access, d->name,
			"its BARs are trapped: one went away while the guest was at it");
	}
	return any;
}

WALL_CALL(main | worker, ioctl, VFIO_GET_API_VERSION, VFIO_CHECK_EXTENSION, VFIO_IOMMU_GET_INFO);

static struct pass_domain *domain_new(struct vm *vm, const struct vfio_ioas *ioas)
{
	struct pass_domain *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	*g = (struct pass_domain){
		.vm = vm,
		.ioas = *ioas,
		.listener = {.name = "vfio", .pins = true, .map = map_range, .unmap = unmap_range},
		.kvm = -1,
		.reset = LOCK_INIT(LOCK_RESET),
	};
	return g;
}

int pass_domain_start(struct vm *vm, const struct vfio_ioas *ioas, const struct vfio_iommu *iommu,
	struct pass_domain **ret, struct err *e)
{
	struct pass_domain *g = domain_new(vm, ioas);

	if (!g)
		return err_set(e, -ENOMEM, "arrange passthrough");
	g->iommu = *iommu;
	int r = memory_listen(&vm->memory, &g->listener, e);
	if (r < 0) {
		free(g);
		return r;
	}
	/* A vCPU that runs already reads both in vm_cure(). */
	lock_take(&vm->cure);
	*ret = vm->pass = g;
	vm->fault = pass_fault;
	lock_drop(&vm->cure);
	return 0;
}

WALL_CALL(main | worker, getpid);
WALL_CALL(main | worker, kcmp);

/* The keeper's descriptor of each message has a number of its own. */
static bool is_same_file(int a, int b)
{
	pid_t self = getpid();
	long r = a == b ? 0 : syscall(SYS_kcmp, self, self, KCMP_FILE, a, b);

	/* A kernel without kcmp(2): the keeper is right. */
	return r == 0 || (r < 0 && errno == ENOSYS);
}

static int join_present(struct pass_domain *g, int ioas_fd, struct err *e)
{
	if (__atomic_load_n(&g->deserted, __ATOMIC_ACQUIRE))
		return err_say(e, -ENODEV,
			"the guest's I/O address space was closed when its last device left");
	if (!is_same_file(g->ioas.fd, ioas_fd))
		return err_say(e, -EINVAL, "all devices of a guest share one I/O address space");
	return 0;
}

int pass_domain_join(struct vm *vm, int *ioas_fd, struct pass_domain **ret, struct err *e)
{
	struct pass_domain *g;
	struct vfio_ioas ioas;

	*ret = vm->pass;
	if (vm->pass)
		return join_present(vm->pass, *ioas_fd, e);
	int r = vfio_ioas_from_fd(*ioas_fd, &ioas, e);
	if (r < 0)
		return r;
	*ioas_fd = -1;
	g = domain_new(vm, &ioas);
	r = g ? vfio_ioas_info(&g->ioas, &g->iommu, e) : err_set(e, -ENOMEM, "arrange passthrough");
	if (r >= 0)
		r = memory_listen_live(&vm->memory, &g->listener, e);
	if (r < 0) {
		vfio_ioas_close(&ioas);
		free(g);
		return r;
	}
	*ret = g;
	return 0;
}

void pass_domain_publish(struct pass_domain *g)
{
	/* A vCPU that runs already reads both in vm_cure(). */
	lock_take(&g->vm->cure);
	g->vm->pass = g;
	g->vm->fault = pass_fault;
	lock_drop(&g->vm->cure);
}

void pass_domain_end(struct pass_domain *g)
{
	memory_unlisten(&g->vm->memory, &g->listener);
	fd_close(&g->kvm);
	vfio_ioas_close(&g->ioas);
	free(g);
}

int pass_domain_get(struct vm *vm, int ioas_fd, const struct vfio_iommu *iommu,
	struct pass_domain **ret, struct err *e)
{
	struct vfio_ioas ioas;

	if (vm->pass) {
		*ret = vm->pass;
		if (vm->pass->ioas.fd == ioas_fd)
			return 0;
		return err_say(e, -EINVAL, "all devices of a guest share one I/O address space");
	}
	int r = vfio_ioas_from_fd(ioas_fd, &ioas, e);
	return r < 0 ? r : pass_domain_start(vm, &ioas, iommu, ret, e);
}

void pass_domain_peers(struct pass_domain *g)
{
	g->peers = true;
}

/* KVM_DEV_VFIO_GROUP_ADD and _DEL have the values of KVM_DEV_VFIO_FILE_ADD and _DEL. */
static int kvm_set_file(const struct pass_domain *g, uint64_t what, int fd)
{
	int32_t file = fd;
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = what,
		.addr = (uintptr_t)&file,
	};

	return ioctl(g->kvm, KVM_SET_DEVICE_ATTR, &attr) < 0 ? -errno : 0;
}

WALL_CALL(main | worker, ioctl, KVM_CREATE_DEVICE, KVM_SET_DEVICE_ATTR);
WALL_CALL(main | worker, close);

/* KVM keeps the group by itself: the descriptor is here for the length of this call. */
static int kvm_set_group(const struct pass_domain *g, uint64_t what, int group)
{
	int fd = keeper_lend_group(g->vm->keeper, group);

	if (fd < 0)
		return fd;
	int r = kvm_set_file(g, what, fd);
	(void)close(fd);
	return r;
}

static int kvm_add_device(struct pass_domain *g, struct pass_dev *d)
{
	int r = kvm_set_file(g, KVM_DEV_VFIO_GROUP_ADD, d->vfio.fd);

	d->known = r == 0;
	if (r == -EINVAL) {
		r = kvm_set_group(g, KVM_DEV_VFIO_GROUP_ADD, d->group);
		g->kvm_has_groups |= r == 0;
	}
	/* Several devices of a group come with the same one: KVM has it already. */
	return r == -EEXIST ? 0 : r;
}

int pass_domain_add(struct pass_domain *g, struct pass_dev *d, struct err *e)
{
	struct kvm_create_device dev = {.type = KVM_DEV_TYPE_VFIO};

	if (g->kvm < 0) {
		if (ioctl(g->vm->fd, KVM_CREATE_DEVICE, &dev) < 0) {
			log_guest(&g->without_kvm, g->vm->name,
				"KVM has no VFIO device: DMA is taken for coherent");
			return 0;
		}
		g->kvm = (int)dev.fd;
	}
	int r = kvm_add_device(g, d);
	/* It came as a descriptor, and this KVM knows a device by its group's alone. */
	if (r == -EPERM) {
		log_guest(&g->without_kvm, g->vm->name,
			"nobody has the group of %s: KVM takes its DMA for coherent", d->name);
		return 0;
	}
	return r < 0 ? err_set(e, r, "tell KVM of a VFIO device") : 0;
}

void pass_domain_drop(struct pass_domain *g, struct pass_dev *d)
{
	if (g->kvm >= 0 && d->known)
		(void)kvm_set_file(g, KVM_DEV_VFIO_GROUP_DEL, d->vfio.fd);
	d->known = false;
}

void pass_domain_withdraw(struct pass_domain *g, struct pass_dev *d)
{
	bool known = d->known;

	pass_domain_drop(g, d);
	for (const struct pass_dev *o = g->devices; o; o = o->next)
		if (!pass_dev_is_dropped(o) && o->group == d->group)
			return;
	if (!known && g->kvm >= 0 && g->kvm_has_groups)
		(void)kvm_set_group(g, KVM_DEV_VFIO_GROUP_DEL, d->group);
}

void pass_domain_link(struct pass_domain *g, struct pass_dev *d)
{
	/* A worker that finds no device left says so under the same lock. */
	lock_take(&g->reset);
	d->next = g->devices;
	/* A walker sees the whole device or none of it. */
	__atomic_store_n(&g->devices, d, __ATOMIC_RELEASE);
	/* After the last device had left, unmap() did nothing; from now on it counts again. */
	__atomic_store_n(&g->deserted, false, __ATOMIC_RELEASE);
	lock_drop(&g->reset);
}

void pass_domain_remove(struct pass_dev *d)
{
	struct pass_domain *g = d->vm->pass;

	if (!g)
		return;
	/* No walker is on its way: workers walk under the first lock, vCPUs under the second. */
	lock_take(&g->reset);
	lock_take(&d->vm->cure);
	struct pass_dev **at = &g->devices;
	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		__atomic_store_n(at, d->next, __ATOMIC_RELEASE);
	lock_drop(&d->vm->cure);
	lock_drop(&g->reset);
}

/* Whether the guest still has a device of @group. Under g->reset. */
static bool group_is_used(struct pass_domain *g, int group)
{
	bool deserted = true;

	for (const struct pass_dev *d = first_device(g); d; d = d->next) {
		if (!pass_dev_is_dropped(d) && d->group == group)
			return true;
		deserted &= pass_dev_is_dropped(d);
	}
	__atomic_store_n(&g->deserted, deserted, __ATOMIC_RELEASE);
	return false;
}

/* The kernel returns the group to the host's driver once no process has the group open. */
void pass_domain_leave(struct pass_domain *g, int group)
{
	lock_take(&g->reset);
	bool used = group_is_used(g, group);
	lock_drop(&g->reset);
	if (used)
		return;
	if (g->kvm >= 0 && g->kvm_has_groups)
		(void)kvm_set_group(g, KVM_DEV_VFIO_GROUP_DEL, group);
	(void)keeper_leave_group(g->vm->keeper, group);
}

bool pass_domain_is_last(const struct pass_dev *d)
{
	const struct pass_dev *other = d->vm->pass ? d->vm->pass->devices : NULL;

	while (other &&
		(other == d || pass_dev_is_dropped(other) || other->func.port != d->func.port))
		other = other->next;
	return !other;
}
