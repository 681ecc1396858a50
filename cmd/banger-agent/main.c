/* SPDX-License-Identifier: MIT */
/* main.c - which of its parts the program plays. */
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "builtin.h"
#include "build_info.h"

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("banger-agent %s (%s)\n", BANGER_VERSION, BANGER_COMMIT);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve_run();
	if (argc == 2 && !strcmp(argv[1], "keep"))
		return serve_keep();
	if (argc > 2 && !strcmp(argv[1], "builtin"))
		return builtin_run(argc - 2, argv + 2);
	if (getpid() == 1)
		boot_run(argv);
	fprintf(stderr, "banger-agent: it runs inside a virtual machine, started by banger\n");
	return 2;
}
