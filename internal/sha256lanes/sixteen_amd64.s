//go:build !purego

#include "textflag.h"

// SHA-256 of sixteen messages at once with AVX-512: each register holds the
// same 32-bit word of all sixteen, and what FIPS 180-4 does with a word is done
// for all of them. The rounds are written as the standard has them; VPTERNLOGD
// does any function of three bits: 0x96 is the exclusive or, 0xca Ch, 0xe8 Maj.
//
// Registers
//   Z0–Z7    a…h                      Z8–Z13   temporary
//   Z16–Z31  message words            Z14      order of bytes
//   Z15      how many blocks each message has, padding included
//   K1       lanes whose message goes on here; K2, K3 temporary
//   SI, R8   messages and their sizes  CX, BX blocks and bytes that are done
//   DI       sums                      AX, DX, R9–R13 temporary

// The round constants (FIPS 180-4, 4.2.2), two a line.
DATA constants<>+0(SB)/8, $0x71374491428a2f98
DATA constants<>+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA constants<>+16(SB)/8, $0x59f111f13956c25b
DATA constants<>+24(SB)/8, $0xab1c5ed5923f82a4
DATA constants<>+32(SB)/8, $0x12835b01d807aa98
DATA constants<>+40(SB)/8, $0x550c7dc3243185be
DATA constants<>+48(SB)/8, $0x80deb1fe72be5d74
DATA constants<>+56(SB)/8, $0xc19bf1749bdc06a7
DATA constants<>+64(SB)/8, $0xefbe4786e49b69c1
DATA constants<>+72(SB)/8, $0x240ca1cc0fc19dc6
DATA constants<>+80(SB)/8, $0x4a7484aa2de92c6f
DATA constants<>+88(SB)/8, $0x76f988da5cb0a9dc
DATA constants<>+96(SB)/8, $0xa831c66d983e5152
DATA constants<>+104(SB)/8, $0xbf597fc7b00327c8
DATA constants<>+112(SB)/8, $0xd5a79147c6e00bf3
DATA constants<>+120(SB)/8, $0x1429296706ca6351
DATA constants<>+128(SB)/8, $0x2e1b213827b70a85
DATA constants<>+136(SB)/8, $0x53380d134d2c6dfc
DATA constants<>+144(SB)/8, $0x766a0abb650a7354
DATA constants<>+152(SB)/8, $0x92722c8581c2c92e
DATA constants<>+160(SB)/8, $0xa81a664ba2bfe8a1
DATA constants<>+168(SB)/8, $0xc76c51a3c24b8b70
DATA constants<>+176(SB)/8, $0xd6990624d192e819
DATA constants<>+184(SB)/8, $0x106aa070f40e3585
DATA constants<>+192(SB)/8, $0x1e376c0819a4c116
DATA constants<>+200(SB)/8, $0x34b0bcb52748774c
DATA constants<>+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA constants<>+216(SB)/8, $0x682e6ff35b9cca4f
DATA constants<>+224(SB)/8, $0x78a5636f748f82ee
DATA constants<>+232(SB)/8, $0x8cc7020884c87814
DATA constants<>+240(SB)/8, $0xa4506ceb90befffa
DATA constants<>+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL constants<>(SB), RODATA|NOPTR, $256

// The initial state (FIPS 180-4, 5.3.3).
DATA initial<>+0(SB)/8, $0xbb67ae856a09e667
DATA initial<>+8(SB)/8, $0xa54ff53a3c6ef372
DATA initial<>+16(SB)/8, $0x9b05688c510e527f
DATA initial<>+24(SB)/8, $0x5be0cd191f83d9ab
GLOBL initial<>(SB), RODATA|NOPTR, $32

// Turns four 32-bit words from big-endian and back.
DATA bigEndian<>+0(SB)/8, $0x0405060700010203
DATA bigEndian<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL bigEndian<>(SB), RODATA|NOPTR, $16

// ROTATIONS is the exclusive or of three rotations of x, in t0.
#define ROTATIONS(x, n0, n1, n2, t0, t1, t2) \
	VPRORD     $n0, x, t0 \
	VPRORD     $n1, x, t1 \
	VPRORD     $n2, x, t2 \
	VPTERNLOGD $0x96, t2, t1, t0

