/* SPDX-License-Identifier: MIT */
/* Keys, and the words that ssh is given. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/file.h"
#include "guest/ssh_client.h"
#include "guest/ssh_key.h"
#include "host/spawn.h"
#include "store/vm_store.h"

static char root[64];
static int dir = -1;

static int fresh(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/test_ssh.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	unsetenv("SUDO_UID");
	return dir_open(AT_FDCWD, root, &dir) ? -1 : 0;
}

static int done(void **state)
{
	struct fault *f;

	(void)state;
	close(dir);
	f = tree_remove(AT_FDCWD, root);
	return f ? -1 : 0;
}

static void run(const char *const *argv, struct buf *out)
{
	struct spawn s = { .argv = argv, SPAWN_INIT, .deadline_ms = 20000 };
	struct fault *f = spawn_run(&s, out, 65536);

	if (f)
		fail_msg("%s", fault_message(f));
}

static void base64_goes_both_ways(void **state)
{
	(void)state;
	for (size_t len = 0; len < 70; len++) {
		unsigned char bytes[70];
		AUTO_BUF text = BUF_INIT;
		AUTO_BUF back = BUF_INIT;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (unsigned char)(i * 37 + len);
		base64_encode(bytes, len, &text);
		assert_int_equal(text.len, (len + 2) / 3 * 4);
		assert_true(base64_decode(text.data, &back));
		assert_int_equal(back.len, len);
		assert_memory_equal(back.data, bytes, len);
	}
}

static void ssh_keygen_reads_the_host_key_and_finds_the_pinned_one_in_it(void **state)
{
	const char *derive[] = { "ssh-keygen", "-y", "-P", "", "-f", NULL, NULL };
	AUTO_FREE char *path = xasprintf("%s/" VM_HOST_KEY_FILE, root);
	AUTO_BUF public = BUF_INIT, line = BUF_INIT, again = BUF_INIT;
	AUTO_FREE char *want = NULL;
	struct stat st;

	(void)state;
	assert_null(ssh_host_key_ensure(dir, "web"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	derive[5] = path;
	run(derive, &public);
	assert_null(ssh_known_hosts_line(dir, "other.vm", &line));
	public.data[strcspn(public.data, "\n")] = '\0';
	*strrchr(public.data, ' ') = '\0'; /* the comment */
	want = xasprintf("other.vm %s\n", public.data);
	assert_string_equal(line.data, want);
	assert_null(ssh_host_key_ensure(dir, "web")); /* it keeps the one that it has */
	assert_null(ssh_known_hosts_line(dir, "other.vm", &again));
	assert_string_equal(again.data, want);
}

static void a_broken_known_hosts_file_is_told(void **state)
{
	static const char *const bad[] = { "", "web.vm\n", "web.vm ssh-rsa AAAA\n",
					   "web.vm ssh-ed25519 AAAA", "a ssh-ed25519 A\nb c d\n" };
	AUTO_BUF line = BUF_INIT;
	struct fault *f;

	(void)state;
	f = ssh_known_hosts_line(dir, "web.vm", &line);
	assert_int_equal(fault_kind(f), F_NOT_FOUND);
	fault_free(f);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_null(file_write_volatile(dir, VM_KNOWN_HOSTS_FILE, bad[i], strlen(bad[i]),
						0600));
		f = ssh_known_hosts_line(dir, "web.vm", &line);
		assert_non_null(f);
		assert_int_equal(fault_kind(f), F_CORRUPT);
		fault_free(f);
	}
	assert_int_equal(line.len, 0);
}

static void the_clients_key_is_made_once_and_its_public_half_found_again(void **state)
{
	struct store s = { .path = root };
	struct config config = { .ssh_key_path = xstrdup("auto") };
	AUTO_SSH_IDENTITY first = { 0 };
	AUTO_SSH_IDENTITY second = { 0 };
	AUTO_FREE char *public = xasprintf("%s/ssh/id_ed25519.pub", root);

	(void)state;
	assert_null(ssh_identity_get(&s, &config, false, &first));
	assert_null(first.path);
	assert_null(ssh_identity_get(&s, &config, true, &first));
	assert_non_null(first.path);
	assert_int_equal(unlink(public), 0);
	assert_null(ssh_identity_get(&s, &config, false, &second));
	assert_string_equal(second.public, first.public);
	free(config.ssh_key_path);
}

