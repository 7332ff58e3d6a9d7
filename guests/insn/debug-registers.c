/*
 * debug-registers.c - hardware breakpoints: instruction, data and I/O, their DR6, general detect, and what they meet.
 *
 * SDM vol. 3, 17.2 and 17.3. What only exact machines do (held back by MOV SS, RF between iterations) is checked on ours.
 */
#include "insn.h"

#define L(n) (1u << 2 * (n))
#define G(n) (2u << 2 * (n))
#define EXEC(n) (0u << (16 + 4 * (n)))
#define WRITE(n) (1u << (16 + 4 * (n)))
#define IO(n) (2u << (16 + 4 * (n)))
#define ACCESS(n) (3u << (16 + 4 * (n)))
#define LEN1(n) (0u << (18 + 4 * (n)))
#define LEN2(n) (1u << (18 + 4 * (n)))
#define LEN4(n) (3u << (18 + 4 * (n)))
#define GENERAL_DETECT 0x2000u
#define BD 0x2000u
#define BS 0x4000u

static struct { uint32_t n, eip, dr6, dr7, eflags, ecx; } saw;
static uint32_t word[4] __attribute__((aligned(16)));
static uint32_t area[2048]; /* a stack */

static void dr_set(unsigned n, const volatile void *at)
{
	truth_add(DR_ACCESS, 1);
	if (n == 0)
		__asm__ volatile("mov %0, %%dr0" : : "r"(at));
	else if (n == 1)
		__asm__ volatile("mov %0, %%dr1" : : "r"(at));
	else if (n == 2)
		__asm__ volatile("mov %0, %%dr2" : : "r"(at));
	else
		__asm__ volatile("mov %0, %%dr3" : : "r"(at));
}

static void dr7_set(uint32_t v)
{
	truth_add(DR_ACCESS, 1);
	__asm__ volatile("mov %0, %%dr7" : : "r"(v | 0x400) : "memory");
}

static bool on_db(struct trap_frame *f)
{
	truth_add(DR_ACCESS, 3);
	__asm__ volatile("mov %%dr6, %0; mov %%dr7, %1; mov %2, %%dr6" : "=&r"(saw.dr6), "=&r"(saw.dr7) : "r"(0xffff0ff0));
	saw.n++;
	saw.eip = f->eip;
	saw.eflags = f->eflags;
	saw.ecx = f->ecx;
	f->eflags &= ~FLAG_TF;
	f->eflags |= FLAG_RF; /* the instruction at the breakpoint now runs */
	return true;
}

static void begin(uint32_t dr7)
{
	memset(&saw, 0, sizeof(saw));
	dr7_set(dr7);
}

/* How often, which breakpoints, and where relative to at. */
static void check(const char *key, uint32_t n, uint32_t bits, uint32_t at)
{
	dr7_set(0);
	printf("SAW breakpoint=%s\n", key);
	expect("times", saw.n, n);
	if (!n)
		return;
	expect("dr6", saw.dr6 & 0xe00f, bits);
	expect("eip", saw.eip - at, 0);
}

__asm__(".text\nkernel_break: nop\n ret\n");
extern void kernel_break(void);

static void instruction(void)
{
	uint32_t at = (uint32_t)kernel_break;

	dr_set(0, kernel_break);
	begin(L(0) | EXEC(0));
	kernel_break();
	check("exec", 1, 1, at);
	expect("rf", saw.eflags & FLAG_RF, 0);
	dr_set(3, kernel_break);
	begin(G(3) | EXEC(3));
	kernel_break();
	check("exec-global", 1, insn_our_machine() ? 9 : saw.dr6 & 15, at); /* DR0 matches too, though it is not enabled */
	begin(0);
	kernel_break();
	check("exec-off", 0, 0, 0);
}

static void data(void)
{
	uint32_t after, v;

	dr_set(0, NULL);
	dr_set(3, NULL);
	dr_set(1, &word[1]);
	begin(L(1) | WRITE(1) | LEN4(1));
	__asm__ volatile("movb $7, 5+%1; 1: mov $1b, %0" : "=r"(after) : "m"(word) : "memory");
	check("write", 1, 2, after);
	expect("write-done", word[1], 0x700);
	expect("rf", saw.eflags & FLAG_RF, 0);
	begin(L(1) | WRITE(1) | LEN4(1));
	__asm__ volatile("mov 4+%1, %0; movl $1, %1; movl $1, 8+%1" : "=r"(v) : "m"(word) : "memory");
	check("write-not", 0, 0, 0);
	begin(L(1) | ACCESS(1) | LEN4(1));
	__asm__ volatile("mov 4+%2, %1; 1: mov $1b, %0" : "=r"(after), "=r"(v) : "m"(word) : "memory");
	check("read", 1, 2, after);
	dr_set(2, (char *)word + 2);
	begin(L(2) | WRITE(2) | LEN2(2));
	__asm__ volatile("movb $1, 1+%1; movb $1, 3+%1; 1: mov $1b, %0; movb $1, 4+%1" : "=r"(after) : "m"(word) : "memory");
	check("length", 1, 4, after);
	dr_set(0, word);
	dr_set(1, (char *)word + 3);
	begin(L(0) | WRITE(0) | LEN1(0) | L(1) | WRITE(1) | LEN1(1));
	__asm__ volatile("movl $1, %1; 1: mov $1b, %0" : "=r"(after) : "m"(word) : "memory");
	check("two", 1, insn_our_machine() ? 3 : saw.dr6 & 15, after);
	begin(L(0) | WRITE(0) | LEN4(0));
	dr_set(0, &area[2040]);
	__asm__ volatile("mov %%esp, %%ecx; lea %1, %%esp; push $5; 1: mov %%ecx, %%esp; mov $1b, %0"
		: "=&r"(after) : "m"(area[2041]) : "memory", "ecx");
	check("push", 1, 1, after);
}

