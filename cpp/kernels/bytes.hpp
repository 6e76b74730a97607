// The vector operations on bytes that the kernels for packed codes need; see simd.hpp, whose HM_BYTES they share.
#pragma once

#include "simd.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

typedef uint8_t Bytes __attribute__((vector_size(HM_BYTES)));
typedef uint16_t Halves __attribute__((vector_size(HM_BYTES)));
typedef uint64_t Words __attribute__((vector_size(HM_BYTES)));

inline Bytes load_bytes(const uint8_t* p) {
    Bytes v;
    memcpy(&v, p, sizeof v);
    return v;
}

inline void store_bytes(uint8_t* p, Bytes v) { memcpy(p, &v, sizeof v); }

inline Bytes spread_byte(uint8_t x) { return x - Bytes{}; }

inline Bytes add_saturated(Bytes a, Bytes b) {
#if HM_BYTES == 64 && defined(__AVX512BW__)
    return (Bytes)_mm512_adds_epu8((__m512i)a, (__m512i)b);
#elif HM_BYTES == 32 && defined(__AVX2__)
    return (Bytes)_mm256_adds_epu8((__m256i)a, (__m256i)b);
#elif HM_BYTES == 16 && defined(__ARM_NEON)
    return (Bytes)vqaddq_u8((uint8x16_t)a, (uint8x16_t)b);
#else
    const Bytes s = a + b;
    return s | (Bytes)(s < a);
#endif
}

inline Bytes smaller_bytes(Bytes a, Bytes b) {
#if HM_BYTES == 64 && defined(__AVX512BW__)
    return (Bytes)_mm512_min_epu8((__m512i)a, (__m512i)b);
#elif HM_BYTES == 32 && defined(__AVX2__)
    return (Bytes)_mm256_min_epu8((__m256i)a, (__m256i)b);
#else
    return a < b ? a : b;
#endif
}

// One bit for each byte that is not saturated.
inline uint64_t unsaturated(Bytes v) {
#if HM_BYTES == 64 && defined(__AVX512BW__)
    return _mm512_cmpneq_epu8_mask((__m512i)v, (__m512i)spread_byte(255));
#elif HM_BYTES == 32 && defined(__AVX2__)
    return (uint32_t)~_mm256_movemask_epi8((__m256i)(v == 255));
#else
    const Bytes passed = (Bytes)(v != 255);
    uint64_t set = 0;
    for (size_t i = 0; i < HM_BYTES; ++i) set |= (uint64_t)(passed[i] & 1) << i;
    return set;
#endif
}

inline bool any_unsaturated(Bytes v) {
#if HM_BYTES == 16
    uint64_t half[2];
    memcpy(half, &v, sizeof half);
    return (half[0] & half[1]) != ~0ull;
#else
    return unsaturated(v) != 0;
#endif
}

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
