# Two innermost loops: three multiply-adds in registers, and two with a spill
# between them. The outer loop's accesses to the stack do not count.
	.type	f,@function
f:
	vmovups 32(%rsp), %ymm9
.LBB0_1:
	vfmadd231ps (%rdi), %ymm1, %ymm2
	vfmadd231ps %ymm4, %ymm1, %ymm3
	vfmadd213ps %ymm4, %ymm1, %ymm5
	addq $32, %rdi
	cmpq %rsi, %rdi
	jl .LBB0_1
.LBB0_3:
	vmovups %ymm9, 64(%rsp)
.LBB0_2:
	vfmadd231ps (%rdi), %ymm1, %ymm2
	vmovups %ymm3, 96(%rsp)
	vfmadd231ps %ymm4, %ymm1, %ymm3
	addq $32, %rdi
	cmpq %rdx, %rdi
	jl .LBB0_2
	subq $1, %rcx
	jne .LBB0_3
	retq