static void the_users_own_key_is_read_with_and_without_a_public_half(void **state)
{
	AUTO_FREE char *path = xasprintf("%s/mine", root);
	AUTO_FREE char *public = xasprintf("%s/mine.pub", root);
	const char *make[] = { "ssh-keygen", "-q", "-t", "ecdsa", "-N", "secret", "-C", "",
			       "-f", path, NULL };
	struct store s = { .path = root };
	struct config config = { .ssh_key_path = path };
	AUTO_SSH_IDENTITY with = { 0 };
	AUTO_SSH_IDENTITY without = { 0 };
	AUTO_SSH_IDENTITY none = { 0 };
	struct fault *f;

	(void)state;
	f = ssh_identity_get(&s, &config, true, &none);
	assert_int_equal(fault_kind(f), F_NOT_FOUND);
	assert_non_null(strstr(fault_message(f), "ssh_key_path"));
	fault_free(f);
	run(make, NULL);
	assert_null(ssh_identity_get(&s, &config, true, &with));
	assert_string_equal(with.path, path);
	assert_int_equal(unlink(public), 0);
	assert_null(ssh_identity_get(&s, &config, true, &without));
	assert_int_equal(strncmp(without.public, with.public, strlen(without.public)), 0);
	assert_null(file_write_volatile(dir, "mine", "no key\n", 7, 0600));
	f = ssh_identity_get(&s, &config, true, &none);
	assert_int_equal(fault_kind(f), F_INVALID);
	fault_free(f);
}

static void a_shell_gets_exactly_the_words(void **state)
{
	static const char *const words[] = { "printf", "<%s>", "a b", "it's", "$HOME `id` \\", "*",
					     "", "two\nlines", "\"", "!", NULL };
	const char *argv[] = { "sh", "-c", NULL, NULL };
	AUTO_BUF command = BUF_INIT, out = BUF_INIT;

	(void)state;
	ssh_add_command(&command, words);
	argv[2] = command.data;
	run(argv, &out);
	assert_string_equal(out.data,
			    "<a b><it's><$HOME `id` \\><*><><two\nlines><\"><!>");
}

static void paths_are_quoted_for_sshs_configuration(void **state)
{
	AUTO_BUF b = BUF_INIT;
	AUTO_BUF proxy = BUF_INIT;
	struct fault *f;

	(void)state;
	assert_null(ssh_add_path(&b, "/a b/100%/c"));
	assert_string_equal(b.data, "\"/a b/100%%/c\"");
	f = ssh_add_path(&b, "/a\"b");
	assert_non_null(f);
	assert_int_equal(fault_kind(f), F_INVALID);
	fault_free(f);
	ssh_add_proxy_command(&proxy, "/b/ban ger", "/s/5%", "%n", true);
	assert_string_equal(proxy.data,
			    "sudo '/b/ban ger' 'vm' 'proxy' '--state-dir' '/s/5%%' %n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_goes_both_ways),
		cmocka_unit_test_setup_teardown(
			ssh_keygen_reads_the_host_key_and_finds_the_pinned_one_in_it, fresh, done),
		cmocka_unit_test_setup_teardown(a_broken_known_hosts_file_is_told, fresh, done),
		cmocka_unit_test_setup_teardown(
			the_clients_key_is_made_once_and_its_public_half_found_again, fresh, done),
		cmocka_unit_test_setup_teardown(
			the_users_own_key_is_read_with_and_without_a_public_half, fresh, done),
		cmocka_unit_test(a_shell_gets_exactly_the_words),
		cmocka_unit_test(paths_are_quoted_for_sshs_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
