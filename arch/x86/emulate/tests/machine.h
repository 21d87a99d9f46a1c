/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A machine for the emulator to run on: a piece of linear address space with RAM, a device, a hole
 * and a page that cannot be written; segment, vector and general registers; I/O ports that echo. It
 * implements struct emu_ops and watches that the emulator keeps its promises: a failed attempt has
 * changed nothing, nothing is read after a write.
 */
#ifndef EMULATE_TESTS_MACHINE_H
#define EMULATE_TESTS_MACHINE_H

#include "../emulate.h"

/* What machine_init() sets up; RAM lies on both sides of each. */
#define MEM_SIZE	0x200000ull
#define DEV_BASE	0x0a0000ull
#define HOLE_BASE	0x0c0000ull	/* not present */
#define RO_BASE		0x0d0000ull	/* not writable */

#define CODE_RIP	0x7000ull /* where machine_run() puts the instruction, relative to CS */

struct machine {
	struct emu_ctxt c;
	u64 gpr[16];
	struct emu_segment seg[6];
	u8 vec[16][32];
	u8 *mem;
	u64 mem_base, mem_size;
	u64 dev, hole, ro;	/* first bytes of pages; 0 for none */

	/*
	 * Device accesses: reads are answered at once, or only after user space has "completed"
	 * them.
	 */
	bool dev_defer;
	bool dev_full;		/* writes are accepted with EMU_STOP */
	u64 dev_pending; /* how many device reads user space has completed for this instruction */
	u64 dev_seen;		/* how many this attempt has made */
	u64 dev_reads;
	u64 dev_writes;

	/* The same for the port. */
	bool pio_defer;
	bool pio_ready;
	bool pio_denied;
	u16 pio_port;
	u32 pio_size;
	u32 pio_count;
	u32 pio_calls;
	u8 pio_data[EMU_PIO_BYTES];

	u32 races;		/* how many compare-exchanges another vCPU spoils */
	u32 writes;		/* of memory, in this attempt */
	u32 fetches;
	bool broken;		/* a promise was not kept */
};

void machine_init_at(struct machine *m, enum emu_mode mode, enum emu_prot prot, u8 *mem, u64 base,
		     u64 size);
void machine_init(struct machine *m, enum emu_mode mode, enum emu_prot prot);
void machine_free(struct machine *m);
void machine_code(struct machine *m, const void *code, unsigned int n);
int machine_step(struct machine *m);
int machine_run(struct machine *m, const void *code, unsigned int n);
int machine_attempt(struct machine *m);
u64 machine_load(const struct machine *m, u64 lin, unsigned int size);
void machine_store(struct machine *m, u64 lin, unsigned int size, u64 v);

#endif
