/* SPDX-License-Identifier: MIT */
/* What the keeper answers at its control socket. */
#include "control_rig.h"

START_TEST(tells_the_state)
{
	start();
	int fd = client();
	say(fd, "{\"id\":-6,\"command\":\"state\"} \r\n");
	const char *line = hear(fd);
	char want[512];
	(void)snprintf(want, sizeof(want),
		"{\"id\":-6,\"ok\":true,\"name\":\"box\",\"engine\":\"usher\",\"state\":"
		"\"running\",\"keeper\":%d,\"pid\":77,\"since\":1000,\"memory\":536870912,"
		"\"cpus\":2,\"console\":\"virtio\",\"ports\":[{\"name\":\"chat\",\"end\":\"none\"},"
		"{\"name\":\"agent\",\"end\":\"socket\",\"path\":"
		"\"/run/usher/vm/box/port-agent\"}],"
		"\"detached\":false,\"on_sleep\":\"refuse\",\"devices\":[\"0000:03:00.1\"]}",
		(int)getpid());
	ck_assert_str_eq(line, want);
	(void)close(fd);
	stop();
}
END_TEST

static const struct {
	const char *said, *heard;
} refused[] = {
	{"\n", "not complete"},
	{"{}\n", "\"code\":\"EINVAL\",\"message\":\"the request has no command\""},
	{"[]\n", "not an object"},
	{"null\n", "EINVAL"},
	{"{\"command\":\"state\"\n", "not complete"},
	{"{\"command\":\"state\"} {}\n", "this is not JSON"},
	{"{\"id\":4,\"command\":\"fly\"}\n", "{\"id\":4,\"ok\":false,"},
	{"{\"id\":4,\"command\":\"fly\"}\n", "unknown command 'fly'"},
	{"{\"id\":\"4\",\"command\":\"state\"}\n", "id is not an integer"},
	{"{\"command\":7}\n", "has no command"},
	{"{\"command\":\"state\",\"force\":true}\n", "command 'state' takes no 'force'"},
	{"{\"command\":\"stop\",\"force\":1}\n", "force is neither true nor false"},
	{"{\"command\":\"stop\",\"timeout\":-1}\n", "timeout is not a number of seconds"},
	{"{\"command\":\"stop\",\"timeout\":1e99}\n", "timeout is not a number of seconds"},
	{"{\"command\":\"stop\",\"tiemout\":3}\n", "takes no 'tiemout'"},
	{"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n", "this is not JSON"},
	{"\377\376\n", "this is not JSON"},
	{"GET / HTTP/1.1\r\n", "this is not JSON"},
	{"{\"command\":\"resize\"}\n", "the request has no disk"},
	{"{\"command\":\"resize\",\"disk\":\"\"}\n", "disk is not a text"},
	{"{\"command\":\"resize\",\"disk\":7}\n", "disk is not a text"},
	{"{\"command\":\"resize\",\"disk\":\"/srv/a\",\"size\":0}\n", "size is not a number"},
	{"{\"command\":\"resize\",\"disk\":\"/srv/a\",\"size\":-1}\n", "size is not a number"},
	{"{\"command\":\"resize\",\"disk\":\"/srv/c\"}\n", "guest 'box' has no disk '/srv/c'"},
	{"{\"command\":\"balloon\"}\n", "the request has no size"},
	{"{\"command\":\"link\",\"up\":true}\n", "the request has no card"},
	{"{\"command\":\"link\",\"card\":\"usr0\"}\n", "whether the link is up"},
	{"{\"command\":\"link\",\"card\":\"usr0\",\"up\":1}\n", "up is neither true nor false"},
	{"{\"command\":\"link\",\"card\":\"usr1\",\"up\":true}\n",
		"guest 'box' has no network card 'usr1'"},
	{"{\"command\":\"link\",\"card\":\"0123456789abcdef0123456789abcdef\",\"up\":true}\n",
		"card is not a text"},
	{"{\"command\":\"state\",\"disk\":\"/srv/a\"}\n", "takes no 'disk'"},
	{"{\"command\":\"state\",\"id\":9223372036854775808}\n", "id is not an integer"},
	{"{\"command\":\"state\\u0000\"}\n", "the request has no command"},
	{"{\"command\":\"link\",\"card\":\"usr0\\u0000\",\"up\":true}\n", "card is not a text"},
};

START_TEST(refuses_what_is_no_request)
{
	start();
	int fd = client();
	for (size_t i = 0; i < COUNT(refused); i++) {
		say(fd, refused[i].said);
		expect(fd, refused[i].heard);
	}
	/* The connection is as good as before. */
	say(fd, "{\"command\":\"state\"}\n");
	expect(fd, "\"ok\":true");
	(void)close(fd);
	stop();
}
END_TEST

