// SPDX-License-Identifier: GPL-2.0
/*
 * One instruction on the real CPU; see native.h. It stands in a page of its own, followed by a jump
 * back. A fault comes as a signal, whose handler notes it and resumes at the same place, so
 * registers are saved as the CPU left them.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "native.h"

/* Offsets into struct native, for the assembly. */
#define RFLAGS	"128"
#define HOST	"136"
#define RIP	"144"
#define WITHVEC	"152"
#define VEC	"160"

_Static_assert(__builtin_offsetof(struct native, rflags) == 128, "assembly offset");
_Static_assert(__builtin_offsetof(struct native, host_rsp) == 136, "assembly offset");
_Static_assert(__builtin_offsetof(struct native, rip) == 144, "assembly offset");
_Static_assert(__builtin_offsetof(struct native, with_vec) == 152, "assembly offset");
_Static_assert(__builtin_offsetof(struct native, vec) == 160, "assembly offset");

struct native native_state;

void native_enter(void);
void native_return(void);

asm(
".text\n"
".globl native_enter, native_return\n"
"native_enter:\n"
"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; pushf\n"
"	mov %rsp, native_state+" HOST "(%rip)\n"
"	cmpq $0, native_state+" WITHVEC "(%rip)\n"
"	je 1f\n"
"	lea native_state+" VEC "(%rip), %rax\n"
"	.irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
"	vmovdqu \\i*32(%rax), %ymm\\i\n"
"	.endr\n"
"1:	lea native_state(%rip), %r15\n"
"	mov 0(%r15), %rax; mov 8(%r15), %rcx; mov 16(%r15), %rdx; mov 24(%r15), %rbx\n"
"	mov 40(%r15), %rbp; mov 48(%r15), %rsi; mov 56(%r15), %rdi\n"
"	mov 64(%r15), %r8; mov 72(%r15), %r9; mov 80(%r15), %r10; mov 88(%r15), %r11\n"
"	mov 96(%r15), %r12; mov 104(%r15), %r13; mov 112(%r15), %r14\n"
"	pushq " RFLAGS "(%r15); popf\n"
"	mov 32(%r15), %rsp\n"
"	mov 120(%r15), %r15\n"
"	jmp *native_code(%rip)\n"
"native_return:\n"
"	mov %rsp, native_state+32(%rip)\n"
"	mov native_state+" HOST "(%rip), %rsp\n"
"	pushf; popq native_state+" RFLAGS "(%rip)\n"
"	popf; pushf\n"
"	mov %r15, native_state+120(%rip)\n"
"	lea native_state(%rip), %r15\n"
"	mov %rax, 0(%r15); mov %rcx, 8(%r15); mov %rdx, 16(%r15); mov %rbx, 24(%r15)\n"
"	mov %rbp, 40(%r15); mov %rsi, 48(%r15); mov %rdi, 56(%r15)\n"
"	mov %r8, 64(%r15); mov %r9, 72(%r15); mov %r10, 80(%r15); mov %r11, 88(%r15)\n"
"	mov %r12, 96(%r15); mov %r13, 104(%r15); mov %r14, 112(%r15)\n"
"	cmpq $0, " WITHVEC "(%r15)\n"
"	je 1f\n"
"	lea native_state+" VEC "(%rip), %rax\n"
"	.irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
"	vmovdqu %ymm\\i, \\i*32(%rax)\n"
"	.endr\n"
"	vzeroupper\n"
"1:	popf; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
"	ret\n"
);

const void *native_code = (const void *)NATIVE_CODE;

/*
 * Where the address of native_return() stands: aligned, for the instruction may run with alignment
 * checks.
 */
#define BACK_POINTER 0x800

/* The test itself has faulted: say where, and after which instruction, for that may be the cause. */
static void die(int sig, u64 rip)
{
	fprintf(stderr, "# signal %d at %#llx, in the test program; the last native instruction was",
		sig, rip);
	for (unsigned int i = 0; i < native_state.len; i++)
		fprintf(stderr, " %02x", native_state.bytes[i]);
	fprintf(stderr, "\n");
	abort();
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *r = uc->uc_mcontext.gregs;

	/* Alignment checks are for the instruction, not for this program. */
	asm volatile("pushf; andl $~0x40000, (%%rsp); popf" ::: "cc", "memory");
	if (!native_state.running)
		die(sig, r[REG_RIP]);
	/* A transfer may end anywhere. What its target did is no result, but it can be reported. */
	native_state.strayed = (u64)r[REG_RIP] - NATIVE_CODE >= 4096;
	native_state.vector = r[REG_TRAPNO];
	native_state.error_code = r[REG_ERR];
	native_state.address = info->si_signo == SIGSEGV ? (u64)r[REG_CR2] : 0;
	native_state.rip = r[REG_RIP];
	r[REG_RIP] = (greg_t)native_return;
}

u64 native_return_address(void)
{
	return (u64)native_return;
}

/* Return: 0, or -1 when the fixed addresses cannot be had. */
int native_init(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	struct sigaction sa = { .sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	static u8 signal_stack[65536];
	stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	u8 *mem, *code;

	mem = mmap((void *)NATIVE_MEM, NATIVE_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
	code = mmap((void *)NATIVE_CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
	if (mem != (u8 *)NATIVE_MEM || code != (u8 *)NATIVE_CODE)
		return -1;
	/* Touch all, so that no page is first written while an instruction is measured. */
	memset(mem, 0, NATIVE_SIZE);
	memset(code, 0x90, 4096);
	mprotect((void *)NATIVE_HOLE, 4096, PROT_NONE);
	mprotect((void *)NATIVE_RO, 4096, PROT_READ);
	if (sigaltstack(&stack, NULL))
		return -1;
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
	return 0;
}

/* Run the instruction on native_state. */
void native_run(const u8 *code, unsigned int n)
{
	u8 *at = (u8 *)NATIVE_CODE;
	u8 jump_back[6] = { 0xff, 0x25 };	/* jmp *disp(%rip) */
	u32 disp = BACK_POINTER - n - sizeof(jump_back);
	u64 back = native_return_address();

	memcpy(jump_back + 2, &disp, sizeof(disp));
	memcpy(at, code, n);
	memcpy(at + n, jump_back, sizeof(jump_back));
	memcpy(at + BACK_POINTER, &back, sizeof(back));
	memcpy(native_state.bytes, code, n);
	native_state.len = n;
	native_state.vector = -1;
	native_state.rip = NATIVE_CODE + n;
	native_state.strayed = false;
	native_state.running = true;
	native_enter();
	native_state.running = false;
}