// ROUND does round i with message word w. What it leaves in d and h are the new
// e and a: the next round takes the registers one further.
#define ROUND(i, w, a, b, c, d, e, f, g, h) \
	VPADDD.BCST (i*4)(AX), w, Z11 \
	VPADDD     Z11, h, h \
	ROTATIONS(e, 6, 11, 25, Z8, Z9, Z10) \
	VMOVDQA32  e, Z12 \
	VPTERNLOGD $0xca, g, f, Z12 \
	VPADDD     Z12, h, h \
	VPADDD     Z8, h, h \
	VPADDD     h, d, d \
	ROTATIONS(a, 2, 13, 22, Z8, Z9, Z10) \
	VMOVDQA32  a, Z12 \
	VPTERNLOGD $0xe8, c, b, Z12 \
	VPADDD     Z12, h, h \
	VPADDD     Z8, h, h

// SCHEDULE turns word i−16 into word i, from words i−15, i−7 and i−2.
#define SCHEDULE(w16, w15, w7, w2) \
	VPRORD     $7, w15, Z8 \
	VPRORD     $18, w15, Z9 \
	VPSRLD     $3, w15, Z10 \
	VPTERNLOGD $0x96, Z10, Z9, Z8 \
	VPRORD     $17, w2, Z11 \
	VPRORD     $19, w2, Z12 \
	VPSRLD     $10, w2, Z13 \
	VPTERNLOGD $0x96, Z13, Z12, Z11 \
	VPADDD     w7, w16, w16 \
	VPADDD     Z8, w16, w16 \
	VPADDD     Z11, w16, w16

// SIXTEEN does sixteen rounds. STEP is what happens to a word before its round:
// nothing the first time, since the message is there, and SCHEDULE later.
#define SIXTEEN(STEP) \
	STEP(Z16, Z17, Z25, Z30) \
	ROUND(0, Z16, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7) \
	STEP(Z17, Z18, Z26, Z31) \
	ROUND(1, Z17, Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z6) \
	STEP(Z18, Z19, Z27, Z16) \
	ROUND(2, Z18, Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z5) \
	STEP(Z19, Z20, Z28, Z17) \
	ROUND(3, Z19, Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z4) \
	STEP(Z20, Z21, Z29, Z18) \
	ROUND(4, Z20, Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3) \
	STEP(Z21, Z22, Z30, Z19) \
	ROUND(5, Z21, Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z2) \
	STEP(Z22, Z23, Z31, Z20) \
	ROUND(6, Z22, Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z1) \
	STEP(Z23, Z24, Z16, Z21) \
	ROUND(7, Z23, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z0) \
	STEP(Z24, Z25, Z17, Z22) \
	ROUND(8, Z24, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7) \
	STEP(Z25, Z26, Z18, Z23) \
	ROUND(9, Z25, Z7, Z0, Z1, Z2, Z3, Z4, Z5, Z6) \
	STEP(Z26, Z27, Z19, Z24) \
	ROUND(10, Z26, Z6, Z7, Z0, Z1, Z2, Z3, Z4, Z5) \
	STEP(Z27, Z28, Z20, Z25) \
	ROUND(11, Z27, Z5, Z6, Z7, Z0, Z1, Z2, Z3, Z4) \
	STEP(Z28, Z29, Z21, Z26) \
	ROUND(12, Z28, Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3) \
	STEP(Z29, Z30, Z22, Z27) \
	ROUND(13, Z29, Z3, Z4, Z5, Z6, Z7, Z0, Z1, Z2) \
	STEP(Z30, Z31, Z23, Z28) \
	ROUND(14, Z30, Z2, Z3, Z4, Z5, Z6, Z7, Z0, Z1) \
	STEP(Z31, Z16, Z24, Z29) \
	ROUND(15, Z31, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z0)

#define AS_IS(w16, w15, w7, w2)

// FULL fetches the next block of message i.
#define FULL(i, z) \
	MOVQ      (i*8)(SI), DX \
	VMOVDQU32 (DX)(BX*1), z