/* By its path or its serial number; another client is served meanwhile. */
START_TEST(resizes_a_disk)
{
	start();
	int fd = client(), other = client();
	say(fd, "{\"id\":1,\"command\":\"resize\",\"disk\":\"b-1\",\"size\":8192}\n");
	struct wire_order o = order_hear(WIRE_ORDER_RESIZE, NULL);
	ck_assert_uint_eq(o.disk, 2);
	ck_assert_uint_eq(o.size, 8192);
	say(other, "{\"command\":\"resize\",\"disk\":\"/srv/a\"}\n");
	struct wire_order second = order_hear(WIRE_ORDER_RESIZE, NULL);
	ck_assert(second.disk == 0 && second.size == 0);
	order_answer(&second, -EBUSY, "");
	expect(other, "a disk of the guest is being resized");
	order_answer(&o, 0, "{\"size\":8192}");
	ck_assert_str_eq(hear(fd), "{\"id\":1,\"ok\":true,\"size\":8192}");
	say(fd, "{\"command\":\"resize\",\"disk\":\"/srv/b\",\"size\":512}\n");
	o = order_hear(WIRE_ORDER_RESIZE, NULL);
	order_answer(&o, -ERANGE, "");
	expect(fd, "disk '/srv/b' is larger than 512 bytes");
	say(fd, "{\"command\":\"resize\",\"disk\":\"/srv/b\",\"size\":512}\n");
	o = order_hear(WIRE_ORDER_RESIZE, NULL);
	order_answer(&o, 0, "{\"size\":\"large\"}");
	expect(fd, "usher-vmm has sent no size");
	(void)close(fd);
	(void)close(other);
	stop();
}
END_TEST

/* A card by its tap, by 'user', by its address. */
START_TEST(cuts_a_link)
{
	static const struct {
		const char *card;
		uint64_t number;
	} cards[] = {{"usr0", 3}, {"user", 4}, {"02:00:00:00:00:0a", 4}, {"02:00:00:00:00:0A", 4}};
	char line[128];

	start();
	int fd = client();
	for (size_t i = 0; i < COUNT(cards); i++) {
		(void)snprintf(line, sizeof(line),
			"{\"command\":\"link\",\"card\":\"%s\",\"up\":%s}\n", cards[i].card,
			i % 2 ? "true" : "false");
		say(fd, line);
		struct wire_order o = order_hear(WIRE_ORDER_LINK, NULL);
		ck_assert_uint_eq(o.card, cards[i].number);
		ck_assert_uint_eq(o.flags, i % 2 ? WIRE_ORDER_UP : 0U);
		order_answer(&o, i == 3 ? -EALREADY : 0, "");
		if (i == 3)
			expect(fd, "the link of card '02:00:00:00:00:0A' is up already");
		else
			ck_assert_str_eq(hear(fd), "{\"ok\":true}");
	}
	static const struct {
		int result;
		const char *heard;
	} refusals[] = {
		{-EPIPE, "the link of card 'user' stays down: its passt or tap is gone"},
		{-ENODEV, "the guest has released card 'user'"},
		{-ENXIO, "guest 'box' has started without card 'user'"},
	};
	for (size_t i = 0; i < COUNT(refusals); i++) {
		say(fd, "{\"command\":\"link\",\"card\":\"user\",\"up\":true}\n");
		struct wire_order o = order_hear(WIRE_ORDER_LINK, NULL);
		order_answer(&o, refusals[i].result, "");
		expect(fd, refusals[i].heard);
	}
	(void)close(fd);
	stop();
}
END_TEST

/* Half a line keeps nobody waiting, nor does one without an end, nor one that comes by bytes. */
START_TEST(half_lines)
{
	static char endless[CONTROL_LINE_MAX + 2];
	const char *slow = "{\"command\":\"state\"}\n";

	start();
	int half = client(), other = client(), long_one = client();
	say(half, "{\"command\":");
	say(other, "{\"command\":\"state\"}\n");
	expect(other, "\"ok\":true");
	memset(endless, 'x', sizeof(endless) - 1);
	say(long_one, endless);
	expect(long_one, "E2BIG");
	ck_assert_str_eq(hear(long_one), "");
	ck_assert_uint_eq(keeper->count, 2);
	for (; *slow; slow++) {
		ck_assert_int_eq((int)send(other, slow, 1, 0), 1);
		(void)settle();
	}
	expect(other, "\"ok\":true");
	say(half, "\"state\"}\n{\"command\":\"state\"}\n{\"id\":3,\"command\":\"state\"}\n");
	(void)shutdown(half, SHUT_WR);
	expect(half, "\"ok\":true");
	expect(half, "\"ok\":true");
	expect(half, "\"id\":3");
	ck_assert_uint_eq(keeper->count, 1);
	(void)close(half);
	(void)close(other);
	(void)close(long_one);
	stop();
}
END_TEST

