/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The x86 instruction decoder and emulator: everything a caller needs.
 *
 * The emulator is plain C. It allocates nothing, holds no lock, writes no global and calls nothing
 * but the functions of struct emu_ops, so the same objects run in the kernel and in the user-space
 * tests.
 *
 *   bytes --emu_decode()--> struct emu_insn --emulate()--> callbacks, registers
 *
 * A caller that wants only a length or an operand (an exit handler on a CPU that does not report
 * them) stops after emu_decode() and looks at insn->len, insn->op, insn->reg, insn->rm. A caller
 * that wants the instruction executed fills a struct emu_ctxt, calls emu_fetch() (or
 * emu_take_bytes() when the CPU has delivered the bytes) and then emulate().
 *
 * A struct emu_ctxt that is kept remembers its last instruction: the same bytes are not decoded
 * again. A driver that polls a device is spared most of the decoder's work.
 *
 * Restarting. An instruction changes no architectural state, not even a register, before the last
 * callback that can fail. So when a callback returns -EMU_IO (user space has to complete a device
 * read first), the attempt is dropped and later made again from the same registers; the callback
 * then answers from what user space delivered. Within one instruction, or one iteration of a REP
 * string instruction, no read follows the write, so a callback may queue a write to a device and
 * report success.
 */
#ifndef ARCH_X86_EMULATE_EMULATE_H
#define ARCH_X86_EMULATE_EMULATE_H

#include <linux/types.h>

/* No instruction is longer; a longer string of bytes raises #GP. */
#define INSN_MAX_LEN 15

/* The decoder may look at so many bytes, though those behind the 15th do not count. */
#define INSN_BUFFER 40

/*
 * What the functions and callbacks return: 0, one of the first two, or one of the others negated.
 */
enum emu_status {
	EMU_OK		= 0,
	EMU_STOP	= 1,	/* write callbacks only: accepted, but do not iterate further */
	EMU_CONTINUE	= 2,	/* emulate() only: progress is committed, call again */

	EMU_TRUNCATED	= 1,	/* emu_decode() only: the instruction is longer than that */
	EMU_UD		= 2,	/* emu_decode() only: no such instruction, raises #UD */
	EMU_TOO_LONG	= 3,	/* emu_decode() only: more than 15 bytes, raises #GP(0) */
	EMU_FAULT	= 4,	/* c->exception is what the guest gets */
	EMU_IO		= 5,	/* user space must complete something first; then start again */
	EMU_UNHANDLED	= 6,	/* not an instruction that the emulator executes */
	EMU_NO_MEMORY	= 7,	/* callbacks only: RAM of the guest's that the host does not give */
};

/*
 * Width of the code segment: CS.D without long mode, or 64-bit mode. Compatibility mode is 16 or
 * 32.
 */
enum emu_mode {
	EMU_MODE_16,
	EMU_MODE_32,
	EMU_MODE_64,
};

/* Segment registers, in the CPU's encoding. */
enum insn_seg {
	INSN_SEG_ES,
	INSN_SEG_CS,
	INSN_SEG_SS,
	INSN_SEG_DS,
	INSN_SEG_FS,
	INSN_SEG_GS,
};

/* General registers, in the CPU's encoding: the index into emu_ctxt.gpr[]. */
enum insn_gpr {
	INSN_RAX, INSN_RCX, INSN_RDX, INSN_RBX, INSN_RSP, INSN_RBP, INSN_RSI, INSN_RDI,
	INSN_R8, INSN_R9, INSN_R10, INSN_R11, INSN_R12, INSN_R13, INSN_R14, INSN_R15,
	INSN_NO_REG = 0xff,
};

/* Opcode map; for VEX, EVEX and XOP the number in the prefix. */
enum insn_map {
	INSN_MAP_1BYTE	= 0,
	INSN_MAP_0F	= 1,
	INSN_MAP_0F38	= 2,
	INSN_MAP_0F3A	= 3,
	INSN_MAP_MAX	= 31,
};

/*
 * What an instruction is. INSN_OTHER has the right length and operand fields, but nobody needed its
 * name.
 */
