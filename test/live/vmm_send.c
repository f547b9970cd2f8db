/* SPDX-License-Identifier: MIT */
/* vmm_send USHER-VMM WORD…: executes usher-vmm with that guest; the keeper's end stays open. */
#include "vmm/vmm_send.h"

#include <unistd.h>

int main(int argc, char **argv)
{
	char text[16];
	int line;

	if (argc < 2)
		send_fail("no program", "");
	(void)snprintf(text, sizeof(text), "%d", send_words((const char *const *)argv + 2, &line));
	(void)execlp(argv[1], argv[1], "--keeper", text, (char *)NULL);
	send_fail("cannot execute", argv[1]);
	return 126;
}
