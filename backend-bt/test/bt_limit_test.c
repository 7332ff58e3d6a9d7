/*
 * bt_limit_test.c - reads through a segment with a limit: right, and without a host trap for each.
 *
 * FS and GS are the two segments whose base the translation adds. With a limit the first accesses of a place fault in a guard zone; then
 * the place is translated anew, to call out.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READS 1000
#define TRAPS_MAX 50 /* of a thousand; a few at each place until it is adapted */

Test(limit, a_place_that_needs_a_check_is_adapted)
{
	char stats[] = "/tmp/ringlab-limit-XXXXXX", command[512];
	json_t *column, *e;
	json_int_t traps = 0;
	size_t i;
	int fd = mkstemp(stats);

	cr_assert(fd >= 0);
	close(fd);
	snprintf(command, sizeof(command), RINGLAB_BINARY " run --backend bt --stats %s --append n=%d demo/limits >/dev/null", stats, READS);
	cr_expect_eq(system(command), 0);
	column = json_load_file(stats, 0, NULL);
	unlink(stats);
	cr_assert_not_null(column);
	json_array_foreach(json_object_get(column, "events"), i, e)
		if (!strcmp(json_string_value(json_object_get(e, "kind")), "host-fault"))
			traps += json_integer_value(json_object_get(e, "count"));
	cr_expect(traps > 0, "no host fault at all: is the limit checked?");
	cr_expect(traps < TRAPS_MAX, "%lld host traps for %d reads through a segment with a limit", (long long)traps, READS);
	json_decref(column);
}