enum insn_op {
	INSN_OTHER,

	/* What exits are made of: decoded and named, executed by the exit handlers. */
	INSN_CPUID, INSN_HLT, INSN_PAUSE, INSN_RDMSR, INSN_WRMSR, INSN_RDTSC, INSN_RDTSCP,
	INSN_RDPMC, INSN_RDPRU, INSN_VMCALL, INSN_VMMCALL, INSN_VMRUN, INSN_VMLOAD, INSN_VMSAVE,
	INSN_STGI, INSN_CLGI, INSN_SKINIT, INSN_XSETBV, INSN_XGETBV, INSN_INVLPG, INSN_INVLPGA,
	INSN_INVLPGB, INSN_TLBSYNC, INSN_INVPCID, INSN_INVD, INSN_WBINVD, INSN_MONITOR,
	INSN_MWAIT, INSN_MONITORX, INSN_MWAITX,
	INSN_RSM, INSN_CLTS, INSN_SWAPGS,
	INSN_MOV_FROM_CR, INSN_MOV_TO_CR,	/* insn->reg: the control register, rm: general */
	INSN_MOV_FROM_DR, INSN_MOV_TO_DR,	/* the same with a debug register */
	INSN_LMSW, INSN_SMSW,
	INSN_SGDT, INSN_SIDT, INSN_LGDT, INSN_LIDT, INSN_SLDT, INSN_STR, INSN_LLDT, INSN_LTR,
	INSN_INT3, INSN_INT, INSN_INTO, INSN_INT1, INSN_IRET, INSN_PUSHF, INSN_POPF,
	INSN_IN, INSN_OUT,
	INSN_CALL_FAR, INSN_JMP_FAR,		/* through a far pointer in memory */
	INSN_LOAD_FAR,				/* LDS, LES, LSS, LFS, LGS */
	INSN_VMX,				/* VMLAUNCH, VMREAD, INVEPT, ... */

	/* What emulate() executes. */
	INSN_FIRST_EXECUTED,
	INSN_MOV = INSN_FIRST_EXECUTED,
	INSN_MOVZX, INSN_MOVSX, INSN_MOVNTI, INSN_MOVBE, INSN_CMOV, INSN_SETCC,
	INSN_LAST_MOVE = INSN_SETCC,
	INSN_XCHG, INSN_MOV_SEG,
	INSN_ADD, INSN_OR, INSN_ADC, INSN_SBB, INSN_AND, INSN_SUB, INSN_XOR, INSN_CMP, INSN_TEST,
	INSN_INC, INSN_DEC, INSN_NOT, INSN_NEG,
	INSN_ROL, INSN_ROR, INSN_RCL, INSN_RCR, INSN_SHL, INSN_SHR, INSN_SAR, INSN_SHLD, INSN_SHRD,
	INSN_BT, INSN_BTS, INSN_BTR, INSN_BTC, INSN_BSF, INSN_BSR,
	INSN_CMPXCHG, INSN_CMPXCHG8B, INSN_XADD,
	INSN_MOVS, INSN_STOS, INSN_LODS, INSN_CMPS, INSN_SCAS, INSN_INS, INSN_OUTS,
	INSN_PUSH, INSN_POP, INSN_CALL, INSN_JMP,
	INSN_VEC_MOV,				/* SSE and AVX loads and stores, data unchanged */
	INSN_NOP,				/* multi-byte NOP, PREFETCH: no access at all */
	INSN_FLUSH,				/* CLFLUSH, CLFLUSHOPT: checked like a load */
};

/* insn->flags */
#define INSN_LOCK	0x0001
#define INSN_REX	0x0002	/* a REX prefix counts: byte registers 4 to 7 are SPL to DIL */
#define INSN_ADSIZE	0x0004	/* 67 */
#define INSN_SEG_PREFIX	0x0008	/* a segment override that counts */
#define INSN_MODRM	0x0010
#define INSN_SIB	0x0020
#define INSN_RIP_REL	0x0040
#define INSN_VEX	0x0080
#define INSN_EVEX	0x0100
#define INSN_XOP	0x0200
/* The decoder's tables are indexed with these, in this order. */
#define INSN_REX_W	0x0400	/* REX.W, VEX.W, EVEX.W */
#define INSN_OPSIZE	0x0800	/* 66, also in VEX.pp */
#define INSN_REP	0x1000	/* F3, if no F2 follows it; also in VEX.pp */
#define INSN_REPNE	0x2000	/* F2, if no F3 follows it; also in VEX.pp */

