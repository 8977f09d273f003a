# The trial guest of kvm_probe.py: what a kernel does first, and an exit code. kvm_trial.py holds it assembled.
#
# Long mode with paging, a jump to where kernels live (the top 2 GiB), the low half unmapped, a page fault
# that is mended and returned from, user mode and back by sysret and syscall. A half-working /dev/kvm runs
# firmware and real mode happily and hangs in one of these. It takes the place of the firmware, which would
# need longer than all of this.
#
#   as --64 -o trial.o kvm_trial.S && ld -Ttext=0xf0000 --oformat=binary -o trial.bin trial.o

.set HIGH, 0xffffffff80000000
.set PML4, 0x200000
.set LOW_PDPT, 0x201000
.set HIGH_PDPT, 0x202000
.set LOW_PD, 0x203000
.set HIGH_PD, 0x204000
.set IDT, 0x205000
.set STACK, 0x207000
.set USER_STACK, 0x208000
.set HOLE, 0x600000             # the fourth 2 MiB page of the high half, unmapped until it faults
.set DEBUG_EXIT, 0xf4
.set SUCCESS, 0x15              # qemu ends with (SUCCESS << 1) | 1

.text
.code16
.globl _start
_start:                         # f000:0000, from the reset vector
    cli
    lgdtl %cs:(gdt_low - _start)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x28, $protected

.code32
protected:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    cld
    movl $PML4, %edi            # five tables and the IDT, all zero
    xorl %eax, %eax
    movl $(0x8000 / 4), %ecx
    rep stosl
    movl $(LOW_PDPT | 7), PML4              # present, writable, user
    movl $(HIGH_PDPT | 3), PML4 + 511 * 8
    movl $(LOW_PD | 7), LOW_PDPT
    movl $(HIGH_PD | 3), HIGH_PDPT + 510 * 8
    movl $0x000087, LOW_PD                  # 2 MiB pages: what the user program runs in
    movl $0x200087, LOW_PD + 8
    movl $0x000083, HIGH_PD
    movl $0x200083, HIGH_PD + 8

    movl %cr4, %eax
    orl $0x20, %eax             # PAE
    movl %eax, %cr4
    movl $PML4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx      # EFER: long mode, syscall
    rdmsr
    orl $0x101, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80010001, %eax       # paging, write protection, protected mode
    movl %eax, %cr0
    lgdt gdt_low
    ljmp $0x08, $long_mode

.code64
long_mode:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movabsq $(HIGH + high), %rax
    jmp *%rax

high:
    movabsq $(HIGH + STACK), %rsp
    leaq gdt_high(%rip), %rax
    lgdt (%rax)
    movabsq $(HIGH + IDT), %rdi             # gate 14: the page fault handler
    leaq page_fault(%rip), %rax
    movw %ax, 14 * 16(%rdi)
    movw $0x08, 14 * 16 + 2(%rdi)
    movw $0x8e00, 14 * 16 + 4(%rdi)
    shrq $16, %rax
    movw %ax, 14 * 16 + 6(%rdi)
    movl $0xffffffff, 14 * 16 + 8(%rdi)
    leaq idt_high(%rip), %rax
    lidt (%rax)

    movabsq $(HIGH + PML4), %rbx            # nothing below, as in a kernel thread
    movq (%rbx), %r12
    movq $0, (%rbx)
    movq %cr3, %rax
    movq %rax, %cr3
    movabsq $(HIGH + HOLE), %rax
    movl $SUCCESS, (%rax)                   # faults; page_fault maps it; runs again
    movq %r12, (%rbx)
    movq %cr3, %rax
    movq %rax, %cr3

    movl $0xc0000081, %ecx                  # STAR: kernel 0x08, user 0x10 + 16 and + 8
    xorl %eax, %eax
    movl $0x00100008, %edx
    wrmsr
    movl $0xc0000082, %ecx                  # LSTAR
    leaq from_user(%rip), %rdx
    movl %edx, %eax
    shrq $32, %rdx
    wrmsr
    movl $user, %ecx
    movl $0x2, %r11d
    sysretq

user:                                       # in the low half, ring 3
    movl $USER_STACK, %esp
    pushq $SUCCESS
    popq %rdi
    cpuid
    syscall

from_user:
    movabsq $(HIGH + STACK), %rsp
    movabsq $(HIGH + HOLE), %rax
    cmpl (%rax), %edi
    jne stuck
    movl %edi, %eax
    outl %eax, $DEBUG_EXIT
stuck:
    hlt
    jmp stuck

page_fault:
    addq $8, %rsp                           # the error code
    pushq %rax
    movabsq $(HIGH + HIGH_PD + (HOLE >> 21) * 8), %rax
    movq $(HOLE | 0x83), (%rax)
    popq %rax
    iretq

.balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff                # 0x08 kernel code, 64 bit
    .quad 0x00cf93000000ffff                # 0x10 kernel data
    .quad 0x00cff3000000ffff                # 0x18 user data
    .quad 0x00affb000000ffff                # 0x20 user code, 64 bit
    .quad 0x00cf9b000000ffff                # 0x28 kernel code, 32 bit
gdt_low:
    .word gdt_low - gdt - 1
    .long gdt
gdt_high:
    .word gdt_low - gdt - 1
    .quad HIGH + gdt
idt_high:
    .word 15 * 16 - 1
    .quad HIGH + IDT
