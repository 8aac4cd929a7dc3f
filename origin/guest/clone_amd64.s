#include "textflag.h"

// func vforkClone3(args *cloneArgs, size uintptr) (pid, errno uintptr)
//
// The child runs on the parent's stack while the parent sleeps, and would overwrite the return address there; it is kept
// in a register meanwhile, as the standard library's rawVforkSyscall does.
TEXT ·vforkClone3(SB), NOSPLIT|NOFRAME, $0-32
	MOVQ args+0(FP), DI
	MOVQ size+8(FP), SI
	MOVQ $435, AX
	POPQ R12
	SYSCALL
	PUSHQ R12
	CMPQ AX, $0xfffffffffffff001
	JLS done
	MOVQ $-1, pid+16(FP)
	NEGQ AX
	MOVQ AX, errno+24(FP)
	RET

done:
	MOVQ AX, pid+16(FP)
	MOVQ $0, errno+24(FP)
	RET