struct insn_row;

/**
 * struct emu_insn - a decoded instruction
 * @row:	its row in the opcode table
 * @imm:	immediate or branch displacement, sign-extended; a MOV's absolute address (moffs); a
 *		far pointer's offset
 * @disp:	displacement of the memory operand, sign-extended (not scaled in EVEX)
 * @imm2:	ENTER's second immediate, a far pointer's selector
 * @flags:	INSN_*
 * @len:	length in bytes, prefixes included
 * @op:		what it is, enum insn_op
 * @map:	opcode map
 * @opcode:	last opcode byte
 * @modrm:	ModRM byte
 * @mod:	ModRM.mod: 3 means that @rm is a register
 * @reg:	ModRM.reg with REX.R; for an opcode without ModRM that holds a register, that
 *		register
 * @rm:		ModRM.rm with REX.B, where it names a register
 * @base:	base register of the memory operand or INSN_NO_REG
 * @index:	index register of the memory operand or INSN_NO_REG
 * @scale:	shift of the index, 0 to 3
 * @op_bytes:	operand size: 1 for a byte form, else 2, 4 or 8
 * @ad_bytes:	address size: 2, 4 or 8
 * @seg:	segment of the memory operand, enum insn_seg, override and default considered
 * @vvvv:	the extra register of VEX, EVEX and XOP
 * @vl:		vector length of VEX and EVEX: 0 is 16 bytes, 1 is 32, 2 is 64
 * @mode:	enum emu_mode that it was decoded for
 */
struct emu_insn {
	const struct insn_row *row;
	u64 imm;
	s32 disp;
	u16 imm2;
	u16 flags;
	/* What is stored at the same time is not side by side: compilers would combine it first. */
	u8 len;
	u8 modrm;
	u8 op;
	u8 mod;
	u8 map;
	u8 reg;
	u8 opcode;
	u8 rm;
	u8 base;
	u8 seg;
	u8 index;
	u8 ad_bytes;
	u8 scale;
	u8 op_bytes;
	u8 vvvv;
	u8 vl;
	u8 mode;
};

/**
 * emu_decode - decode one instruction
 * @insn:	filled when 0 is returned; else its length is 0
 * @bytes:	the instruction's bytes
 * @n:		how many bytes may be read; more than INSN_MAX_LEN are ignored
 * @mode:	width of the code segment
 *
 * Return: 0, -EMU_TRUNCATED when the instruction is longer than @n (which is less than 15), -EMU_UD
 * for bytes that are no instruction in this mode, -EMU_TOO_LONG for more than 15 bytes.
 */
int emu_decode(struct emu_insn *insn, const u8 *bytes, unsigned int n, enum emu_mode mode);

/**
 * insn_quick_len - length of the short instructions that most exits are about
 * @bytes:	the instruction's bytes
 * @n:		how many there are
 *
 * For a caller that already knows from the exit which instruction this is and wants to skip it.
 *
 * Return: the length of a prefix-free HLT, CPUID, RDMSR, WRMSR, RDTSC, RDPMC, CLTS, INVD, WBINVD or
 * RSM, or of a prefix-free 0F 01 instruction without memory operand (VMCALL, VMMCALL, XSETBV,
 * MWAIT, ...); 0 for anything else, which emu_decode() then sorts out.
 */
