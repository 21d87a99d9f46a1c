/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Into the guest and back: the only code that runs between two worlds.
 *
 * From CLGI to STGI nothing reaches this CPU, not even an NMI: after the guest's
 * VMLOAD the GS base, TR and LDTR are the guest's, and no host code could run.
 * RFLAGS.IF is set in between, because it decides whether interrupts make the
 * guest exit; they are taken after the caller enables them again. VMRUN
 * itself saves and restores RIP, RSP, RAX, RFLAGS, the control registers,
 * EFER, CS, SS, DS, ES, GDTR and IDTR of the host; VMSAVE and VMLOAD do FS, GS, TR,
 * LDTR and the SYSCALL and SYSENTER MSRs. All other registers are ours to keep.
 *
 * VMLOAD of the guest, VMSAVE of the guest and VMLOAD of the host are needed at
 * every exit: the host cannot take an NMI without its GS base and its TSS. The
 * VMSAVE of the host is not; see svm_load().
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

#include <vmm/compat.h>

/* Offsets into struct vmm_vcpu_arch.gpr: registers in the order of their encoding. */
#define RCX	(1 * 8)
#define RDX	(2 * 8)
#define RBX	(3 * 8)
#define RBP	(5 * 8)
#define RSI	(6 * 8)
#define RDI	(7 * 8)
#define R8	(8 * 8)
#define R9	(9 * 8)
#define R10	(10 * 8)
#define R11	(11 * 8)
#define R12	(12 * 8)
#define R13	(13 * 8)
#define R14	(14 * 8)
#define R15	(15 * 8)

/* The frame below the saved registers. */
#define FRAME_HOST_PA		0
#define FRAME_GPR		8
#define FRAME_SPEC		16	/* the host's SPEC_CTRL */
#define FRAME_GUEST_SPEC	24
#define FRAME_SIZE		32

.section .noinstr.text, "ax"

/*
 * void svm_enter(hpa_t vmcb_pa, u64 *gpr, hpa_t host_pa, u32 spec_ctrl,
 *		  u32 host_spec_ctrl)
 */
SYM_FUNC_START(svm_enter)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rcx
	push	%r8
	push	%rsi
	push	%rdx

	/* Faults if the extensions are off: the one place where that is met. */
1:	clgi
	_ASM_EXTABLE(1b, .Lout)

	cmp	%ecx, %r8d
	je	.Lspec_ctrl_loaded
	mov	%ecx, %eax
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
.Lspec_ctrl_loaded:
	sti
	mov	%rdi, %rax
	vmload	%rax

	mov	RCX(%rsi), %rcx
	mov	RDX(%rsi), %rdx
	mov	RBX(%rsi), %rbx
	mov	RBP(%rsi), %rbp
	mov	RDI(%rsi), %rdi
	mov	R8(%rsi), %r8
	mov	R9(%rsi), %r9
	mov	R10(%rsi), %r10
	mov	R11(%rsi), %r11
	mov	R12(%rsi), %r12
	mov	R13(%rsi), %r13
	mov	R14(%rsi), %r14
	mov	R15(%rsi), %r15
	mov	RSI(%rsi), %rsi

	/* Buffers that the CPU may leak from, where the host's kernel says so. */
	VMM_CLEAR_CPU_BUFFERS
	vmrun	%rax

	/* RAX is the host's again: the block's address. */
	vmsave	%rax
	mov	FRAME_HOST_PA(%rsp), %rax
	vmload	%rax
	cli

	mov	FRAME_GPR(%rsp), %rax
	mov	%rcx, RCX(%rax)
	mov	%rdx, RDX(%rax)
	mov	%rbx, RBX(%rax)
	mov	%rbp, RBP(%rax)
	mov	%rsi, RSI(%rax)
	mov	%rdi, RDI(%rax)
	mov	%r8, R8(%rax)
	mov	%r9, R9(%rax)
	mov	%r10, R10(%rax)
	mov	%r11, R11(%rax)
	mov	%r12, R12(%rax)
	mov	%r13, R13(%rax)
	mov	%r14, R14(%rax)
	mov	%r15, R15(%rax)

	/* The guest's return predictions must not steer the host's. */
	VMM_FILL_RETURN_BUFFER

	/* A guest without its own SPEC_CTRL field cannot change the MSR. */
	mov	FRAME_SPEC(%rsp), %eax
	cmp	FRAME_GUEST_SPEC(%rsp), %eax
	je	.Lspec_ctrl_restored
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
.Lspec_ctrl_restored:

	/* Before the first RET; uses RAX, RCX, RDX. */
	VMM_UNTRAIN_RET
	stgi

	/*
	 * Nothing that the guest chose is left for speculation to use: these are
	 * cleared, the callee-saved ones are loaded from the stack below.
	 */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%eax, %eax
.Lout:
	add	$FRAME_SIZE, %rsp
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
SYM_FUNC_END(svm_enter)
