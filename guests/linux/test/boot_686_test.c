/* boot_686_test.c - Debian's i386 kernel without PAE boots on bt and runs the scripted session. */
#include "session.h"

Test(debian, check_686, .timeout = 585)
{
	session_check("linux-i386");
}