static inline unsigned int insn_quick_len(const u8 *bytes, unsigned int n)
{
	/* Bit per opcode 0F 00 to 0F 3F: CLTS, INVD, WBINVD, WRMSR, RDTSC, RDMSR, RDPMC. */
	const u64 two_bytes = 1ull << 0x06 | 1ull << 0x08 | 1ull << 0x09 | 0xfull << 0x30;

	if (n < 2)
		return n == 1 && bytes[0] == 0xf4;
	if (bytes[0] != 0x0f)
		return bytes[0] == 0xf4;
	if (bytes[1] == 0xa2 || bytes[1] == 0xaa)
		return 2;
	if (bytes[1] == 0x01)
		return n >= 3 && bytes[2] >= 0xc0 ? 3 : 0;
	if (bytes[1] < 0x40 && (two_bytes >> bytes[1] & 1))
		return 2;
	return 0;
}

/* True when ModRM names a memory operand. */
static inline bool insn_has_mem(const struct emu_insn *insn)
{
	return (insn->flags & INSN_MODRM) && insn->mod != 3;
}

/* How the CPU protects memory; what enum emu_mode does not say. */
enum emu_prot {
	EMU_REAL,
	EMU_VM86,
	EMU_PROTECTED,		/* long mode too */
};

/* How memory is accessed: the last argument of the memory callbacks. */
#define EMU_READ	0x1
#define EMU_WRITE	0x2	/* with EMU_READ: a read that a write to the same place follows */
#define EMU_IMPLICIT	0x4	/* with supervisor rights whatever the CPL is: TSS */

/**
 * struct emu_segment - a segment register with its hidden part
 * @base:	linear base address
 * @limit:	in bytes, granularity considered
 * @selector:	visible part
 * @attr:	EMU_SEG_*: bits 8 to 15 and 20 to 23 of the descriptor's second half moved to 0 to
 *		11
 * @unusable:	loaded with a null selector
 */
struct emu_segment {
	u64 base;
	u32 limit;
	u16 selector;
	u16 attr;
	bool unusable;
};

#define EMU_SEG_TYPE	0x000f
#define EMU_SEG_W	0x0002	/* data: writable; code: readable */
#define EMU_SEG_E	0x0004	/* data: expand down; code: conforming */
#define EMU_SEG_X	0x0008	/* code */
#define EMU_SEG_S	0x0010	/* code or data */
#define EMU_SEG_DPL	0x0060
#define EMU_SEG_DPL_SHIFT 5
#define EMU_SEG_P	0x0080
#define EMU_SEG_L	0x0200
#define EMU_SEG_DB	0x0400
#define EMU_SEG_G	0x0800

/**
 * struct emu_exception - what the guest gets after -EMU_FAULT
 * @address:	faulting linear address, for #PF only
 * @error_code:	pushed when @has_error
 * @vector:	exception vector
 * @has_error:	the vector comes with an error code
 */
struct emu_exception {
	u64 address;
	u32 error_code;
	u8 vector;
	bool has_error;
};

struct emu_ctxt;

/**
 * struct emu_ops - what the emulator needs from the machine
 *
 * Addresses are linear. A memory callback walks the guest's page tables with the rights of c->cpl
 * (or the supervisor's for EMU_IMPLICIT), splits an access that crosses a page, and tells RAM from
 * devices. All int callbacks return 0, -EMU_FAULT with c->exception filled in, -EMU_IO,
 * -EMU_UNHANDLED or -EMU_NO_MEMORY, which emulate() returns; nothing may have changed when they
 * fail. @write, @cmpxchg and @pio_out may also return EMU_STOP, which means success, but that a REP
 * instruction must not go on to its next iteration: the queue of device writes is full.
 *
 * What user space delivered belongs to the reads of one iteration: a callback that is called with
 * c->iterations above 0 is past that iteration and must not use it.
 *
 * @fetch:	read instruction bytes that lie in one page.
 * @read:	read at most 32 bytes (RAM: EMU_PIO_BYTES). With EMU_WRITE in @access the address
 *		must be writable too.
 * @write:	write as many. Either everything is written or nothing.
 * @probe:	check that @size bytes, which lie in one page, can be accessed as @access says.
 *		Returns EMU_STOP where that is possible, but not RAM: INS and OUTS then move one
 *		item at a time.
 * @cmpxchg:	store @new if memory holds @old, atomically for the guest's other vCPUs where it is
 *		RAM, or return -EMU_UNHANDLED; @size is 1, 2, 4, 8 or 16. Memory that differs may be
 *		put into @old, 0 is returned and *@done is false. A device cannot be locked: it gets
 *		a plain write of @new.
 * @get_seg:	read a segment register; cannot fail.
 * @load_seg:	load a segment register as MOV to it would, with all its checks. Optional.
 * @io_allowed:	check the TSS permission bitmap; called when CPL and IOPL do not allow the access.
 * @pio_in:	read @count items of @size bytes from @port into @buf (at most EMU_PIO_BYTES).
 * @pio_out:	write @count items of @size bytes to @port.
 * @get_vec:	read the low @size (16 or 32) bytes of vector register @reg (0 to 15).
 * @set_vec:	write the low @size bytes of vector register @reg. With @zero_upper the rest of the
 *		register becomes 0 (VEX), else it stays.
 */
