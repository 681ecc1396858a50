/* SPDX-License-Identifier: MIT */
/*
 * lookup.h - what the NSS module reads: <state>/names, as store/names.h writes it.
 *
 * Runs inside other people's programs, setuid ones and threads included: no environment, no locale,
 * no memory of its own, no state, at most two small files for each question.  A directory or file
 * that somebody but @owner could have written counts as not there.
 */
#ifndef BANGER_NSS_LOOKUP_H
#define BANGER_NSS_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOOKUP_LABEL_MAX 63
#define LOOKUP_ZONE	 ".vm"

/* A VM's name, NUL-terminated; and an IPv4 address as it is on the wire. */
struct lookup_label {
	char text[LOOKUP_LABEL_MAX + 1];
};
struct lookup_address {
	uint8_t byte[4];
};

enum lookup_result {
	LOOKUP_FOUND,
	LOOKUP_ABSENT, /* not ours, or no such VM */
	LOOKUP_FAILED, /* could not be told now: errno says why */
};

/* lookup_split() - the label of "<label>.vm" or "<label>.vm.", lower-cased; false for other names. */
bool lookup_split(const char *host, struct lookup_label *label);
/* The content of the files: one line, and nothing else.  false when malformed. */
bool lookup_parse_address(const char *text, size_t len, struct lookup_address *address);
bool lookup_parse_label(const char *text, size_t len, struct lookup_label *label);

/* lookup_by_name() - the address of VM @label in directory @path. */
enum lookup_result lookup_by_name(const char *path, uid_t owner, const struct lookup_label *label,
				  struct lookup_address *address);
/* lookup_by_address() - the VM that has @address; one whose own file says otherwise has not. */
enum lookup_result lookup_by_address(const char *path, uid_t owner,
				     const struct lookup_address *address,
				     struct lookup_label *label);

#endif
