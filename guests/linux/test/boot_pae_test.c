/* boot_pae_test.c - Debian's i386 kernel with PAE and NX boots on bt and runs the scripted session. */
#include "session.h"

Test(debian, check_pae, .timeout = 585)
{
	session_check("linux-i386-pae");
}
