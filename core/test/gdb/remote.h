/* Speaks gdb's remote protocol to a `ringlab run --gdb` that it has started. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct remote {
	pid_t pid;
	int fd;
	char path[64];
	char reply[65536]; /* the last one, without framing */
	char in[65536];
	size_t in_len;
};

/* Starts `ringlab run --backend B --gdb PATH [args] [GUEST]`, without connecting. args: NULL-terminated; may be NULL. */
bool remote_start(struct remote *r, const char *backend, const char *guest, const char *const *args);
bool remote_connect(struct remote *r);
void remote_write(struct remote *r, const void *bytes, size_t n);
void remote_send(struct remote *r, const char *packet);
/* The next packet into r->reply; false after seconds without one, or when the connection is closed. */
bool remote_receive(struct remote *r, double seconds);
/* Both; r->reply, or "(nothing)". */
__attribute__((format(printf, 2, 3)))
const char *remote_ask(struct remote *r, const char *fmt, ...);
uint32_t remote_reg(struct remote *r, unsigned number);
/* Closes the connection and waits at most seconds for ringlab's end: its wait status, or -1 after killing it. */
int remote_end(struct remote *r, double seconds);
/* Waits as above, the connection stays. */
int remote_wait(struct remote *r, double seconds);
/* The address of a symbol in a native guest image. */
uint32_t remote_symbol(const char *guest, const char *symbol);

#define REG_EAX 0
#define REG_ESP 4
#define REG_EIP 8
#define REG_EFLAGS 9
