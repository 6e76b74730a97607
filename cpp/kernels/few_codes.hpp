// The kernel for a few queries: codes are read where they lie, one word of 64 bits after the other, at the pace of memory.
#pragma once

#include "code_tile.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

// The bits set in each word of 64 bits, where that is cheap.
#if HM_BYTES == 64 && defined(__AVX512VPOPCNTDQ__)
constexpr bool kWordCounts = true;
inline Words word_counts(Words x) { return (Words)_mm512_popcnt_epi64((__m512i)x); }
#elif HM_BYTES == 64 && defined(__AVX512BW__)
constexpr bool kWordCounts = true;
inline Words word_counts(Words x) {
    const Bytes counts =
        look_up(spread_table(kNibbleCounts), (Bytes)x & 15) + look_up(spread_table(kNibbleCounts), ((Bytes)x >> 4) & 15);
    return (Words)_mm512_sad_epu8((__m512i)counts, _mm512_setzero_si512());
}
#elif HM_BYTES == 32 && defined(__AVX2__)
constexpr bool kWordCounts = true;
inline Words word_counts(Words x) {
    const Bytes counts =
        look_up(spread_table(kNibbleCounts), (Bytes)x & 15) + look_up(spread_table(kNibbleCounts), ((Bytes)x >> 4) & 15);
    return (Words)_mm256_sad_epu8((__m256i)counts, _mm256_setzero_si256());
}
#else
constexpr bool kWordCounts = false;
inline Words word_counts(Words x) { return x; }
#endif

inline uint64_t word_at(const uint8_t* p) {
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

inline uint32_t hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
    uint64_t sum = 0;
    size_t k = 0;
    for (; k + 8 <= bytes; k += 8) sum += (uint64_t)__builtin_popcountll(word_at(a + k) ^ word_at(b + k));
    for (; k < bytes; ++k) sum += (uint64_t)__builtin_popcount((uint32_t)(a[k] ^ b[k]));
    return (uint32_t)sum;
}

// kBytes: the length where the compiler knows it, else 0.
template <size_t kBytes>
inline size_t few_codes_of(const uint8_t* query, const uint8_t* rows, ptrdiff_t stride, size_t first, size_t last,
                           size_t bytes, uint32_t stop, CodeHit* hits) {
    size_t n = 0;
    for (size_t i = first; i < last; ++i, rows += stride) {
        const uint32_t d = hamming(query, rows, kBytes ? kBytes : bytes);
        if (__builtin_expect(d < stop, 0)) hits[n++] = {0, (uint16_t)i, d};
    }
    return n;
}

// Codes of 64 bits side by side: whole vectors of them at a time, and one by one where a vector holds a hit. One by one they
// would be read at half of the memory's pace.
inline size_t few_words(const uint8_t* query, const uint8_t* rows, size_t count, uint32_t stop, CodeHit* hits) {
    constexpr size_t kVector = HM_BYTES / 8;
    const Words q = word_at(query) - Words{}, limit = (uint64_t)stop - Words{};
    size_t n = 0, i = 0;
    for (; i + 4 * kVector <= count; i += 4 * kVector) {
        Words nearer = {};
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; ++v) {
            const uint8_t* from = rows + 8 * (i + v * kVector);
            __builtin_prefetch(from + 2048);
            nearer |= (Words)(word_counts((Words)load_bytes(from) ^ q) < limit);
        }
        if (__builtin_expect(!any_unsaturated(~(Bytes)nearer), 1)) continue;
        for (size_t j = i; j < i + 4 * kVector; ++j) {
            const uint32_t d = hamming(query, rows + 8 * j, 8);
            hits[n] = {0, (uint16_t)j, d};
            n += d < stop;
        }
    }
    return n + few_codes_of<8>(query, rows + 8 * i, 8, i, count, 8, stop, hits + n);
}

size_t few_codes(const uint8_t* query, const uint8_t* rows, ptrdiff_t stride, size_t count, size_t bytes, uint32_t stop,
                 CodeHit* hits) {
    switch (bytes) {
        case 8:
            if (kWordCounts && stride == 8) return few_words(query, rows, count, stop, hits);
            return few_codes_of<8>(query, rows, stride, 0, count, bytes, stop, hits);
        case 16:
            return few_codes_of<16>(query, rows, stride, 0, count, bytes, stop, hits);
        case 32:
            return few_codes_of<32>(query, rows, stride, 0, count, bytes, stop, hits);
        default:
            return few_codes_of<0>(query, rows, stride, 0, count, bytes, stop, hits);
    }
}

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
