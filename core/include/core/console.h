/*
 * console.h - where the guest's output goes and its input comes from; and the hash of all it wrote.
 *
 * The UART and Xen's console both end here. Nothing is translated: bytes go out as the guest wrote them.
 */
#pragma once
#include "core/types.h"

struct vm;
struct console;

int console_create(struct vm *vm); /* 0 or -errno */
void console_destroy(struct vm *vm);
/* Buffers; flushed at 4 KiB, by console_flush, and when the guest halts or the VM ends. */
void console_write(struct vm *vm, const void *buf, size_t n);
void console_flush(struct vm *vm);
/* Looks at cfg.console_in without waiting, and acts on what is ringlab's own (Ctrl-A X). */
void console_poll(struct vm *vm);
/* Has the run loop look at the input ten times a second, whatever the guest does: Ctrl-A X ends any guest. */
void console_watch(struct vm *vm);
/* At most n bytes that wait at cfg.console_in; 0 when there are none. */
size_t console_read(struct vm *vm, void *buf, size_t n);
/* Bytes were read that console_read has not given yet: the descriptor need not be readable. */
bool console_input_waits(const struct vm *vm);
/* False once the input has ended or never was: nothing can come from there any more. */
bool console_input_open(const struct vm *vm);
/* SHA-256 of all bytes written so far (flushed). */
void console_sha256(const struct vm *vm, char hex[65]);