// PARTIAL fetches what is left of message i, a block at most, and puts the bit
// behind it that every message ends with. K2 are the bytes that are left, K3 is
// the place of that bit, which has none if there are 64 bytes or more, or if it
// went into the block before. Memory outside K2 is not touched.
// R12 is −1, R13 64, Z13 0x80 in each byte.
#define PARTIAL(i, z) \
	MOVQ       (i*8)(SI), DX \
	MOVL       (i*4)(R8), R9 \
	XORL       R10, R10 \
	SUBQ       BX, R9 \
	CMPQ       R9, R13 \
	CMOVQGT    R13, R9 \
	BZHIQ      R9, R12, R11 \
	LEAQ       1(R11), AX \
	TESTQ      R9, R9 \
	CMOVQLT    R10, R11 \
	CMOVQLT    R10, AX \
	KMOVQ      R11, K2 \
	KMOVQ      AX, K3 \
	VMOVDQU8.Z (DX)(BX*1), K2, z \
	VMOVDQU8   Z13, K3, z

// A 4×4 transposition of 32-bit words within each 128 bits of four registers.
#define TRANSPOSE4(x0, x1, x2, x3) \
	VPUNPCKLDQ  x1, x0, Z8 \
	VPUNPCKHDQ  x1, x0, Z9 \
	VPUNPCKLDQ  x3, x2, Z10 \
	VPUNPCKHDQ  x3, x2, Z11 \
	VPUNPCKLQDQ Z10, Z8, x0 \
	VPUNPCKHQDQ Z10, Z8, x1 \
	VPUNPCKLQDQ Z11, Z9, x2 \
	VPUNPCKHQDQ Z11, Z9, x3

// The same of pieces of 128 bits across four registers.
#define TRANSPOSE4X128(x0, x1, x2, x3) \
	VSHUFI32X4 $0x44, x1, x0, Z8 \
	VSHUFI32X4 $0xee, x1, x0, Z9 \
	VSHUFI32X4 $0x44, x3, x2, Z10 \
	VSHUFI32X4 $0xee, x3, x2, Z11 \
	VSHUFI32X4 $0x88, Z10, Z8, x0 \
	VSHUFI32X4 $0xdd, Z10, Z8, x1 \
	VSHUFI32X4 $0x88, Z11, Z9, x2 \
	VSHUFI32X4 $0xdd, Z11, Z9, x3

// SWAP4 turns the words of four registers from big-endian and back.
#define SWAP4(x0, x1, x2, x3) \
	VPSHUFB Z14, x0, x0 \
	VPSHUFB Z14, x1, x1 \
	VPSHUFB Z14, x2, x2 \
	VPSHUFB Z14, x3, x3

// ADD adds what the state was before the block, where the message goes on.
#define ADD(i, z) \
	VMOVDQU32 (i*64)(SP), Z8 \
	VPADDD    z, Z8, K1, Z8 \
	VMOVDQA32 Z8, z

// STORE puts 16 bytes of the sums of messages i, i+4, i+8 and i+12 in place.
#define STORE(i, half, x, z) \
	VMOVDQU32     x, (i*32+half)(DI) \
	VEXTRACTI32X4 $1, z, ((i+4)*32+half)(DI) \
	VEXTRACTI32X4 $2, z, ((i+8)*32+half)(DI) \
	VEXTRACTI32X4 $3, z, ((i+12)*32+half)(DI)

// func sixteen(sums *[16][32]byte, messages *[16]*byte, sizes *[16]uint32, full, blocks int)
TEXT ·sixteen(SB), $512-40
	MOVQ sums+0(FP), DI
	MOVQ messages+8(FP), SI
	MOVQ sizes+16(FP), R8
	XORL BX, BX
	XORL CX, CX
	LEAQ initial<>(SB), AX
	VPBROADCASTD 0(AX), Z0
	VPBROADCASTD 4(AX), Z1
	VPBROADCASTD 8(AX), Z2
	VPBROADCASTD 12(AX), Z3
	VPBROADCASTD 16(AX), Z4
	VPBROADCASTD 20(AX), Z5
	VPBROADCASTD 24(AX), Z6
	VPBROADCASTD 28(AX), Z7
	VBROADCASTI32X4 bigEndian<>(SB), Z14

	// A message, its bit and its 8 bytes of length: (size + 9 + 63) / 64 blocks.
	MOVL         $72, AX
	VPBROADCASTD AX, Z15
	VPADDD       (R8), Z15, Z15
	VPSRLD       $6, Z15, Z15

