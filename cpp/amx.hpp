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

inline bool amx_permitted() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    if (!(d >> 24 & 1) || !(d >> 25 & 1)) return false;  // AMX-TILE, AMX-INT8

    // Palette 1: eight tiles of 1 KiB, 16 rows of 64 bytes; and products of whole tiles.
    if (!__get_cpuid_count(0x1d, 0, &a, &b, &c, &d) || a < 1) return false;
    if (!__get_cpuid_count(0x1d, 1, &a, &b, &c, &d)) return false;
    if (a != (1024u << 16 | 8192u) || b != (8u << 16 | 64u) || (c & 0xffff) != 16) return false;
    if (!__get_cpuid_count(0x1e, 0, &a, &b, &c, &d) || (b & 0xff) < 16 || (b >> 8 & 0xffff) < 64) return false;

    // The system saves their configuration and data (bits 17 and 18 of XCR0), and this process may have them.
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return false;
    std::uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low >> 17 & 3) != 3) return false;
    constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA; Linux 5.16
    return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

// Whether they multiply bfloat16, too: all that were built so far do.
inline bool amx_bf16() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1);
}

}  // namespace hardmine
