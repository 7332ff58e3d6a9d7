/* date.c - the time as `date -u` says it: date [SECONDS], since 1970 where given, else now. */
#include "../lib/user.h"

int main(int argc, char **argv)
{
	static const char *const day_names[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char *const month_names[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	static const uint8_t month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	struct linux_timespec t;
	uint32_t days, secs, year = 1970, month = 0;
	const char *weekday;

	if (argc > 1)
		t.sec = strtol(argv[1], NULL, 10);
	else if (clock_gettime(CLOCK_REALTIME, &t))
		die("no clock");
	days = (uint32_t)t.sec / 86400;
	secs = (uint32_t)t.sec % 86400;
	weekday = day_names[days % 7];
	for (;; year++) {
		uint32_t n = year % 4 ? 365 : 366; /* right until 2100 */

		if (days < n)
			break;
		days -= n;
	}
	for (;; month++) {
		uint32_t n = month_days[month] + (month == 1 && year % 4 == 0);

		if (days < n)
			break;
		days -= n;
	}
	printf("%s %s %2u %02u:%02u:%02u UTC %u\n", weekday, month_names[month], days + 1, secs / 3600, secs / 60 % 60, secs % 60, year);
	return 0;
}
