/* SPDX-License-Identifier: MIT */
/* The documents of OCI images: what is taken, and which field is named when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "image/oci.h"
#include "image/oci_image.h"

#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA  "\"sha256:" HEX "\""
#define LAYER "\"application/vnd.oci.image.layer.v1.tar+gzip\""
#define MANIFEST "\"application/vnd.oci.image.manifest.v1+json\""
#define CONFIG "{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":" SHA ",\"size\":7}"

static void check_fault(struct fault *f, enum fault_kind kind, const char *part)
{
	assert_non_null(f);
	if (!strstr(fault_message(f), part))
		fail_msg("no '%s' in '%s'", part, fault_message(f));
	assert_int_equal(fault_kind(f), kind);
	assert_non_null(strstr(fault_message(f), "doc"));
	fault_free(f);
}

static void test_index(void **state)
{
	static const char text[] =
		"{\"schemaVersion\":2,\"manifests\":["
		"{\"mediaType\":" MANIFEST ",\"digest\":" SHA ",\"size\":3,"
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"},"
		"\"annotations\":{\"org.opencontainers.image.ref.name\":\"3.20\",\"other\":\"x\"}},"
		"{\"mediaType\":" MANIFEST ",\"digest\":" SHA ",\"size\":4,\"platform\":null}]}";
	const struct oci_descriptor *d;
	AUTO_FREE char *platform = NULL;
	struct oci_index index;

	(void)state;
	assert_null(oci_index_parse(text, strlen(text), "doc", &index));
	assert_int_equal(index.manifests.n, 2);
	d = index.manifests.v;
	assert_string_equal(d[0].annotations.ref_name, "3.20");
	platform = oci_platform_text(&d[0].platform);
	assert_string_equal(platform, "linux/arm64/v8");
	assert_string_equal(oci_digest_hex(d[1].digest), HEX);
	assert_int_equal(d[1].size, 4);
	assert_null(d[1].platform.os);
	oci_index_release(&index);
}

static void bad_index(const char *text, enum fault_kind kind, const char *part)
{
	struct oci_index index;

	check_fault(oci_index_parse(text, strlen(text), "doc", &index), kind, part);
	assert_int_equal(index.manifests.n, 0);
}

static void test_bad_index(void **state)
{
	(void)state;
	bad_index("", F_CORRUPT, "doc");
	bad_index("[]", F_CORRUPT, "not a JSON object");
	bad_index("{}", F_CORRUPT, "schemaVersion");
	bad_index("{\"schemaVersion\":1}", F_UNSUPPORTED, "schemaVersion is 1");
	bad_index("{\"schemaVersion\":2}", F_CORRUPT, "'manifests' is not a list");
	bad_index("{\"schemaVersion\":2,\"manifests\":[{}]}", F_CORRUPT, "manifests[0]");
	bad_index("{\"schemaVersion\":2,\"manifests\":[{\"digest\":" SHA "}]}", F_CORRUPT, "'size'");
	bad_index("{\"schemaVersion\":2,\"manifests\":[{\"digest\":" SHA ",\"size\":-1}]}",
		  F_CORRUPT, "'size'");
	bad_index("{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:../../../etc\","
		  "\"size\":1}]}", F_CORRUPT, "manifests[0]: field 'digest'");
	bad_index("{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha512:00\",\"size\":1}]}",
		  F_UNSUPPORTED, "sha512");
	bad_index("{\"schemaVersion\":2,\"mediaType\":" MANIFEST ",\"manifests\":[]}", F_CORRUPT,
		  "'mediaType'");
}

static void test_manifest(void **state)
{
	static const char text[] =
		"{\"schemaVersion\":2,\"mediaType\":" MANIFEST ",\"config\":" CONFIG ",\"layers\":["
		"{\"mediaType\":" LAYER ",\"digest\":" SHA ",\"size\":1},"
		"{\"mediaType\":\"application/vnd.docker.image.rootfs.diff.tar.gzip\",\"digest\":" SHA
		",\"size\":9007199254740993}]}";
	struct oci_manifest manifest;

	(void)state;
	assert_null(oci_manifest_parse(text, strlen(text), "doc", &manifest));
	assert_int_equal(manifest.layers.n, 2);
	assert_int_equal(manifest.config.size, 7);
	assert_true(((struct oci_descriptor *)manifest.layers.v)[1].size == 9007199254740993);
	oci_manifest_release(&manifest);
}

static void bad_manifest(const char *text, enum fault_kind kind, const char *part)
{
	struct oci_manifest manifest;

	check_fault(oci_manifest_parse(text, strlen(text), "doc", &manifest), kind, part);
	assert_int_equal(manifest.layers.n, 0);
}

static void test_bad_manifest(void **state)
{
	AUTO_BUF many = BUF_INIT;

	(void)state;
	bad_manifest("{\"schemaVersion\":2,\"layers\":[]}", F_CORRUPT, "'config' is missing");
	bad_manifest("{\"schemaVersion\":2,\"config\":" CONFIG "}", F_CORRUPT, "'layers'");
	bad_manifest("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+"
		     "json\",\"digest\":" SHA ",\"size\":2},\"layers\":[]}", F_UNSUPPORTED,
		     "no container image");
	bad_manifest("{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[{\"mediaType\":"
		     "\"application/x-thing\",\"digest\":" SHA ",\"size\":1}]}", F_UNSUPPORTED,
		     "layers[0] is of the type 'application/x-thing'");
	bad_manifest("{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[{\"mediaType\":"
		     "\"application/vnd.oci.image.layer.v1.tar+gzip+encrypted\",\"digest\":" SHA
		     ",\"size\":1}]}", F_UNSUPPORTED, "encrypted");
	buf_adds(&many, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[0");
	for (int i = 0; i < OCI_LAYERS_MAX; i++)
		buf_adds(&many, ",0");
	buf_adds(&many, "]}");
	bad_manifest(many.data, F_UNSUPPORTED, "1001 layers");
}

static void test_config(void **state)
{
	static const char text[] =
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\"],"
		"\"Entrypoint\":null,\"Cmd\":[\"sh\",\"-c\",\"\"],\"User\":\"\",\"WorkingDir\":\"/srv\","
		"\"Labels\":{\"a\":\"b\"},\"StopSignal\":\"SIGINT\"},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" SHA "]},\"history\":[{}]}";
	struct oci_config config;

	(void)state;
	assert_null(oci_config_parse(text, strlen(text), "doc", 1, &config));
	assert_string_equal(config.platform.architecture, "amd64");
	assert_int_equal(config.image.entrypoint.n, 0);
	assert_int_equal(config.image.cmd.n, 3);
	assert_string_equal(config.image.cmd.v[2], "");
	assert_null(config.image.user);
	assert_string_equal(config.image.working_dir, "/srv");
	assert_string_equal(config.image.stop_signal, "SIGINT");
	assert_int_equal(config.diff_ids.n, 1);
	oci_config_release(&config);
}

static void bad_config(const char *text, size_t layers, enum fault_kind kind, const char *part)
{
	struct oci_config config;

	check_fault(oci_config_parse(text, strlen(text), "doc", layers, &config), kind, part);
	assert_int_equal(config.diff_ids.n, 0);
}

static void test_bad_config(void **state)
{
	static const char scratch[] = "{\"rootfs\":{\"diff_ids\":null},\"config\":null}";
	struct oci_config config;

	(void)state;
	bad_config("{}", 0, F_CORRUPT, "'rootfs' is missing");
	bad_config("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}", 2, F_CORRUPT,
		   "'diff_ids' has 0 entries, but the image has 2 layers");
	bad_config("{\"rootfs\":{\"diff_ids\":[\"md5:0\"]}}", 1, F_CORRUPT, "diff_ids[0]");
	bad_config("{\"os\":\"windows\",\"rootfs\":{\"diff_ids\":[]}}", 0, F_UNSUPPORTED, "windows");
	bad_config("{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Env\":\"A=B\"}}", 0, F_CORRUPT,
		   "'Env'");
	bad_config("{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Cmd\":[1]}}", 0, F_CORRUPT, "'Cmd'");
	/* Images from scratch have none of these. */
	assert_null(oci_config_parse(scratch, strlen(scratch), "doc", 0, &config));
	oci_config_release(&config);
}

