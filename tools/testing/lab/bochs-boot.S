/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The boot sector of the emulated Intel host. Bochs has put the unpacked
 * kernel, its RAM file system and a page of boot parameters into memory; what
 * is left to do is to ask the BIOS for the memory map and to enter the kernel
 * as its 64-bit boot protocol says (x86/boot.rst): long mode, memory mapped to
 * itself, flat segments 0x10 and 0x18, the parameters' address in RSI.
 *
 * bochs.py assembles this; the BIOS loads it at 0x7c00 from a floppy image.
 */
#define ENTRY		0x10000		/* holds the address of the kernel's entry */
#define PARAMS		0x11000		/* struct boot_params */
#define E820_COUNT	0x1e8		/* offsets in it */
#define E820_TABLE	0x2d0
#define PAGE_TABLES	0x20000		/* PML4, PDPT, and four page directories */
#define STACK		0x2fff0
#define SMAP		0x534d4150

	.code16
	.globl	_start
_start:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	$0x7c00, %sp

	/* The memory map, entry by entry. */
	mov	$(PARAMS >> 4), %ax
	mov	%ax, %es
	xor	%ebx, %ebx
	xor	%bp, %bp
	mov	$E820_TABLE, %di
1:	mov	$0xe820, %eax
	mov	$20, %ecx
	mov	$SMAP, %edx
	int	$0x15
	jc	2f
	cmp	$SMAP, %eax
	jne	2f
	inc	%bp
	add	$20, %di
	test	%ebx, %ebx
	jnz	1b
2:	mov	%bp, %ax
	movb	%al, %es:E820_COUNT

	/* A20 on, the interrupt controllers silent, protected mode. */
	cli
	in	$0x92, %al
	or	$0x02, %al
	and	$0xfe, %al
	out	%al, $0x92
	mov	$0xff, %al
	out	%al, $0xa1
	out	%al, $0x21
	lgdtl	gdt_pointer
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$0x20, $protected

	.code32
protected:
	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss

	/* 4 GiB mapped to itself, in pages of 2 MiB. */
	mov	$PAGE_TABLES, %edi
	xor	%eax, %eax
	mov	$(6 * 1024), %ecx
	cld
	rep stosl
	movl	$(PAGE_TABLES + 0x1003), PAGE_TABLES
	mov	$(PAGE_TABLES + 0x1000), %edi
	mov	$(PAGE_TABLES + 0x2003), %eax
	mov	$4, %ecx
1:	mov	%eax, (%edi)
	add	$8, %edi
	add	$0x1000, %eax
	loop	1b
	mov	$(PAGE_TABLES + 0x2000), %edi
	mov	$0x83, %eax
	mov	$2048, %ecx
1:	mov	%eax, (%edi)
	add	$8, %edi
	add	$0x200000, %eax
	loop	1b

	mov	$PAGE_TABLES, %eax
	mov	%eax, %cr3
	mov	%cr4, %eax
	or	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	$0xc0000080, %ecx	/* EFER */
	rdmsr
	or	$0x100, %eax		/* LME */
	wrmsr
	mov	%cr0, %eax
	or	$0x80000001, %eax	/* PG, PE */
	mov	%eax, %cr0
	ljmp	$0x10, $long_mode

	.code64
long_mode:
	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$STACK, %esp
	mov	$PARAMS, %esi
	jmp	*ENTRY

	.balign	8
gdt:	.quad	0, 0
	.quad	0x00af9b000000ffff	/* 0x10: 64-bit code */
	.quad	0x00cf93000000ffff	/* 0x18: data */
	.quad	0x00cf9b000000ffff	/* 0x20: 32-bit code */
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt

	.org	510
	.word	0xaa55
