// How a program begins that is to run where the C library is older than this machine's, for a test:
// what the compiler would link has wanted __libc_start_main of 2.34 since then. Says first which
// version it found.
#include <gnu/libc-version.h>
#include <stdio.h>

extern "C" {
int main(int argc, char** argv, char** environment);
extern void (*__init_array_start[])(int, char**, char**) __attribute__((visibility("hidden")));
extern void (*__init_array_end[])(int, char**, char**) __attribute__((visibility("hidden")));
__attribute__((visibility("hidden"))) void* __dso_handle = nullptr;

// Before 2.34 a program ran its own constructors.
__attribute__((used, visibility("hidden"))) void old_init(int argc, char** argv,
                                                          char** environment) {
  for (auto** one = __init_array_start; one != __init_array_end; ++one)
    (*one)(argc, argv, environment);
  printf("glibc %s\n", gnu_get_libc_version());
}
}

#if defined(__x86_64__)
// The registers as the kernel leaves them (System V ABI, "Process Initialization").
asm(".text\n.globl _start\n.type _start,@function\n_start:\n"
    "\txor %ebp, %ebp\n\tmov %rdx, %r9\n\tmov (%rsp), %rsi\n\tlea 8(%rsp), %rdx\n"
    "\tand $-16, %rsp\n\tpush %rax\n\tpush %rsp\n"
    "\txor %r8d, %r8d\n\tlea old_init(%rip), %rcx\n\tlea main(%rip), %rdi\n"
    "\tcall *flexai_old_libc_start_main@GOTPCREL(%rip)\n\thlt\n"
    ".symver flexai_old_libc_start_main, __libc_start_main@GLIBC_2.2.5\n");
#endif
