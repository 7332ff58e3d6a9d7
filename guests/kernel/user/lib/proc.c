/*
 * proc.c - a program's start and end, its environment, running others, complaints.
 */
#include "user.h"

char **environ;
const char *program_name = "?";

int main(int argc, char **argv);
_Noreturn void proc_start(uint32_t *stack);

void proc_start(uint32_t *stack)
{
	int argc = stack[0];
	char **argv = (char **)(stack + 1), *slash;

	environ = argv + argc + 1;
	if (argc && argv[0]) {
		slash = strrchr(argv[0], '/');
		program_name = slash ? slash + 1 : argv[0];
	}
	exit(main(argc, argv));
}

void exit(int status)
{
	if (out_flush() && !status)
		status = 1;
	_exit(status);
}

char *getenv(const char *name)
{
	size_t n = strlen(name);

	for (char **e = environ; *e; e++)
		if (!strncmp(*e, name, n) && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

int setenv(const char *name, const char *value)
{
	size_t n = strlen(name), count = 0;
	char *entry = malloc(n + strlen(value) + 2), **list;

	if (!entry)
		return -1;
	strcpy(entry, name);
	strcat(entry, "=");
	strcat(entry, value);
	for (char **e = environ; *e; e++, count++)
		if (!strncmp(*e, entry, n + 1)) {
			*e = entry;
			return 0;
		}
	list = malloc((count + 2) * sizeof(*list));
	if (!list)
		return -1;
	memcpy(list, environ, count * sizeof(*list));
	list[count] = entry;
	list[count + 1] = NULL;
	environ = list;
	return 0;
}

/* A file without a header that the kernel knows is a script. */
static int try_exec(const char *path, char *const argv[])
{
	char *script[32];
	int n = 2;

	execve(path, argv, environ);
	if (errno != ENOEXEC)
		return -1;
	script[0] = "sh";
	script[1] = (char *)path;
	for (int i = 1; argv[0] && argv[i] && n < 31; i++)
		script[n++] = argv[i];
	script[n] = NULL;
	if (strcmp(argv[0], "sh"))
		execvp("sh", script);
	return -1;
}

int execvp(const char *file, char *const argv[])
{
	const char *path = getenv("PATH");
	char full[256];
	int err = ENOENT;

	if (strchr(file, '/'))
		return try_exec(file, argv);
	for (path = path ? path : "/bin"; *path; path += *path == ':') {
		size_t n = 0;

		while (path[n] && path[n] != ':')
			n++;
		if (n + strlen(file) + 2 <= sizeof(full)) {
			memcpy(full, path, n);
			full[n] = '/';
			strcpy(full + n + 1, file);
			try_exec(full, argv);
			if (errno != ENOENT && errno != ENOTDIR)
				err = errno;
		}
		path += n;
	}
	errno = err;
	return -1;
}

int usleep(uint32_t us)
{
	struct linux_timespec t = { .sec = us / 1000000, .nsec = us % 1000000 * 1000 };

	return nanosleep(&t, NULL);
}

unsigned sleep(unsigned seconds)
{
	struct linux_timespec t = { .sec = seconds }, rest = { 0 };

	return nanosleep(&t, &rest) ? rest.sec : 0;
}

void die(const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	out_flush();
	eprintf("%s: %s\n", program_name, text);
	exit(1);
}

void warn(const char *what)
{
	int err = errno;

	out_flush();
	eprintf("%s: %s: %s\n", program_name, what, strerror(err));
}