struct emu_ops {
	int (*fetch)(struct emu_ctxt *c, u64 lin, void *buf, unsigned int size);
	int (*read)(struct emu_ctxt *c, u64 lin, void *buf, unsigned int size, unsigned int access);
	int (*write)(struct emu_ctxt *c, u64 lin, const void *buf, unsigned int size,
		     unsigned int access);
	int (*probe)(struct emu_ctxt *c, u64 lin, unsigned int size, unsigned int access);
	int (*cmpxchg)(struct emu_ctxt *c, u64 lin, void *old, const void *new, unsigned int size,
		       bool *done);
	void (*get_seg)(struct emu_ctxt *c, enum insn_seg seg, struct emu_segment *s);
	int (*load_seg)(struct emu_ctxt *c, enum insn_seg seg, u16 selector);
	int (*io_allowed)(struct emu_ctxt *c, u16 port, unsigned int size);
	int (*pio_in)(struct emu_ctxt *c, u16 port, unsigned int size, unsigned int count,
		      void *buf);
	int (*pio_out)(struct emu_ctxt *c, u16 port, unsigned int size, unsigned int count,
		       const void *buf);
	int (*get_vec)(struct emu_ctxt *c, unsigned int reg, void *buf, unsigned int size);
	int (*set_vec)(struct emu_ctxt *c, unsigned int reg, const void *buf, unsigned int size,
		       bool zero_upper);
};

/* Most bytes that one pio_in() or pio_out() moves. */
#define EMU_PIO_BYTES 256

/* emu_ctxt.shadow: interrupts that the completed instruction holds off until after the next one. */
#define EMU_SHADOW_MOV_SS 0x1

/**
 * struct emu_ctxt - one emulation
 * @ops:	callbacks
 * @opaque:	the caller's own, for the callbacks
 * @gpr:	16 general registers in the CPU's encoding; may be the vCPU's live ones. Changed
 *		only when an instruction, or an iteration, completes
 * @rip:	in: of the instruction; out: of the next one after EMU_OK, unchanged after anything
 *		else
 * @rflags:	in and out, like @gpr
 * @mode:	width of the code segment
 * @prot:	real, virtual-8086 or protected
 * @cpl:	current privilege level: 0 in real mode, 3 in virtual-8086 mode
 * @va_bits:	width of a canonical address: 48 or 57
 * @align_check: CR0.AM is set (#AC is then raised at CPL 3 with RFLAGS.AC)
 * @max_iterations: how many iterations of a REP string instruction to make before EMU_CONTINUE; 0
 * is 1
 * @max_items:	how many items a REP INS or OUTS may move at once, where memory is RAM within a page;
 *		0 is 1. They count as so many iterations, but are not divided for @max_iterations
 * @insn:	the instruction
 * @bytes:	its bytes, as far as they are known; @insn is what they are, unless its length is 0
 * @raw:	the same
 * @n_bytes:	how many
 * @exception:	out, after -EMU_FAULT
 * @shadow:	out, EMU_SHADOW_*, after EMU_OK
 * @iterations:	out: iterations of a string instruction that were completed, also before an error
 */
