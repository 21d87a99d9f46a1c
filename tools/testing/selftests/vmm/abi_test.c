// SPDX-License-Identifier: GPL-2.0
/*
 * abi_test.c - vmm.h is KVM's wire format.
 *
 * abi_gen.pl turns every name in vmm.h and vmm_para.h into a comparison with
 * its counterpart in the installed <linux/kvm.h>. Almost all of them are done
 * when this file is compiled; what a compiler cannot compare runs as a case.
 */
#include <stddef.h>
#include <string.h>

#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/vmm.h>

#include "ktap.h"

/* <asm/kvm_para.h> uses this kernel macro without having it. */
#define GENMASK(h, l)		((~0UL << (l)) & (~0UL >> (63 - (h))))

#define MEMBER(s, m)		(((s *)0)->m)
#define MEMBER_OFFSET(s, m)	__builtin_offsetof(s, m)

/* At compile time: */
#define ABI_CONST(v, k)		_Static_assert((v) == (k), #v);
#define ABI_SIZE(v, k)		_Static_assert(sizeof(v) == sizeof(k), #v);
#define ABI_OFFSET(v, k, vf, kf)						\
	_Static_assert(MEMBER_OFFSET(v, vf) == MEMBER_OFFSET(k, kf), #v "." #vf);
#define ABI_FIELD(v, k, vf, kf)							\
	ABI_OFFSET(v, k, vf, kf)						\
	_Static_assert(sizeof(MEMBER(v, vf)) == sizeof(MEMBER(k, kf)), #v "." #vf);
#define ABI_SCALAR(v, k, vf, kf)						\
	ABI_FIELD(v, k, vf, kf)							\
	_Static_assert(__builtin_types_compatible_p(typeof(MEMBER(v, vf)),	\
						    typeof(MEMBER(k, kf))),	\
		       #v "." #vf ": type");
#define ABI_STRING(v, k)
#define ABI_BITFIELD(v, k, f)
#define ABI_MISSING(k)
#include "abi_generated.h"

#undef ABI_CONST
#undef ABI_SIZE
#undef ABI_OFFSET
#undef ABI_FIELD
#undef ABI_SCALAR
#define ABI_CONST(v, k)		constants++;
#define ABI_SIZE(v, k)		structs++;
#define ABI_OFFSET(v, k, vf, kf)	fields++;
#define ABI_FIELD(v, k, vf, kf)	fields++;
#define ABI_SCALAR(v, k, vf, kf)	fields++;

/* The static assertions above passed; this says how many there were. */
KTAP_TEST(constants_and_layouts_are_equal)
{
	int constants = 0, structs = 0, fields = 0;

#include "abi_generated.h"

	ktap_diag("%d constants, %d structs, %d fields", constants, structs, fields);
	CHECK(constants > 300 && structs > 50 && fields > 350);
}

#undef ABI_CONST
#undef ABI_SIZE
#undef ABI_OFFSET
#undef ABI_FIELD
#undef ABI_SCALAR
#define ABI_CONST(v, k)
#define ABI_SIZE(v, k)
#define ABI_OFFSET(v, k, vf, kf)
#define ABI_FIELD(v, k, vf, kf)
#define ABI_SCALAR(v, k, vf, kf)

#undef ABI_STRING
#define ABI_STRING(v, k)							\
	CHECK(sizeof(v) == sizeof(k) && !memcmp(v, k, sizeof(k)));

#undef ABI_BITFIELD
#define ABI_BITFIELD(v, k, f)							\
	do {									\
		v a;								\
		k b;								\
										\
		memset(&a, 0, sizeof(a));					\
		memset(&b, 0, sizeof(b));					\
		a.f = -1;							\
		b.f = -1;							\
		CHECK(sizeof(a) == sizeof(b) && !memcmp(&a, &b, sizeof(a)));	\
	} while (0);

KTAP_TEST(bitfields_and_strings_are_equal)
{
#include "abi_generated.h"
}

#undef ABI_STRING
#undef ABI_BITFIELD
#define ABI_STRING(v, k)
#define ABI_BITFIELD(v, k, f)

#undef ABI_MISSING
#define ABI_MISSING(k)								\
	do {									\
		ktap_diag("vmm.h has no counterpart of %s", #k);		\
		missing++;							\
	} while (0);

KTAP_TEST(every_kvm_name_is_mirrored_or_left_out_on_purpose)
{
	int missing = 0;

#include "abi_generated.h"

	CHECK_EQ(missing, 0);
}

KTAP_TEST(additions_stay_in_their_range)
{
	CHECK(VMM_CAP_VMM >= VMM_PRIVATE_BASE);
	CHECK(VMM_CAP_FAIL_ENTRY_EXPLAIN >= VMM_PRIVATE_BASE);
	CHECK(VMM_PRIVATE_IOCTL_BASE > _IOC_NR(KVM_HAS_DEVICE_ATTR));
}