static void strings(void)
{
	static uint8_t bytes[8] __attribute__((aligned(16)));
	uint32_t at, di = (uint32_t)bytes, cx = 8;

	dr_set(0, bytes + 4);
	dr_set(1, NULL);
	dr_set(2, NULL);
	begin(L(0) | WRITE(0) | LEN1(0));
	__asm__ volatile("1: rep stosb; mov $1b, %2" : "+D"(di), "+c"(cx), "=r"(at) : "a"(3) : "memory");
	dr7_set(0);
	expect("rep-times", saw.n, 1);
	expect_model("rep-ecx", saw.ecx, 3);
	expect_model("rep-eip", saw.eip - at, 0);
	expect("rep-end", cx << 16 | bytes[7], 3);
}

static void meets(void)
{
	uint32_t after;
	uint16_t ss = SEL_KDATA;

	/* A single step and a data breakpoint are one exception (TCG makes two of it). */
	dr_set(0, word);
	begin(L(0) | WRITE(0) | LEN4(0));
	truth_add(FLAGS_IMAGE, 1);
	__asm__ volatile("push $0x102; popf; movl $1, %1; 1: mov $1b, %0" : "=r"(after) : "m"(word) : "memory", "cc");
	if (insn_our_machine())
		check("step", 1, BS | 1, after);
	/* MOV SS holds a data breakpoint of its own back until the next instruction is done. */
	dr_set(0, &ss);
	begin(L(0) | ACCESS(0) | LEN2(0));
	truth_add(SEG_LOAD, 1);
	__asm__ volatile("mov %1, %%ss; nop; 1: mov $1b, %0" : "=r"(after) : "m"(ss) : "memory");
	dr7_set(0);
	expect("mov-ss-times", saw.n, 1);
	expect_model("mov-ss-eip", saw.eip - after, 0);
	/* ICEBP is a trap that no bit of DR6 names. */
	if (!insn_our_machine())
		return;
	begin(0);
	__asm__ volatile(".byte 0xf1; 1: mov $1b, %0" : "=r"(after));
	check("icebp", 1, 0, after);
}

static void general_detect(void)
{
	uint32_t at;

	begin(GENERAL_DETECT);
	truth_add(DR_ACCESS, 1); /* the second time; the first one faults */
	__asm__ volatile("mov $1f, %0; 1: mov %%dr0, %%eax" : "=&r"(at) : : "eax");
	check("detect", 1, BD, at);
	expect("detect-gd", saw.dr7 & GENERAL_DETECT, 0);
}

static void ports(void)
{
	uint32_t after, cr4;

	truth_add(CR_READ, 1);
	truth_add(CR_WRITE, 1);
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 8)); /* DE */
	dr_set(0, (void *)0x80);
	begin(L(0) | IO(0) | LEN1(0));
	truth_add(PORT_OUT, 2);
	__asm__ volatile("outb %%al, $0x81; outb %%al, $0x80; 1: mov $1b, %0" : "=r"(after) : "a"(0));
	if (saw.n) /* KVM, which executes the OUT in the CPU's place, looks at no breakpoint */
		check("io", 1, 1, after);
	dr7_set(0);
	truth_add(CR_WRITE, 1);
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
}

static USER_CODE void user_code(uint32_t arg)
{
	__asm__ volatile(".globl user_break\nuser_break: nop");
	user_exit(1);
}
extern char user_break[];

int guest_main(void)
{
	trap_set(DB, on_db);
	instruction();
	data();
	strings();
	meets();
	if (insn_our_machine()) /* TCG has none */
		general_detect();
	ports();
	dr_set(0, user_break);
	begin(G(0) | EXEC(0));
	expect_user("user", user_code, 0, 1);
	check("user-exec", 1, 1, (uint32_t)user_break);
	dr_set(0, NULL);
	trap_set(DB, NULL);
	return insn_end();
}