/* It wants all events, floods, and never reads: the others do not notice. */
START_TEST(a_client_that_never_reads)
{
	static const char flood[] = "{\"command\":\"state\"}\n{\"command\":\"state\"}\n";
	int others[12];
	unsigned sent = 0;

	start();
	int deaf = client();
	for (size_t i = 0; i < 12; i++)
		others[i] = client();
	say(deaf, "{\"command\":\"events\"}\n");
	for (; send(deaf, flood, sizeof(flood) - 1, MSG_DONTWAIT) > 0 || sent < 10; sent++)
		(void)settle();
	for (unsigned i = 0; i < 6000; i++)
		control_tell(
			keeper, &(struct keeper_news){.event = KEEPER_ENDED, .status = (int)i});
	ck_assert_uint_le(keeper->list[0].out_len, CONTROL_SEND_MAX);
	ck_assert_uint_gt(keeper->list[0].lost, 0);
	for (size_t i = 0; i < 12; i++) {
		say(others[i], "{\"command\":\"state\"}\n");
		expect(others[i], "\"ok\":true");
	}
	/* It reads at last, and is told how much it has missed. */
	for (size_t len = 1; len;)
		len = strlen(hear(deaf));
	control_tell(keeper, &(struct keeper_news){.event = KEEPER_ENDED});
	expect(deaf, "{\"event\":\"ended\",\"lost\":");
	(void)close(deaf);
	for (size_t i = 0; i < 12; i++)
		(void)close(others[i]);
	stop();
}
END_TEST

START_TEST(one_client_too_many)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fds[CONTROL_CLIENTS_MAX], last = socket(AF_UNIX, SOCK_STREAM, 0);

	start();
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fds[i] = client();
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ck_assert_int_eq(connect(last, (struct sockaddr *)&address, sizeof(address)), 0);
	expect(last, "EUSERS");
	ck_assert_str_eq(hear(last), "");
	(void)close(last);
	(void)close(fds[0]);
	(void)settle();
	fds[0] = client();
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		(void)close(fds[i]);
	stop();
}
END_TEST

START_TEST(pauses_and_tells_it)
{
	start();
	int fd = client(), other = client();
	say(other, "{\"command\":\"events\"}\n");
	expect(other, "{\"ok\":true}");
	say(fd, "{\"command\":\"pause\"}\n");
	struct wire_order o = order_hear(WIRE_ORDER_PAUSE, NULL);
	order_answer(&o, 0, "");
	expect(fd, "{\"ok\":true}");
	expect(other, "{\"event\":\"paused\"}");
	say(fd, "{\"command\":\"pause\"}\n");
	o = order_hear(WIRE_ORDER_PAUSE, NULL);
	order_answer(&o, -EALREADY, "");
	expect(fd, "guest 'box' is paused already");
	say(fd, "{\"command\":\"state\"}\n");
	expect(fd, "\"state\":\"paused\"");
	say(fd, "{\"command\":\"reset\"}\n");
	o = order_hear(WIRE_ORDER_RESET, NULL);
	order_answer(&o, 0, "");
	expect(fd, "{\"ok\":true}");
	expect(other, "{\"event\":\"reset\"}");
	ck_assert_int_eq((int)keeper->phase, CONTROL_RUNNING);
	(void)close(fd);
	(void)close(other);
	stop();
}
END_TEST

static int receive_fd(int fd, char *first)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {.iov_base = first, .iov_len = 1};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int got;

	(void)settle();
	ck_assert_int_eq((int)recvmsg(fd, &m, MSG_DONTWAIT), 1);
	ck_assert_uint_eq(m.msg_controllen, CMSG_SPACE(sizeof(int)));
	memcpy(&got, CMSG_DATA(&control.head), sizeof(int));
	return got;
}

