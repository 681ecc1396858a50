/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"

#include "banger/version.h"
#include "build_info.h"

const char *version_line(void)
{
	return "banger " BANGER_VERSION " (commit " BANGER_COMMIT ")\n";
}

struct version {
	char *version, *commit;
};

static const struct field version_fields[] = {
	FIELD_REQ(struct version, version, FIELD_STRING),
	FIELD_REQ(struct version, commit, FIELD_STRING),
};

static const struct record_type version_type = {
	"version", sizeof(struct version), version_fields, ARRAY_LEN(version_fields), 0,
};

static struct fault *version_run(struct invocation *inv)
{
	struct version v = { (char *)BANGER_VERSION, (char *)BANGER_COMMIT };

	if (inv->json)
		return print_record(&version_type, &v);
	return print_text("version  " BANGER_VERSION "\ncommit   " BANGER_COMMIT "\n");
}

const struct command command_version = {
	.name = "version",
	.summary = "show the version of banger",
	.description = "'banger --version' prints the same on one line.",
	.flags = CMD_JSON | CMD_NO_CONFIG,
	.run = version_run,
};