struct emu_ctxt {
	const struct emu_ops *ops;
	void *opaque;
	u64 *gpr;
	u64 rip;
	u64 rflags;
	enum emu_mode mode;
	enum emu_prot prot;
	u8 cpl;
	u8 va_bits;
	bool align_check;
	u8 n_bytes;
	u8 shadow;
	u32 max_iterations;
	u16 max_items;
	u32 iterations;
	struct emu_insn insn;
	union {
		u8 bytes[INSN_BUFFER];
		u64 raw[INSN_BUFFER / 8];
	};
	struct emu_exception exception;
};

/**
 * emu_fetch - fetch and decode the instruction at CS:RIP
 * @c:	with @ops, @opaque, @rip, @mode, @prot, @cpl and @va_bits set
 *
 * Reads up to the end of the page first, and the next page only when the instruction goes on there.
 *
 * Return: 0, -EMU_FAULT (#PF of the fetch, #UD, #GP), or what the fetch callback returned.
 */
int emu_fetch(struct emu_ctxt *c);

/**
 * emu_take_bytes - decode bytes that the CPU has delivered with the exit
 * @c:		with @mode set
 * @bytes:	the instruction and perhaps more
 * @n:		how many; more than 16 are ignored
 *
 * Return: as emu_decode(). After -EMU_TRUNCATED emu_fetch() gets the rest.
 */
int emu_take_bytes(struct emu_ctxt *c, const u8 *bytes, unsigned int n);

/**
 * emu_take_raw - the same for bytes that are in two words
 * @c:		with @mode set
 * @raw:	the first 16 bytes; those that are not known are 0
 * @n:		how many are known
 *
 * Return: as emu_decode().
 */
int emu_take_raw(struct emu_ctxt *c, const u64 *raw, unsigned int n);

/**
 * emulate - execute c->insn
 * @c:	complete, with a decoded instruction
 *
 * Return: 0 when the instruction is complete: @rip, @rflags and @gpr are new. EMU_CONTINUE when a
 * REP instruction wants another call: @gpr is new, @rip is not, the caller may deliver an interrupt
 * first. -EMU_FAULT: inject c->exception; -EMU_IO: complete the access, then call again from the
 * start (REP iterations before it are committed in @gpr). -EMU_UNHANDLED: the instruction is not
 * one that the emulator executes; c->bytes and c->n_bytes say which it was. Single-stepping
 * (RFLAGS.TF) is the caller's: each call then completes one iteration at most.
 */
int emulate(struct emu_ctxt *c);

/**
 * emu_read_operand - read the memory operand of a decoded instruction that emulate() does not
 * execute
 * @c:		complete, with an instruction for which insn_has_mem() is true
 * @size:	1, 2, 4 or 8 bytes
 * @val:	the operand
 *
 * Return: 0, -EMU_FAULT, or what the read callback returned.
 */
int emu_read_operand(struct emu_ctxt *c, unsigned int size, u64 *val);

/**
 * emu_plain_load - is this a load into a general register and nothing else?
 * @insn: decoded
 *
 * Return: bytes that it reads (MOV, MOVZX, MOVSX from memory), or 0.
 */
unsigned int emu_plain_load(const struct emu_insn *insn);

/**
 * emu_operand_offset - where in its page the memory operand begins
 * @c:	as for emulate(), with an instruction for which insn_has_mem() is true
 *
 * A fault at a page's first byte may be about an operand that begins in the page before it.
 */
unsigned int emu_operand_offset(struct emu_ctxt *c);

/**
 * emu_finish_load - complete a plain load with the value that memory held
 * @c:		as for emulate(), with an instruction for which emu_plain_load() is not 0
 * @val:	the value, zero-extended
 *
 * Does what emulate() does after its read callback: @c->gpr and @c->rip change.
 */
void emu_finish_load(struct emu_ctxt *c, u64 val);

/**
 * emu_plain_store - is this a store of a general register or an immediate, and nothing else?
 * @c:		with @gpr and a decoded instruction
 * @val:	what it stores
 *
 * Return: bytes that it writes (MOV to memory), or 0.
 */
unsigned int emu_plain_store(const struct emu_ctxt *c, u64 *val);

#endif
