// Asks amx.hpp of CPUs and systems that this machine is not: the CPU's answers are given here, the system's come from a filter
// of its calls, which answers the request for tiles as it is told to.
//
// Built by test_company.py. Prints "granted, refused"; 77 is a system without such filters.
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "amx.hpp"

namespace {

// A Sapphire Rapids, as far as it is asked.
struct Cpu {
    unsigned features = 1u << 22 | 1u << 24 | 1u << 25, most_palette = 1, sizes = 1024u << 16 | 8192u, shape = 8u << 16 | 64u,
             rows = 16;
    unsigned product = 64u << 8 | 16u, saves = 1u << 27;
    uint64_t states = 3u << 17;

    bool cpuid(unsigned leaf, unsigned sub, unsigned (&r)[4]) const {
        r[0] = r[1] = r[2] = r[3] = 0;
        if (leaf == 1) r[2] = saves;
        if (leaf == 7 && sub == 0) r[3] = features;
        if (leaf == 0x1d && sub == 0) r[0] = most_palette;
        if (leaf == 0x1d && sub == 1) r[0] = sizes, r[1] = shape, r[2] = rows;
        if (leaf == 0x1e && sub == 0) r[1] = product;
        return true;
    }
    uint64_t xcr0() const { return states; }
};

void demand(bool good, const char* what) {
    if (good) return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

template <class Spoil>
void lacking(const char* what, Spoil spoil) {
    Cpu cpu;
    spoil(cpu);
    demand(!hardmine::amx_reported(cpu), what);
}

// The request for the data of tiles (arch_prctl 0x1023 of 18) gets `error`, 0 being success; any other of arch_prctl E2BIG.
bool answer_requests(unsigned error) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x1023, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 18, 0, 2),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | E2BIG),
    };
    const sock_fprog filter = {sizeof program / sizeof *program, program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Whether a process whose system answers so may use tiles; a filter cannot be taken back.
const char* told(unsigned error) {
    const pid_t child = fork();
    if (child == 0) _exit(!answer_requests(error) ? 77 : hardmine::amx_granted() ? 0 : 1);
    int status = 0;
    demand(waitpid(child, &status, 0) == child && WIFEXITED(status), "the child");
    if (WEXITSTATUS(status) == 77) exit(77);
    return WEXITSTATUS(status) == 0 ? "granted" : "refused";
}

}  // namespace

int main() {
    demand(hardmine::amx_reported(Cpu{}), "a CPU with all of it");
    lacking("tiles", [](Cpu& cpu) { cpu.features &= ~(1u << 24); });
    lacking("products of bytes", [](Cpu& cpu) { cpu.features &= ~(1u << 25); });
    lacking("a palette", [](Cpu& cpu) { cpu.most_palette = 0; });
    lacking("the size of tiles", [](Cpu& cpu) { cpu.sizes = 512u << 16 | 4096u; });
    lacking("the number of tiles", [](Cpu& cpu) { cpu.shape = 4u << 16 | 64u; });
    lacking("the rows of a tile", [](Cpu& cpu) { cpu.rows = 8; });
    lacking("products of whole tiles", [](Cpu& cpu) { cpu.product = 32u << 8 | 16u; });
    lacking("a system that saves states", [](Cpu& cpu) { cpu.saves = 0; });
    lacking("the state of configurations", [](Cpu& cpu) { cpu.states = 1u << 18; });
    lacking("the state of data", [](Cpu& cpu) { cpu.states = 1u << 17; });
    Cpu bytes_alone;
    bytes_alone.features &= ~(1u << 22);
    demand(hardmine::amx_reported(bytes_alone), "a CPU without products of bfloat16");
    demand(hardmine::amx_bf16_reported(Cpu{}) && !hardmine::amx_bf16_reported(bytes_alone), "products of bfloat16");
    const char* granted = told(0);
    printf("%s, %s\n", granted, told(EPERM));
}
