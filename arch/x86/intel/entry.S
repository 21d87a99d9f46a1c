/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Into the guest and out again. Interrupts are off, the VMCS is loaded, nothing
 * here may be traced. Between the exit and the end of the mitigations there is no
 * indirect branch and no RET whose target a guest could have trained.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>
#include <asm/unwind_hints.h>

#include <vmm/compat.h>

/* vcpu->arch.gpr[], in the order of the registers' encoding */
#define RAX	(0 * 8)
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

/* struct intel_entry */
#define ENTRY_HOST_RSP		0
#define ENTRY_GUEST_SPEC_CTRL	8
#define ENTRY_HOST_SPEC_CTRL	16

/* INTEL_ENTER_*, bit numbers */
#define ENTER_RESUME		0
#define ENTER_VERW		1
#define ENTER_SAVE_SPEC		2

#define FIELD_HOST_RSP		0x6c14

/* The frame below the saved registers. */
#define FRAME_FLAGS		0
#define FRAME_ENTRY		8
#define FRAME_GPRS		16

.section .noinstr.text, "ax"

/* int intel_enter_guest(u64 *gprs, struct intel_entry *entry, unsigned long flags) */
SYM_FUNC_START(intel_enter_guest)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi
	push	%rsi
	push	%rdx

	/* The stack is the thread's: HOST_RSP changes when the thread does. */
	cmp	%rsp, ENTRY_HOST_RSP(%rsi)
	je	.Lrsp_set
	mov	%rsp, ENTRY_HOST_RSP(%rsi)
	mov	$FIELD_HOST_RSP, %eax
	vmwrite	%rsp, %rax
.Lrsp_set:

	ALTERNATIVE "jmp .Lspec_set", "", X86_FEATURE_MSR_SPEC_CTRL
	mov	ENTRY_GUEST_SPEC_CTRL(%rsi), %rax
	cmp	ENTRY_HOST_SPEC_CTRL(%rsi), %rax
	je	.Lspec_set
	mov	%rdx, %rbx
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
	mov	%rbx, %rdx
.Lspec_set:

	/* Neither MOV nor VERW changes CF, which tells RESUME from LAUNCH. */
	test	$(1 << ENTER_VERW), %dl
	setnz	%al
	bt	$ENTER_RESUME, %edx
	mov	RCX(%rdi), %rcx
	mov	RDX(%rdi), %rdx
	mov	RBX(%rdi), %rbx
	mov	RBP(%rdi), %rbp
	mov	RSI(%rdi), %rsi
	mov	R8(%rdi), %r8
	mov	R9(%rdi), %r9
	mov	R10(%rdi), %r10
	mov	R11(%rdi), %r11
	mov	R12(%rdi), %r12
	mov	R13(%rdi), %r13
	mov	R14(%rdi), %r14
	mov	R15(%rdi), %r15
	/* DEC sets ZF if AL was 1, and leaves CF alone. */
	dec	%al
	mov	RAX(%rdi), %rax
	mov	RDI(%rdi), %rdi
	jnz	.Lno_verw
	verw	.Lverw_selector(%rip)
.Lno_verw:
	jc	.Lresume

	UNWIND_HINT_SAVE
.Llaunch:
	vmlaunch
	jmp	.Lrefused
.Lresume:
	vmresume
	jmp	.Lrefused
	_ASM_EXTABLE(.Llaunch, .Lrefused)
	_ASM_EXTABLE(.Lresume, .Lrefused)

	/* HOST_RIP: RSP is what it was at the entry, all other registers the guest's. */
SYM_INNER_LABEL(intel_exit_label, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	ENDBR
	push	%rax
	mov	(8 + FRAME_GPRS)(%rsp), %rax
	pop	RAX(%rax)
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
	xor	%eax, %eax

	/* Leave nothing of the guest's for speculation in the host to work with; the
	 * registers that are restored below need no clearing.
	 */
.Lclear:
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	mov	%eax, %ebx

	VMM_FILL_RETURN_BUFFER

	/* The guest's SPEC_CTRL out, the host's in; legacy IBRS must be written anew. */
	ALTERNATIVE "jmp .Lspec_restored", "", X86_FEATURE_MSR_SPEC_CTRL
	mov	FRAME_ENTRY(%rsp), %rsi
	testb	$(1 << ENTER_SAVE_SPEC), FRAME_FLAGS(%rsp)
	jz	.Lspec_saved
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	rdmsr
	shl	$32, %rdx
	or	%rax, %rdx
	mov	%rdx, ENTRY_GUEST_SPEC_CTRL(%rsi)
.Lspec_saved:
	mov	ENTRY_HOST_SPEC_CTRL(%rsi), %rdx
	ALTERNATIVE "", "jmp .Lspec_write", X86_FEATURE_KERNEL_IBRS
	cmp	ENTRY_GUEST_SPEC_CTRL(%rsi), %rdx
	je	.Lspec_same
.Lspec_write:
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	%edx, %eax
	shr	$32, %rdx
	wrmsr
.Lspec_same:
	/* The branches above must not be speculated past with the guest's value. */
	lfence
.Lspec_restored:

	VMM_CLEAR_BRANCH_HISTORY

	mov	%ebx, %eax
	add	$24, %rsp
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

.Lrefused:
	mov	$1, %eax
	jmp	.Lclear

SYM_FUNC_END(intel_enter_guest)

	/* Only VERW's memory form clears the buffers; any writable segment does. */
	.pushsection .rodata, "a"
	.balign 2
.Lverw_selector:
	.word	__KERNEL_DS
	.popsection

/*
 * An NMI made the guest exit and blocks further ones until an IRET: hand it to
 * the kernel's own entry for that case, with the frame that an NMI would push.
 * The frame's IRET comes back here.
 */
SYM_FUNC_START(intel_call_nmi)
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	push	$__KERNEL_DS
	push	%rbp
	pushf
	push	$__KERNEL_CS
	call	VMM_NMI_ENTRY
	mov	%rbp, %rsp
	pop	%rbp
	RET
SYM_FUNC_END(intel_call_nmi)
