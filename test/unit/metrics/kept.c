/* SPDX-License-Identifier: MIT */
#include "control/value.h"
#include "metrics/collect.h"
#include "suite.h"

#include <stdlib.h>

static struct control_value *parsed(const char *text)
{
	struct control_value *v = NULL;

	ck_assert_int_eq(control_value_parse(text, strlen(text), &v, NULL), 0);
	return v;
}

static void text_expect(struct metrics *m, const char *text)
{
	char *found = NULL;

	ck_assert_int_ge(metrics_text(m, &found), 0);
	ck_assert_str_eq(found, text);
	free(found);
	metrics_free(m);
}

START_TEST(names_what_a_guest_costs)
{
	static const char figures[] =
		"{\"reboots\":1,\"walls\":{\"user\":1},"
		"\"exits\":{\"io\":5,\"total\":5,\"coalesced\":2,\"faults\":0},"
		"\"memory\":{\"ram\":1024,\"for_dma\":512},"
		"\"devices\":{\"0000:01:00.0\":{\"resets\":2,\"BAR0\":{\"exits\":1},\"intx\":7,"
		"\"msix\":{\"0\":3,\"1\":4}}},"
		"\"virtio\":{\"virtio-blk-0\":{\"exits\":9,\"queue0\":{\"chains\":8,"
		"\"interrupts\":6}}}}";
	struct control_value *v = parsed(figures);
	struct metrics *m = metrics_new();

	metrics_statistics(m, "web", v);
	control_value_free(v);
	text_expect(m,
		"# HELP usher_guest_dma_bytes Its memory that devices may reach.\n"
		"# TYPE usher_guest_dma_bytes gauge\n"
		"# UNIT usher_guest_dma_bytes bytes\n"
		"usher_guest_dma_bytes{guest=\"web\"} 512\n"
		"# HELP usher_guest_reboots Reboots.\n"
		"# TYPE usher_guest_reboots counter\n"
		"usher_guest_reboots_total{guest=\"web\"} 1\n"
		"# HELP usher_guest_exits Exits to usher-vmm, by reason.\n"
		"# TYPE usher_guest_exits counter\n"
		"usher_guest_exits_total{guest=\"web\",reason=\"io\"} 5\n"
		"# HELP usher_guest_interrupts Interrupts of a lent function, by kind and vector.\n"
		"# TYPE usher_guest_interrupts counter\n"
		"usher_guest_interrupts_total{guest=\"web\",device=\"0000:01:00.0\",kind=\"intx\","
		"vector=\"0\"} 7\n"
		"usher_guest_interrupts_total{guest=\"web\",device=\"0000:01:00.0\",kind=\"msix\","
		"vector=\"0\"} 3\n"
		"usher_guest_interrupts_total{guest=\"web\",device=\"0000:01:00.0\",kind=\"msix\","
		"vector=\"1\"} 4\n"
		"# HELP usher_guest_device_resets Resets of a lent function that the guest made.\n"
		"# TYPE usher_guest_device_resets counter\n"
		"usher_guest_device_resets_total{guest=\"web\",device=\"0000:01:00.0\"} 2\n"
		"# HELP usher_guest_virtio_exits Accesses to the registers of a virtio device.\n"
		"# TYPE usher_guest_virtio_exits counter\n"
		"usher_guest_virtio_exits_total{guest=\"web\",device=\"virtio-blk-0\"} 9\n"
		"# HELP usher_guest_queue_chains Chains of buffers that a queue gave back to the "
		"guest.\n"
		"# TYPE usher_guest_queue_chains counter\n"
		"usher_guest_queue_chains_total{guest=\"web\",device=\"virtio-blk-0\","
		"queue=\"0\"} 8\n"
		"# HELP usher_guest_queue_interrupts Interrupts of a queue.\n"
		"# TYPE usher_guest_queue_interrupts counter\n"
		"usher_guest_queue_interrupts_total{guest=\"web\",device=\"virtio-blk-0\","
		"queue=\"0\"} 6\n"
		"# EOF\n");
}
END_TEST

START_TEST(keeps_a_family_together)
{
	struct control_value *v = parsed("{\"user\":1000,\"state\":\"running\","
					 "\"devices\":[\"0000:01:00.0\"]}");
	struct metrics *m = metrics_new();

	metrics_lease(m, "a", v);
	metrics_lease(m, "b", NULL);
	control_value_free(v);
	text_expect(m, "# HELP usher_lease 1: there is this lease; 'unknown' is for root to know.\n"
		       "# TYPE usher_lease gauge\n"
		       "usher_lease{lease=\"a\",user=\"1000\",state=\"running\"} 1\n"
		       "usher_lease{lease=\"b\",user=\"unknown\",state=\"unknown\"} 1\n"
		       "# HELP usher_lease_devices Functions that a lease has.\n"
		       "# TYPE usher_lease_devices gauge\n"
		       "usher_lease_devices{lease=\"a\"} 1\n"
		       "# EOF\n");
}
END_TEST

START_TEST(escapes_labels)
{
	static const struct metric_label of[] = {{"guest", "a\"b\\c\nd\xff\xc3\xa4"}, {0}};
	struct metrics *m = metrics_new();

	metrics_add(m, METRIC_GUEST_REBOOTS, UINT64_MAX, of);
	text_expect(m, "# HELP usher_guest_reboots Reboots.\n"
		       "# TYPE usher_guest_reboots counter\n"
		       "usher_guest_reboots_total{guest=\"a\\\"b\\\\c\\nd?\xc3\xa4\"} "
		       "18446744073709551615\n"
		       "# EOF\n");
}
END_TEST

SUITE("kept", names_what_a_guest_costs, keeps_a_family_together, escapes_labels)
