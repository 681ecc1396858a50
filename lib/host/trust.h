/* SPDX-License-Identifier: MIT */
/* trust.h - may root run this file? */
#ifndef BANGER_HOST_TRUST_H
#define BANGER_HOST_TRUST_H

#include "base/fault.h"

/*
 * trust_program() - as root, refuse a program that others than root could replace or change: the file that
 * @path leads to and every directory above it must belong to root and be writable by nobody else.
 * For other users there is nothing to check.  F_DENIED with what to do; F_SYS.
 */
struct fault *trust_program(const char *path) MUST_CHECK;

#endif
