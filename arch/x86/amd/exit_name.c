// SPDX-License-Identifier: GPL-2.0
/*
 * The CPU's exit codes by name, as in APM volume 2, appendix C. For traces and
 * logs only: what an exit means to the core is exit.c's.
 */
#include "amd.h"

static const char * const low[] = {
	[0x000] = "cr0_read",
	[0x002] = "cr2_read",
	[0x003] = "cr3_read",
	[0x004] = "cr4_read",
	[0x008] = "cr8_read",
	[0x010] = "cr0_write",
	[0x012] = "cr2_write",
	[0x013] = "cr3_write",
	[0x014] = "cr4_write",
	[0x018] = "cr8_write",
	[0x020] = "dr0_read",
	[0x021] = "dr1_read",
	[0x022] = "dr2_read",
	[0x023] = "dr3_read",
	[0x024] = "dr4_read",
	[0x025] = "dr5_read",
	[0x026] = "dr6_read",
	[0x027] = "dr7_read",
	[0x030] = "dr0_write",
	[0x031] = "dr1_write",
	[0x032] = "dr2_write",
	[0x033] = "dr3_write",
	[0x034] = "dr4_write",
	[0x035] = "dr5_write",
	[0x036] = "dr6_write",
	[0x037] = "dr7_write",
	[0x040] = "excp_de",
	[0x041] = "excp_db",
	[0x043] = "excp_bp",
	[0x044] = "excp_of",
	[0x045] = "excp_br",
	[0x046] = "excp_ud",
	[0x047] = "excp_nm",
	[0x048] = "excp_df",
	[0x04a] = "excp_ts",
	[0x04b] = "excp_np",
	[0x04c] = "excp_ss",
	[0x04d] = "excp_gp",
	[0x04e] = "excp_pf",
	[0x050] = "excp_mf",
	[0x051] = "excp_ac",
	[0x052] = "excp_mc",
	[0x053] = "excp_xf",
	[0x055] = "excp_cp",
	[0x05c] = "excp_hv",
	[0x05d] = "excp_vc",
	[0x05e] = "excp_sx",
	[0x060] = "intr",
	[0x061] = "nmi",
	[0x062] = "smi",
	[0x063] = "init",
	[0x064] = "vintr",
	[0x065] = "cr0_sel_write",
	[0x066] = "idtr_read",
	[0x067] = "gdtr_read",
	[0x068] = "ldtr_read",
	[0x069] = "tr_read",
	[0x06a] = "idtr_write",
	[0x06b] = "gdtr_write",
	[0x06c] = "ldtr_write",
	[0x06d] = "tr_write",
	[0x06e] = "rdtsc",
	[0x06f] = "rdpmc",
	[0x070] = "pushf",
	[0x071] = "popf",
	[0x072] = "cpuid",
	[0x073] = "rsm",
	[0x074] = "iret",
	[0x075] = "swint",
	[0x076] = "invd",
	[0x077] = "pause",
	[0x078] = "hlt",
	[0x079] = "invlpg",
	[0x07a] = "invlpga",
	[0x07b] = "ioio",
	[0x07c] = "msr",
	[0x07d] = "task_switch",
	[0x07e] = "ferr_freeze",
	[0x07f] = "shutdown",
	[0x080] = "vmrun",
	[0x081] = "vmmcall",
	[0x082] = "vmload",
	[0x083] = "vmsave",
	[0x084] = "stgi",
	[0x085] = "clgi",
	[0x086] = "skinit",
	[0x087] = "rdtscp",
	[0x088] = "icebp",
	[0x089] = "wbinvd",
	[0x08a] = "monitor",
	[0x08b] = "mwait",
	[0x08c] = "mwait_conditional",
	[0x08d] = "xsetbv",
	[0x08e] = "rdpru",
	[0x08f] = "efer_write_trap",
	[0x090] = "cr0_write_trap",
	[0x094] = "cr4_write_trap",
	[0x098] = "cr8_write_trap",
	[0x0a0] = "invlpgb",
	[0x0a1] = "invlpgb_illegal",
	[0x0a2] = "invpcid",
	[0x0a3] = "mcommit",
	[0x0a4] = "tlbsync",
	[0x0a5] = "buslock",
	[0x0a6] = "idle_hlt",
};

static const struct {
	u64 code;
	const char *name;
} high[] = {
	{ 0x400, "npf" },
	{ 0x401, "avic_incomplete_ipi" },
	{ 0x402, "avic_noaccel" },
	{ 0x403, "vmgexit" },
	{ (u32)SVM_EXIT_ERR, "invalid" },
	{ (u32)SVM_EXIT_ERR - 1, "busy" },
	{ SVM_EXIT_SW, "extensions_off" },
};

const char *svm_exit_name(u64 code)
{
	unsigned int i;

	if (code < ARRAY_SIZE(low))
		return low[code];
	for (i = 0; i < ARRAY_SIZE(high); i++)
		if (high[i].code == code)
			return high[i].name;
	return NULL;
}