START_TEST(hands_out_the_console)
{
	char text[8] = "", first;
	int shown;

	start();
	int fd = client();
	say(fd, "{\"command\":\"console\",\"read_only\":true}\n");
	struct wire_order o = order_hear(WIRE_ORDER_CONSOLE, &shown);
	ck_assert_uint_eq(o.flags, WIRE_ORDER_READ_ONLY);
	order_answer(&o, 0, "");
	int console = receive_fd(fd, &first);
	ck_assert_str_eq(hear(fd), "\"ok\":true}");
	say(shown, "login");
	ck_assert_int_eq((int)read(console, text, sizeof(text)), 5);
	ck_assert_str_eq(text, "login");
	/* No copy is left with the keeper: the end of one is that of the other. */
	(void)close(shown);
	ck_assert_int_eq((int)read(console, text, sizeof(text)), 0);
	(void)close(console);
	/* A port has a number in the order, and one that is not there has none. */
	say(fd, "{\"command\":\"console\",\"port\":\"agent\"}\n");
	o = order_hear(WIRE_ORDER_CONSOLE, &shown);
	ck_assert_uint_eq(o.port, 2);
	order_answer(&o, -EUSERS, "");
	expect(fd, "too many look at port agent of guest 'box' already");
	(void)close(shown);
	say(fd, "{\"command\":\"console\",\"port\":\"nothing\"}\n");
	expect(fd, "guest 'box' has no port 'nothing'\",\"hint\":\"it has chat, agent\"");
	say(fd, "{\"command\":\"console\",\"port\":\"\"}\n");
	expect(fd, "port is not a text of 1 to 63 bytes");
	say(fd, "{\"command\":\"reset\",\"port\":\"agent\"}\n");
	expect(fd, "command 'reset' takes no 'port'");
	/* And as a stream on the connection itself. */
	say(fd, "{\"command\":\"console\",\"stream\":true}\n");
	(void)order_hear(WIRE_ORDER_CONSOLE, &shown);
	expect(fd, "{\"ok\":true}");
	ck_assert_uint_eq(keeper->count, 0);
	say(shown, "again\n");
	ck_assert_str_eq(hear(fd), "again");
	(void)close(shown);
	ck_assert_str_eq(hear(fd), "");
	(void)close(fd);
	stop();
}
END_TEST

START_TEST(statistics_are_checked)
{
	start();
	int fd = client();
	say(fd, "{\"command\":\"statistics\"}\n");
	struct wire_order o = order_hear(WIRE_ORDER_FIGURES, NULL);
	order_answer(&o, 0, "{\n  \"exits\": {\n    \"total\": 12\n  }\n}\n");
	ck_assert_str_eq(hear(fd), "{\"ok\":true,\"statistics\":{\"exits\":{\"total\":12}}}");
	say(fd, "{\"command\":\"statistics\"}\n");
	o = order_hear(WIRE_ORDER_FIGURES, NULL);
	order_answer(&o, 0, "{\"a\":1}}\n{\"ok\":true}");
	expect(fd, "not JSON");
	say(fd, "{\"command\":\"statistics\"}\n");
	o = order_hear(WIRE_ORDER_FIGURES, NULL);
	order_answer(&o, -E2BIG, "");
	expect(fd, "E2BIG");
	(void)close(fd);
	stop();
}
END_TEST

/* Its guest may have taken over usher-vmm: it does not answer, or answers nonsense. */
START_TEST(usher_vmm_does_not_answer)
{
	start();
	int fd = client();
	say(fd, "{\"command\":\"pause\"}\n");
	(void)order_hear(WIRE_ORDER_PAUSE, NULL);
	ck_assert_int_gt(control_patience(keeper), 3000);
	keeper->list[0].order_ms -= 6000;
	expect(fd, "usher-vmm does not answer");
	say(fd, "{\"command\":\"pause\"}\n");
	(void)order_hear(WIRE_ORDER_PAUSE, NULL);
	ck_assert_int_eq((int)send(vmm, "nonsense", 8, 0), 8);
	(void)settle();
	ck_assert_int_eq(keeper->orders_fd, -1);
	keeper->list[0].order_ms -= 6000;
	expect(fd, "usher-vmm does not answer");
	say(fd, "{\"command\":\"reset\"}\n");
	expect(fd, "reset: usher-vmm takes no orders any more");
	say(fd, "{\"command\":\"state\"}\n");
	expect(fd, "\"ok\":true");
	(void)close(fd);
	stop();
}
END_TEST

START_TEST(qemu_can_only_be_stopped)
{
	start();
	fd_close(&keeper->orders_fd);
	keeper->guest.engine = "qemu";
	keeper->guest.obeys = false;
	int fd = client();
	say(fd, "{\"command\":\"console\"}\n");
	expect(fd, "console: engine 'qemu' runs guest 'box', and usher can only stop it");
	say(fd, "{\"command\":\"stop\"}\n");
	ck_assert_int_eq(settle(), SIGTERM);
	expect(fd, "\"ok\":true");
	(void)close(fd);
	stop();
}
END_TEST

SUITE("engine_control", tells_the_state, refuses_what_is_no_request, resizes_a_disk, cuts_a_link,
	half_lines, a_client_that_never_reads, one_client_too_many, pauses_and_tells_it,
	hands_out_the_console, statistics_are_checked, usher_vmm_does_not_answer,
	qemu_can_only_be_stopped)
