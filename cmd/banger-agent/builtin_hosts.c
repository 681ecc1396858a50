/* SPDX-License-Identifier: MIT */
/* builtin_hosts.c - the names of the machines that this one may talk to. */
#include <string.h>

#include "agent.h"
#include "builtin.h"
#include "settings.h"

#define LINE_MAX  128
#define HOSTS_MAX 65536 /* more than a bridge has addresses for names of */

int builtin_hosts(int argc, char **argv)
{
	struct strings peers = { 0 };
	AUTO_FAULT f = NULL;
	char line[LINE_MAX];

	(void)argv;
	while (argc == 1 && peers.n < HOSTS_MAX && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		strings_add(&peers, line);
	}
	if (argc != 1 || ferror(stdin))
		f = fault_new(F_INVALID, "hosts: needs a list of machines on standard input");
	else
		f = settings_peers(&peers);
	strings_release(&peers);
	if (f)
		fprintf(stderr, "%s\n", fault_message(f));
	return f ? 1 : 0;
}
