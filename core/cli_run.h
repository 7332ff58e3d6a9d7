/*
 * cli_run.h - what `ringlab run` shares with other commands that run guests: its options, its jailed child.
 *
 * Included by core/cli_*.c only. Read next: cli_run.c.
 */
#pragma once
#include <pthread.h>
#include <termios.h>
#include "cli.h"
#include "cli_end.h"

/* A Linux guest's files and its command line. */
struct linux_files {
	char kernel[600], initrd[600], append[2048];
};

struct run {
	struct vm_config cfg;
	struct see see;      /* --trace, --top, --listing */
	struct load_request req;
	const char *guest, *kernel, *backend, *append, *stats_path, *gdb;
	bool no_jail, verify_vmm;
	char engine[64];
	struct guest_files own;     /* what guests.cfg gives a named guest */
	FILE *stats;
	char stats_buf[8192];
	struct termios tty;
	bool tty_saved, tty_guest; /* the guest has a terminal driver of its own */
	pthread_t watcher;          /* in the child: the thread that waits for signals */
	bool watched;
	struct linux_files files;
	struct end_pipe end;        /* the child's last word to the parent */
	struct end_record ended;    /* in the child: what it will be */
	int disk_fd[4]; /* for the jail; lockstep has four VMs */
	unsigned disks;
	void *more;          /* the command's own */
};

/* cli_linux.c: whether it is the name of a Linux guest. */
bool linux_guest_named(const char *name);
/* Its files; append (NULL: quiet) goes behind what the machine needs on the command line. 0, or -1 after saying why. */
int linux_guest_resolve(const char *name, const char *append, struct linux_files *f);

/* cli_linux.c: $VARIABLE, or ringlab/WHAT in the user's cache: where fetched guests lie. */
void cli_cache_dir(const char *variable, const char *what, char *dir, size_t n);
/* cli_grub.c: Debian's GRUB for Xen, the same way. */
bool grub_guest_named(const char *name);
int grub_guest_resolve(struct guest_files *f);

/* The options and the guest; 0, or a status to exit with. Chooses and probes the backend. */
int run_parse(struct run *r, int argc, char **argv);
/* Finds the guest's image and opens what the run writes; 0 or a status. */
int run_open(struct run *r, struct guest_list *guests);
/* A thread that turns SIGINT and its kin into vm_interrupt: 0 or -errno. */
int run_watch(struct run *r, struct vm *vm);
void run_unwatch(struct run *r);
/* Tells the jail of the VM's disk; before run_jail, for at most four VMs. */
void run_disk(struct run *r, const struct vm *vm);
/* Locks the process; 0, or -errno after saying why. */
int run_jail(struct run *r);
/* Forks; the child runs child_main, whose result is its exit status; the parent waits and says how the child ended. */
int run_supervised(struct run *r, int (*child_main)(struct run *r));
