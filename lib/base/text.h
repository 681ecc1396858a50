/* SPDX-License-Identifier: MIT */
/* text.h - sizes, durations and times as people write and read them. */
#ifndef BANGER_BASE_TEXT_H
#define BANGER_BASE_TEXT_H

#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/fault.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/*
 * text_parse_size() - "8G", "512M", "64K", "1T", "1.5G", "8GiB" or plain bytes, all binary units,
 * in bytes.  @what names the option in messages.  Zero, negative and over-large are refused.
 * Return: NULL; F_INVALID.
 */
struct fault *text_parse_size(const char *text, const char *what, uint64_t *bytes) MUST_CHECK;

/* text_parse_count() - a decimal number between @min and @max.  Return: NULL; F_INVALID. */
struct fault *text_parse_count(const char *text, const char *what, uint64_t min, uint64_t max,
			       uint64_t *out) MUST_CHECK;

/*
 * text_parse_duration() - "90", "90s", "1m30s", "2h", "250ms", "1d" in milliseconds; a bare number
 * is seconds.  Zero is allowed.  Return: NULL; F_INVALID.
 */
struct fault *text_parse_duration(const char *text, const char *what, uint64_t *ms) MUST_CHECK;

/* "8G" when it divides evenly, else "1.5G", "312M", "980K", "17B".  Owned. */
char *text_size(uint64_t bytes);
/* "3 s", "5 min", "2 h", "4 d" for an age in seconds.  Owned. */
char *text_age(int64_t seconds);
/* RFC 3339 in UTC with seconds: "2026-11-21T01:10:09Z".  Owned. */
char *text_time(time_t when);
/* Inverse of text_time(); false when malformed. */
_Bool text_parse_time(const char *text, time_t *out);

/* text_add_printable() - append @text with control characters and invalid UTF-8 escaped as \xNN. */
void text_add_printable(struct buf *b, const char *text, size_t len);

/* Lower-case hexadecimal of @len bytes; owned. */
char *text_hex(const void *data, size_t len);

#endif
