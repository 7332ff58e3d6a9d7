/*
 * test.c - a condition as the status: test -e|-f|-d|-s PATH, test -n|-z STRING, test A = B, A != B, A -eq|-ne|-lt|-gt N,
 * test STRING; `!` before it inverts.
 */
#include "../lib/user.h"

static bool one(const char *op, const char *arg)
{
	struct linux_stat64 st;
	int mode;

	if (!strcmp(op, "-n"))
		return *arg;
	if (!strcmp(op, "-z"))
		return !*arg;
	if (stat(arg, &st))
		return false;
	mode = st.mode & LS_IFMT;
	if (!strcmp(op, "-e"))
		return true;
	if (!strcmp(op, "-f"))
		return mode == LS_IFREG;
	if (!strcmp(op, "-d"))
		return mode == LS_IFDIR;
	if (!strcmp(op, "-s"))
		return st.size > 0;
	eprintf("test: %s: no such condition\n", op);
	exit(2);
}

static bool two(const char *a, const char *op, const char *b)
{
	long x = strtol(a, NULL, 10), y = strtol(b, NULL, 10);

	if (!strcmp(op, "="))
		return !strcmp(a, b);
	if (!strcmp(op, "!="))
		return strcmp(a, b);
	if (!strcmp(op, "-eq"))
		return x == y;
	if (!strcmp(op, "-ne"))
		return x != y;
	if (!strcmp(op, "-lt"))
		return x < y;
	if (!strcmp(op, "-gt"))
		return x > y;
	eprintf("test: %s: no such condition\n", op);
	exit(2);
}

int main(int argc, char **argv)
{
	bool invert = argc > 1 && !strcmp(argv[1], "!"), yes = false;

	argv += 1 + invert;
	switch (argc - 1 - invert) {
	case 0: break;
	case 1: yes = *argv[0]; break;
	case 2: yes = one(argv[0], argv[1]); break;
	case 3: yes = two(argv[0], argv[1], argv[2]); break;
	default:
		eprintf("test: too many words\n");
		return 2;
	}
	return yes == invert;
}