block:
	VMOVDQU32 Z0, 0(SP)
	VMOVDQU32 Z1, 64(SP)
	VMOVDQU32 Z2, 128(SP)
	VMOVDQU32 Z3, 192(SP)
	VMOVDQU32 Z4, 256(SP)
	VMOVDQU32 Z5, 320(SP)
	VMOVDQU32 Z6, 384(SP)
	VMOVDQU32 Z7, 448(SP)
	CMPQ CX, full+24(FP)
	JGE  partial
	FULL(0, Z16)
	FULL(1, Z17)
	FULL(2, Z18)
	FULL(3, Z19)
	FULL(4, Z20)
	FULL(5, Z21)
	FULL(6, Z22)
	FULL(7, Z23)
	FULL(8, Z24)
	FULL(9, Z25)
	FULL(10, Z26)
	FULL(11, Z27)
	FULL(12, Z28)
	FULL(13, Z29)
	FULL(14, Z30)
	FULL(15, Z31)
	JMP loaded

partial:
	MOVQ         $-1, R12
	MOVQ         $64, R13
	MOVL         $0x80, AX
	VPBROADCASTB AX, Z13
	PARTIAL(0, Z16)
	PARTIAL(1, Z17)
	PARTIAL(2, Z18)
	PARTIAL(3, Z19)
	PARTIAL(4, Z20)
	PARTIAL(5, Z21)
	PARTIAL(6, Z22)
	PARTIAL(7, Z23)
	PARTIAL(8, Z24)
	PARTIAL(9, Z25)
	PARTIAL(10, Z26)
	PARTIAL(11, Z27)
	PARTIAL(12, Z28)
	PARTIAL(13, Z29)
	PARTIAL(14, Z30)
	PARTIAL(15, Z31)

loaded:
	// Register 16+i holds sixteen words of message i; make that word i of all.
	TRANSPOSE4(Z16, Z17, Z18, Z19)
	TRANSPOSE4(Z20, Z21, Z22, Z23)
	TRANSPOSE4(Z24, Z25, Z26, Z27)
	TRANSPOSE4(Z28, Z29, Z30, Z31)
	TRANSPOSE4X128(Z16, Z20, Z24, Z28)
	TRANSPOSE4X128(Z17, Z21, Z25, Z29)
	TRANSPOSE4X128(Z18, Z22, Z26, Z30)
	TRANSPOSE4X128(Z19, Z23, Z27, Z31)
	SWAP4(Z16, Z17, Z18, Z19)
	SWAP4(Z20, Z21, Z22, Z23)
	SWAP4(Z24, Z25, Z26, Z27)
	SWAP4(Z28, Z29, Z30, Z31)

	VPBROADCASTD CX, Z8
	VPCMPUD      $6, Z8, Z15, K1 // more blocks than are done: it goes on here
	ADDQ         $1, CX
	ADDQ         $64, BX

	// The last word of a message is its length in bits. Its upper half stays
	// zero: messages are short.
	VPBROADCASTD CX, Z8
	VPCMPEQD     Z8, Z15, K2
	VMOVDQU32    (R8), Z9
	VPSLLD       $3, Z9, Z9
	VPADDD       Z9, Z31, K2, Z31

	LEAQ constants<>(SB), AX
	SIXTEEN(AS_IS)
	MOVL $3, R9

more:
	ADDQ $64, AX
	SIXTEEN(SCHEDULE)
	DECQ R9
	JNZ  more

	ADD(0, Z0)
	ADD(1, Z1)
	ADD(2, Z2)
	ADD(3, Z3)
	ADD(4, Z4)
	ADD(5, Z5)
	ADD(6, Z6)
	ADD(7, Z7)
	CMPQ CX, blocks+32(FP)
	JLT  block

	// Register i holds word i of all sums; make it four words of four of them.
	TRANSPOSE4(Z0, Z1, Z2, Z3)
	TRANSPOSE4(Z4, Z5, Z6, Z7)
	SWAP4(Z0, Z1, Z2, Z3)
	SWAP4(Z4, Z5, Z6, Z7)
	STORE(0, 0, X0, Z0)
	STORE(1, 0, X1, Z1)
	STORE(2, 0, X2, Z2)
	STORE(3, 0, X3, Z3)
	STORE(0, 16, X4, Z4)
	STORE(1, 16, X5, Z5)
	STORE(2, 16, X6, Z6)
	STORE(3, 16, X7, Z7)
	VZEROUPPER
	RET
