/* hal.h - for the file system as a host program: what it takes of guests/lib/hal.h. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PAGE 4096u
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
__attribute__((format(printf, 1, 2))) void hal_printf(const char *fmt, ...);
