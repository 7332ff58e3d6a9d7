/*
 * debug-exit.c - ends the machine: writes its argument, a status, to the debug-exit port (core/dev/debugexit.c).
 *
 * QEMU's -device isa-debug-exit,iobase=0xf4,iosize=4 has the same port; its process then ends with (status << 1) | 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <unistd.h>

#define PORT 0xf4

int main(int argc, char **argv)
{
	int status = argc > 1 ? atoi(argv[1]) : 0;

	if (ioperm(PORT, 4, 1)) {
		perror("debug-exit: ioperm");
		return 1;
	}
	usleep(20000); /* the console's driver sends what it has by interrupts */
	outb((unsigned char)status, PORT);
	return 1; /* there is no such port here */
}
