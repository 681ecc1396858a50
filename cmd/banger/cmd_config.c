/* SPDX-License-Identifier: MIT */
#include "banger/commands.h"

static struct fault *print_one(const struct invocation *inv, const char *key)
{
	const struct config_value *row = config_find(&inv->config, key);
	const char *near = row ? NULL : config_nearest(key);
	AUTO_FREE char *line = NULL;

	if (!row && near)
		return fault_new(F_USAGE, "there is no setting '%s'; did you mean '%s'?", key, near);
	if (!row)
		return fault_hint(fault_new(F_USAGE, "there is no setting '%s'", key),
				  "'banger config' lists all settings.");
	if (inv->json)
		return print_record(&config_value_type, row);
	line = xasprintf("%s\n", row->value);
	return print_text(line);
}

static struct fault *config_run(struct invocation *inv)
{
	static const char *const header[] = { "KEY", "VALUE", "ORIGIN", NULL };
	const struct config_value *rows = inv->config.origins.v;
	struct table table;

	if (inv->operands.n)
		return print_one(inv, inv->operands.v[0]);
	if (inv->json)
		return print_records(&config_value_type, &inv->config.origins);
	table_init(&table, header);
	for (size_t i = 0; i < inv->config.origins.n; i++) {
		table_cell(&table, rows[i].key);
		table_cell(&table, rows[i].value);
		table_cell(&table, rows[i].origin);
	}
	return print_table(&table);
}

const struct command command_config = {
	.name = "config",
	.summary = "show the settings and where each one comes from",
	.operands = "[KEY]",
	.description =
		"Settings come from the built-in defaults and what this host has, then "
		"/etc/banger/banger.conf, then ~/.config/banger/banger.conf, then environment "
		"variables, then the options of a command; the last one wins. banger.conf(5) describes "
		"them all.\n\n"
		"With KEY only the value of that setting is printed.",
	.examples = "banger config\tall settings\n"
		    "banger config vm_defaults.memory\tone value, for scripts",
	.max_operands = 1,
	.complete = COMPLETE_SETTING,
	.flags = CMD_JSON,
	.run = config_run,
};
