// AMX's tile operations as Intel's manual words them (volume 2, chapters 3 and 4: LDTILECFG, TILELOADD, TDPBSSD, TDPBF16PS, ...), for every
// CPU: what quantised_tiles.hpp makes of them can then be tested anywhere. What faults there ends the process here.
//
// The tiles of a thread are its registers: the one state that a kernel may have.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace hardmine {
namespace HM_ISA {
namespace {

struct EmulatedTile {
    size_t rows, bytes;
    union {
        uint8_t byte[16][64];
        int32_t dword[16][16];
    };
};

thread_local EmulatedTile emulated_tiles[8];
thread_local bool emulated_configured = false;

inline void demand(bool good) {
    if (!good) __builtin_trap();
}

inline EmulatedTile& emulated_tile(size_t tile) {
    demand(emulated_configured && tile < 8 && emulated_tiles[tile].rows > 0);
    return emulated_tiles[tile];
}

// Palette 1: eight tiles of up to 16 rows of up to 64 bytes. One that is still in force may be replaced there, but here it means
// that somebody did not release it.
inline void emulated_loadconfig(const void* memory) {
    demand(!emulated_configured);
    uint8_t bytes[64];
    memcpy(bytes, memory, sizeof bytes);
    demand(bytes[0] == 1 && bytes[1] == 0);  // every load and store begins with row 0
    for (size_t i = 2; i < 16; ++i) demand(bytes[i] == 0);
    memset(emulated_tiles, 0, sizeof emulated_tiles);
    for (size_t tile = 0; tile < 16; ++tile) {
        uint16_t columns;
        memcpy(&columns, bytes + 16 + 2 * tile, sizeof columns);
        const uint8_t rows = bytes[48 + tile];
        demand(tile < 8 ? rows <= 16 && columns <= 64 && (rows == 0) == (columns == 0) : rows == 0 && columns == 0);
        if (tile < 8) emulated_tiles[tile].rows = rows, emulated_tiles[tile].bytes = columns;
    }
    emulated_configured = true;
}

inline void emulated_release() {
    memset(emulated_tiles, 0, sizeof emulated_tiles);
    emulated_configured = false;
}

inline void emulated_zero(size_t tile) {
    EmulatedTile& t = emulated_tile(tile);
    memset(t.byte, 0, sizeof t.byte);
}

inline void emulated_loadd(size_t tile, const void* memory, size_t stride) {
    emulated_zero(tile);
    EmulatedTile& t = emulated_tile(tile);
    for (size_t row = 0; row < t.rows; ++row) memcpy(t.byte[row], (const uint8_t*)memory + row * stride, t.bytes);
}

inline void emulated_stored(size_t tile, void* memory, size_t stride) {
    const EmulatedTile& t = emulated_tile(tile);
    for (size_t row = 0; row < t.rows; ++row) memcpy((uint8_t*)memory + row * stride, t.byte[row], t.bytes);
}

// That the shapes of a product fit.
inline void demand_shapes(size_t to, size_t from_a, size_t from_b) {
    demand(to != from_a && to != from_b && from_a != from_b);
    const EmulatedTile &c = emulated_tile(to), &a = emulated_tile(from_a), &b = emulated_tile(from_b);
    demand(c.bytes % 4 == 0 && a.bytes % 4 == 0 && b.bytes % 4 == 0);
    demand(a.rows == c.rows && b.bytes == c.bytes && a.bytes / 4 == b.rows);
}

// Rows of `a` by columns of `b`, of which a row holds four signed bytes of each; what lies beyond the sums becomes 0.
inline void emulated_dpbssd(size_t to, size_t from_a, size_t from_b) {
    demand_shapes(to, from_a, from_b);
    EmulatedTile& c = emulated_tile(to);
    const EmulatedTile &a = emulated_tile(from_a), &b = emulated_tile(from_b);
    int32_t sums[16][16] = {};
    for (size_t m = 0; m < c.rows; ++m) {
        memcpy(sums[m], c.dword[m], c.bytes);
        for (size_t k = 0; k < b.rows; ++k)
            for (int shift = 0; shift < 32; shift += 8) {
                const int32_t factor = (int8_t)(a.dword[m][k] >> shift);
                for (size_t n = 0; n < 16; ++n)  // beyond c.bytes, too, where `b` is 0
                    sums[m][n] += factor * ((int32_t)((uint32_t)b.dword[k][n] << (24 - shift)) >> 24);
            }
    }
    memcpy(c.dword, sums, sizeof sums);
}

// What is subnormal is zero, before an operation and after it, whatever the thread's mode is.
inline float flushed(float x) { return __builtin_fabsf(x) < 0x1p-126f ? 0.0f : x; }
inline float upper_half(uint32_t word) {
    float x;
    word &= 0xffff0000u;
    memcpy(&x, &word, sizeof x);
    return flushed(x);
}

// The same of two bfloat16 each: the lower and the upper ones have sums of their own, which begin with 0, by fused multiply-adds;
// the two sums are added, and that to what was there.
inline void emulated_dpbf16ps(size_t to, size_t from_a, size_t from_b) {
    demand_shapes(to, from_a, from_b);
    EmulatedTile& c = emulated_tile(to);
    const EmulatedTile &a = emulated_tile(from_a), &b = emulated_tile(from_b);
    for (size_t m = 0; m < c.rows; ++m) {
        float lower[16] = {}, upper[16] = {}, sums[16] = {};
        for (size_t k = 0; k < b.rows; ++k) {
            const float low = upper_half((uint32_t)a.dword[m][k] << 16), high = upper_half((uint32_t)a.dword[m][k]);
            for (size_t n = 0; n < 16; ++n) {  // beyond c.bytes, too, where `b` is 0
                const uint32_t word = (uint32_t)b.dword[k][n];
                lower[n] = flushed(__builtin_fmaf(low, upper_half(word << 16), lower[n]));
                upper[n] = flushed(__builtin_fmaf(high, upper_half(word), upper[n]));
            }
        }
        memcpy(sums, c.dword[m], c.bytes);
        for (size_t n = 0; n < 16; ++n) sums[n] = flushed(flushed(sums[n]) + flushed(lower[n] + upper[n]));
        memcpy(c.dword[m], sums, sizeof sums);
    }
}

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
