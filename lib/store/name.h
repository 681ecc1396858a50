/* SPDX-License-Identifier: MIT */
/* name.h - what objects may be called, generated names, and look-ups by prefix. */
#ifndef BANGER_STORE_NAME_H
#define BANGER_STORE_NAME_H

#include "base/fault.h"
#include "base/json.h"

#define VM_NAME_MAX	63
#define VM_ID_HEX_LEN	32
#define SHORT_ID_LEN	8
#define OBJECT_NAME_MAX 128

/* name_check_vm() - a DNS label: 1..63 of a-z 0-9 -, no dash at either end.  F_INVALID. */
struct fault *name_check_vm(const char *name) MUST_CHECK;
/*
 * name_check_object() - image and kernel names: 1..128 of a-z A-Z 0-9 . _ - starting with a letter
 * or digit.  F_INVALID.
 */
struct fault *name_check_object(const char *noun, const char *name) MUST_CHECK;
/* name_from_text() - turn any text (a reference, a file name) into a valid object name. Owned. */
char *name_from_text(const char *text);
/* name_generate() - an adjective-noun name that is a valid VM name. Owned. */
char *name_generate(void);

/*
 * name_find() - the one of @names that @wanted means: exact, else the only one it is a prefix of.
 * @noun: "VM".  Return: NULL and *@index; F_NOT_FOUND; F_AMBIGUOUS listing the candidates.
 */
struct fault *name_find(const char *noun, const struct strings *names, const char *wanted,
			size_t *index) MUST_CHECK;

#endif
