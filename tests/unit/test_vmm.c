/* SPDX-License-Identifier: MIT */
/* test_vmm.c - which VMM is taken, what is refused beforehand, and what Firecracker says, without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/text.h"
#include "store/store.h"
#include "vmm/firecracker.h"
#include "vmm/firecracker_api.h"

#include "faults.h"

static void what_cannot_be_is_refused_before_anything_is_made(void **state)
{
	AUTO_FREE char *longest = xasprintf("/%080d", 0);  /* and "/01234567/vsock_4294967295": 107 */
	AUTO_FREE char *too_long = xasprintf("/%081d", 0);
	struct vmm_choice choice;
	struct store s = { .run_path = longest };

	(void)state;
	expect_fault(vmm_choose(&s, "firecracker", &(struct vmm_need){ .vcpu = 33 }, NULL, &choice),
		     F_UNSUPPORTED, "at most 32 CPUs");
	s.run_path = too_long;
	expect_fault(vmm_choose(&s, "firecracker", &(struct vmm_need){ .vcpu = 33 }, NULL, &choice),
		     F_INVALID, "is too long for sockets");
	s.run_path = (char[]){ "/run/a,b" };
	expect_fault(vmm_choose(&s, "qemu", &(struct vmm_need){ .vcpu = 33 }, NULL, &choice), F_INVALID,
		     "must not contain a comma");
}

static void reasons(void **state)
{
	static const struct {
		const char *body, *reason;
	} cases[] = {
		{ "{\"fault_message\":\"It \\\"is\\\" so.\"}", "It \"is\" so" },
		{ "{ \"error\": \"a\nb\" }", "a b" },
		{ "plain text\r\n", "plain text" },
		{ "", "it gave no reason" },
		{ "{\"fault_message\":\"\x1b[2J\"}", "\\x1b[2J" },
		{ "{\"fault_message\":\"cut off", "cut off" },
		{ "{\"fault_message\":12}", "{\"fault_message\":12}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FREE char *reason = fc_api_reason(cases[i].body, strlen(cases[i].body));

		assert_string_equal(reason, cases[i].reason);
	}
}

static void versions(void **state)
{
	(void)state;
	must(fc_version_check("Firecracker v1.16.1\n\n"));
	must(fc_version_check("Firecracker v1.17.0-dev\n"));
	must(fc_version_check("Firecracker v2.0.0\n"));
	expect_fault(fc_version_check("Firecracker v1.7.0\n"), F_UNSUPPORTED, "too old");
	expect_fault(fc_version_check("QEMU 7.2"), F_TOOL, "which version");
	expect_fault(fc_version_check(""), F_TOOL, "which version");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_is_refused_before_anything_is_made),
		cmocka_unit_test(reasons),
		cmocka_unit_test(versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
