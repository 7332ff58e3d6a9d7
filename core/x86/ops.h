/*
 * ops.h - the handlers of all instructions, by the file that has them. decode.c maps opcodes to them.
 */
#pragma once
#include "step.h"

/* interp_alu.c */
op_fn op_alu, op_alu_imm, op_test, op_test_imm, op_inc_reg, op_dec_reg, op_group3, op_group4, op_shift, op_shld, op_shrd,
	op_imul2, op_imul3, op_bt, op_bt_imm, op_bsf, op_bsr, op_cmpxchg, op_cmpxchg8b, op_xadd, op_daa, op_das, op_aaa, op_aas,
	op_aam, op_aad, op_cbw, op_cwd;
/* interp_data.c */
op_fn op_mov_rm_r, op_mov_r_rm, op_mov_moffs, op_mov_imm, op_mov_rm_imm, op_movzx, op_movsx, op_lea, op_xchg, op_xchg_eax,
	op_bswap, op_push_reg, op_pop_reg, op_push_imm, op_pop_rm, op_pusha, op_popa, op_pushf, op_popf, op_sahf, op_lahf,
	op_cmov, op_setcc, op_xlat, op_salc, op_flag, op_nop, op_enter, op_leave;
/* interp_control.c */
op_fn op_jcc, op_jmp, op_call, op_ret, op_loop, op_group5, op_jmp_far, op_call_far, op_ret_far, op_iret, op_int, op_int3,
	op_into, op_icebp, op_bound, op_ud, op_sysenter, op_sysexit;
/* interp_string.c */
op_fn op_movs, op_cmps, op_stos, op_lods, op_scas, op_ins, op_outs;
/* interp_system.c */
op_fn op_in, op_out, op_cli, op_sti, op_hlt, op_group6, op_group7, op_mov_from_cr, op_mov_to_cr, op_mov_from_dr, op_mov_to_dr,
	op_clts, op_wbinvd, op_rdmsr, op_wrmsr, op_rdtsc, op_rdpmc, op_cpuid;
/* interp_seg.c */
op_fn op_mov_from_seg, op_mov_to_seg, op_push_seg, op_pop_seg, op_load_far, op_lar, op_lsl, op_arpl;
void op_verify(struct step *c, bool write);
/* interp_fpu.c */
op_fn op_fpu, op_fwait, op_group15;

/* SDM vol. 2, appendix B, table B-10: the condition in the low four bits of Jcc, SETcc and CMOVcc. */
static inline bool condition(unsigned cc, uint64_t f)
{
	bool r = false;

	switch (cc >> 1 & 7) {
	case 0: r = f & FL_OF; break;
	case 1: r = f & FL_CF; break;
	case 2: r = f & FL_ZF; break;
	case 3: r = f & (FL_CF | FL_ZF); break;
	case 4: r = f & FL_SF; break;
	case 5: r = f & FL_PF; break;
	case 6: r = !(f & FL_SF) != !(f & FL_OF); break;
	case 7: r = (f & FL_ZF) || !(f & FL_SF) != !(f & FL_OF); break;
	}
	return r != (cc & 1);
}

/* One port access of an instruction that was allowed it: counted, by the bus. */
uint32_t port_in(struct step *c, uint16_t port, unsigned size);
uint32_t port_string(struct step *c, uint16_t port, unsigned size, bool write, void *buf, uint32_t n); /* 0: one by one */
void port_out(struct step *c, uint16_t port, unsigned size, uint32_t value);
/* #GP(0) unless IOPL or the I/O bitmap allows it (SDM vol. 1, 18.5). */
void port_check(struct step *c, uint16_t port, unsigned size);

struct fpu_stubs *fpu_stubs_create(void); /* NULL: no memory */
void fpu_stubs_destroy(struct fpu_stubs *t);
