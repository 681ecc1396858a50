/* SPDX-License-Identifier: MIT */
/* settings.c - any bytes as a settings file, a size, a count and a duration. */
#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"
#include "store/config.h"

static void numbers(const char *text)
{
	uint64_t value = 0;
	struct fault *f = text_parse_size(text, "fuzz", &value);

	if (!f && value == 0)
		abort();
	fault_free(f);
	f = text_parse_count(text, "fuzz", 3, 9, &value);
	if (!f && (value < 3 || value > 9))
		abort();
	fault_free(f);
	fault_free(text_parse_duration(text, "fuzz", &value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = xmemdup(data, size);
	AUTO_FREE char *ended = xstrndup(size ? text : "", size);
	struct config config;

	config_defaults(&config, 4, GIB);
	fault_free(config_read_text(&config, text, size, "fuzz"));
	if (config.vcpu == 0 || config.memory_bytes == 0 || !*config.default_image)
		abort();
	config_release(&config);
	numbers(ended);
	return 0;
}