static void test_saved(void **state)
{
	static const char text[] = "[{\"Config\":\"c.json\",\"RepoTags\":null,\"Layers\":[\"a/layer.tar\","
				   "\"a/layer.tar\"]}]";
	struct records saved;

	(void)state;
	assert_null(oci_saved_parse(text, strlen(text), "doc", &saved));
	assert_int_equal(saved.n, 1);
	assert_int_equal(((struct oci_saved *)saved.v)->layers.n, 2);
	oci_saved_release(&saved);
	check_fault(oci_saved_parse("{}", 2, "doc", &saved), F_CORRUPT, "not a list");
	check_fault(oci_saved_parse("[{\"Layers\":[]}]", 15, "doc", &saved), F_CORRUPT, "'Config'");
}

static void test_media(void **state)
{
	(void)state;
	assert_int_equal(oci_media("application/vnd.oci.image.layer.v1.tar"), OCI_MEDIA_LAYER);
	assert_int_equal(oci_media("application/vnd.oci.image.layer.v1.tar+zstd"), OCI_MEDIA_LAYER);
	assert_int_equal(oci_media("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
			 OCI_MEDIA_LAYER);
	assert_int_equal(oci_media("application/vnd.oci.image.layer.v1.tarball"), OCI_MEDIA_OTHER);
	assert_int_equal(oci_media("application/vnd.docker.distribution.manifest.list.v2+json"),
			 OCI_MEDIA_INDEX);
	assert_int_equal(oci_media(NULL), OCI_MEDIA_OTHER);
}

static void test_references(void **state)
{
	(void)state;
	assert_int_equal(reference_match("alpine:3.20", "alpine:3.20"), 2);
	assert_int_equal(reference_match("docker.io/library/alpine:3.20", "alpine:3.20"), 2);
	assert_int_equal(reference_match("docker.io/me/app:1", "me/app:1"), 2);
	assert_int_equal(reference_match("alpine:3.20", "3.20"), 1);
	assert_int_equal(reference_match("3.20", "3.20"), 2);
	assert_int_equal(reference_match("host:5000/app", "5000/app"), 0);
	assert_int_equal(reference_match("alpine:3.20", "3.2"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),	 cmocka_unit_test(test_bad_index),
		cmocka_unit_test(test_manifest), cmocka_unit_test(test_bad_manifest),
		cmocka_unit_test(test_config),	 cmocka_unit_test(test_bad_config),
		cmocka_unit_test(test_saved),	 cmocka_unit_test(test_media),
		cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
