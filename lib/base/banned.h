/* SPDX-License-Identifier: MIT */
/* banned.h - what this code base never calls.  Included before every file by the compiler. */
#ifndef BANGER_BASE_BANNED_H
#define BANGER_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok system popen mktemp tmpnam gets atoi
#pragma GCC poison strerror ctime asctime gmtime localtime

#endif
