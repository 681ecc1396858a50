/* SPDX-License-Identifier: MIT */
/* cmd_man.c - writes the manual pages; how man/ is made and checked. */
#include "banger/commands.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "banger/man.h"
#include "banger/parse.h"
#include "base/file.h"

static struct fault *write_page(int dir, const char *name, int section, const struct buf *page)
{
	AUTO_FREE char *file = xasprintf("%s.%d", name, section);

	return file_write_atomic(dir, file, page->data, page->len, 0644);
}

static struct fault *write_commands(int dir)
{
	for (size_t i = 0; commands[i]; i++) {
		AUTO_FREE char *name = man_name(commands[i]);
		AUTO_BUF page = BUF_INIT;

		if (command_is_hidden(commands[i]))
			continue;
		man_command(commands[i], &page);
		TRY(write_page(dir, name, 1, &page));
	}
	return NULL;
}

static struct fault *man_run(struct invocation *inv)
{
	AUTO_BUF program = BUF_INIT;
	AUTO_BUF settings = BUF_INIT;
	AUTO_FD dir = -1;

	umask(022); /* these are for everybody to read */
	TRY(dir_make_path(inv->operands.v[0], 0755, &dir));
	man_program(&program);
	TRY(write_page(dir, "banger", 1, &program));
	man_config(&settings);
	TRY(write_page(dir, "banger.conf", 5, &settings));
	return write_commands(dir);
}

const struct command command_internal_man = {
	.name = "internal man",
	.summary = "write the manual pages into a directory",
	.operands = "DIR",
	.min_operands = 1,
	.max_operands = 1,
	.flags = CMD_HIDDEN | CMD_NO_CONFIG,
	.run = man_run,
};
