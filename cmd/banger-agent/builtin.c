/* SPDX-License-Identifier: MIT */
#include "builtin.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "guest/ssh_server.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} builtins[] = {
	{ "connect", builtin_connect },
	{ "grow", builtin_grow },
	{ "hosts", builtin_hosts },
	{ "ports", builtin_ports },
	{ "stats", builtin_stats },
	{ "put", builtin_put },
	{ "get", builtin_get },
	{ "get-list", builtin_get_list },
	{ "kind", builtin_kind },
	{ "compare", builtin_compare },
	{ SSH_SERVER, builtin_ssh },
};

int builtin_run(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(builtins); i++)
		if (!strcmp(argv[0], builtins[i].name))
			return builtins[i].run(argc, argv);
	fprintf(stderr, "the agent of this machine does not know '%s'\n", argv[0]);
	return 127;
}
