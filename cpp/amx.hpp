// Whether this process may use the CPU's tiles (AMX), as far as CPU and system say.
//
// Some hypervisors report the instructions and not the palette, and the system allows the state of tiles, 8 KiB a thread, only
// to who asks for it (not, for example, where a signal stack has no room for them). What is said is not enough, therefore:
// isa.cpp then runs the kernels beside the emulated ones.
#pragma once

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace hardmine {

// The one that this runs on. Registers are a, b, c, d.
struct ThisCpu {
    static bool cpuid(unsigned leaf, unsigned sub, unsigned (&r)[4]) {
        return __get_cpuid_count(leaf, sub, &r[0], &r[1], &r[2], &r[3]);
    }
    static std::uint64_t xcr0() {
        std::uint32_t low = 0, high = 0;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return static_cast<std::uint64_t>(high) << 32 | low;
    }
};

template <class Cpu>
bool amx_reported(const Cpu& cpu) {
    unsigned r[4];
    if (!cpu.cpuid(7, 0, r)) return false;
    if (!(r[3] >> 24 & 1) || !(r[3] >> 25 & 1)) return false;  // AMX-TILE, AMX-INT8

    // Palette 1: eight tiles of 1 KiB, 16 rows of 64 bytes; and products of whole tiles.
    if (!cpu.cpuid(0x1d, 0, r) || r[0] < 1) return false;
    if (!cpu.cpuid(0x1d, 1, r)) return false;
    if (r[0] != (1024u << 16 | 8192u) || r[1] != (8u << 16 | 64u) || (r[2] & 0xffff) != 16) return false;
    if (!cpu.cpuid(0x1e, 0, r) || (r[1] & 0xff) < 16 || (r[1] >> 8 & 0xffff) < 64) return false;

    // The system saves their configuration and data (bits 17 and 18 of XCR0).
    return cpu.cpuid(1, 0, r) && (r[2] >> 27 & 1) && (cpu.xcr0() >> 17 & 3) == 3;
}

// And this process may have them.
inline bool amx_granted() {
    constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA; Linux 5.16
    return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

inline bool amx_permitted() { return amx_reported(ThisCpu{}) && amx_granted(); }

// Whether they multiply bfloat16, too: all that were built so far do.
template <class Cpu>
bool amx_bf16_reported(const Cpu& cpu) {
    unsigned r[4];
    return cpu.cpuid(7, 0, r) && (r[3] >> 22 & 1);
}
inline bool amx_bf16() { return amx_bf16_reported(ThisCpu{}); }

}  // namespace hardmine
