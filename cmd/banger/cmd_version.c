/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"

#include "banger/version.h"
#include "base/archive_reader.h"
#include "base/http.h"
#include "base/sha256.h"
#include "build_info.h"
#include "disk/ext4.h"
#include "guest/frame.h"

const char *version_line(void)
{
	return "banger " BANGER_VERSION " (commit " BANGER_COMMIT ")\n";
}

/* All strings are static; libraries that are missing are NULL. */
struct version {
	const char *version, *commit;
	uint64_t state_layout, agent_protocol;
	const char *libarchive, *libcrypto, *libcurl, *libext2fs;
};

static const struct field version_fields[] = {
	FIELD_REQ(struct version, version, FIELD_STRING),
	FIELD_REQ(struct version, commit, FIELD_STRING),
	FIELD_REQ(struct version, state_layout, FIELD_U64),
	FIELD_REQ(struct version, agent_protocol, FIELD_U64),
	FIELD(struct version, libarchive, FIELD_STRING),
	FIELD(struct version, libcrypto, FIELD_STRING),
	FIELD(struct version, libcurl, FIELD_STRING),
	FIELD(struct version, libext2fs, FIELD_STRING),
};

static const struct record_type version_type = {
	"version", sizeof(struct version), version_fields, ARRAY_LEN(version_fields), 0,
};

static void add_line(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%-15s %s\n", name, value ? value : "missing");
}

static struct fault *version_run(struct invocation *inv)
{
	struct version v = {
		.version = BANGER_VERSION,
		.commit = BANGER_COMMIT,
		.state_layout = STORE_LAYOUT_VERSION,
		.agent_protocol = FRAME_VERSION,
		.libarchive = archive_reader_library(),
		.libcrypto = sha256_library(),
		.libcurl = http_library(),
		.libext2fs = ext4_library(),
	};
	AUTO_BUF out = BUF_INIT;

	if (inv->json)
		return print_record(&version_type, &v);
	add_line(&out, "version", v.version);
	add_line(&out, "commit", v.commit);
	buf_addf(&out, "%-15s %llu\n", "state layout", (unsigned long long)v.state_layout);
	buf_addf(&out, "%-15s %llu\n", "agent protocol", (unsigned long long)v.agent_protocol);
	add_line(&out, "libarchive", v.libarchive);
	add_line(&out, "libcrypto", v.libcrypto);
	add_line(&out, "libcurl", v.libcurl);
	add_line(&out, "libext2fs", v.libext2fs);
	return print_text(out.data);
}

const struct command command_version = {
	.name = "version",
	.summary = "show the versions of banger, its formats and its libraries",
	.description = "'banger --version' prints one line with the version and the commit.",
	.flags = CMD_JSON | CMD_NO_CONFIG,
	.run = version_run,
};
