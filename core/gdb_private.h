/*
 * gdb_private.h - what the files of the gdb stub share. Read next: gdb.c.
 *
 * gdb_socket.c gets the connection, gdb_packet.c moves packets over it, gdb.c is the state machine, gdb_command.c knows
 * the packets, gdb_regs.c the registers, gdb_memory.c guest-virtual memory, gdb_monitor.c what `monitor` prints.
 */
#pragma once
#include "core/gdb.h"
#include "core/vm.h"

#define GDB_PACKET 16384 /* longest payload, both ways; told to gdb in qSupported */

/* Results of gdb_receive. */
enum gdb_got { GDB_PACKET_IN, GDB_LOST, GDB_STOPPING };

struct gdb {
	struct vm *vm;
	int fd;               /* -1: detached, or the connection is lost */
	bool no_ack;
	bool swbreak, hwbreak; /* gdb understands these stop reasons */
	bool wants;           /* the guest is to be held at the next turn */
	bool told;            /* gdb waits for a stop reply: it has let the guest run */
	bool resume;          /* a packet let the guest run */
	bool detached;
	bool ended;           /* the VM has ended: only looking is left */
	struct clock_timer timer;
	unsigned dirty;       /* REGS_* that gdb changed */
	bool memory_dirty;
	bool can;             /* the backend does what REGS_DEBUG asks */
	struct debug set;     /* what gdb has asked for; v->debug has what the backend knows of */
	bool hw[DEBUG_BREAKS]; /* set.brk[i] was asked for as a hardware breakpoint */
	uint64_t held_ns, held_tsc; /* since when the guest has been held */
	struct exit stop;     /* why the guest stopped: EXIT_DEBUG or EXIT_KICK */
	uint8_t in[4096];
	size_t in_pos, in_len;
	size_t len;           /* of packet */
	char packet[GDB_PACKET + 1];
	char reply[GDB_PACKET + 1];
	char frame[2 * GDB_PACKET + 8];
};

/* gdb_packet.c */
enum gdb_got gdb_receive(struct gdb *g); /* a whole packet into g->packet, NUL-terminated; blocks */
void gdb_send(struct gdb *g, const char *text);
__attribute__((format(printf, 2, 3)))
void gdb_reply(struct gdb *g, const char *fmt, ...);
/* Sends 'O' and text in hexadecimal: gdb prints it. Only while gdb waits for a stop reply, or in answer to qRcmd. */
void gdb_print(struct gdb *g, const char *text);
/* Reads what has come without waiting; true when it holds a Ctrl-C, or the connection was lost. */
bool gdb_peek(struct gdb *g);
/* Waits for the other side to have read everything, a second at most. */
void gdb_drain(struct gdb *g);
void gdb_lost(struct gdb *g);
int gdb_hex(char c); /* 0..15, or -1 */
/* A hexadecimal number at *s, which is moved past it; false when there is none or it has more than 16 digits. */
bool gdb_number(const char **s, uint64_t *value);
/* n bytes from 2n digits; false when there are fewer, or others. */
bool gdb_unhex(const char *s, void *out, size_t n);
void gdb_tohex(char *out, const void *bytes, size_t n);

/* gdb_break.c */
/* 'Z' and 'z': type 0 to 4, the linear address, and the kind, which for watchpoints is the length. Answers it. */
void gdb_break(struct gdb *g, bool insert, const char *args);
bool gdb_push_set(struct gdb *g, bool step); /* g->set into the backend */

/* gdb_command.c: acts on g->packet and answers it. */
void gdb_command(struct gdb *g);
void gdb_stop_reply(struct gdb *g);

/* gdb_regs.c: the register file in gdb's order, as the target description says. */
size_t gdb_description(const struct gdb *g, char *xml, size_t n); /* its length; may be more than n */
void gdb_regs_read(struct gdb *g, char *hex);                     /* the 'g' packet's data */
bool gdb_regs_write(struct gdb *g, const char *hex);
bool gdb_reg_read(struct gdb *g, uint64_t number, char *hex);
bool gdb_reg_write(struct gdb *g, uint64_t number, const char *hex);

/* gdb_memory.c: by linear address, by the guest's page tables, without any side effect of an access. */
bool gdb_translate(const struct gdb *g, uint64_t lin, gpa_t *gpa, uint32_t *error);
size_t gdb_memory_read(const struct gdb *g, uint64_t lin, void *buf, size_t n); /* bytes that could be read */
bool gdb_memory_write(struct gdb *g, uint64_t lin, const void *buf, size_t n);  /* all or nothing */
/* IMAGE_ELF64 in long mode: addresses and general registers of 64 bits. */
bool gdb_is_64bit(const struct gdb *g);

/* gdb_monitor.c */
void gdb_monitor(struct gdb *g, const char *command);
