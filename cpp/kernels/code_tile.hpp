// The tile for packed codes. A lane is a base code, and a byte of every code is one step, as a dimension is for floats.
//
// A tile is kCodeRows queries against a panel of kCodeLanes codes laid out [byte][plane][lane]. What a step costs depends on
// the CPU. Where a vector can count the bits of its bytes (AVX-512 BITALG, NEON): one exclusive or, one count, one addition,
// and the panel holds the bytes as they are. Elsewhere a count is two look-ups, and each query byte becomes two tables of 16
// numbers, popcount(nibble ^ q), so that the exclusive or is in the table: two shuffles and two additions; the panel
// holds the low and the high nibbles, split once when it is packed.
//
// Sums are bytes that saturate at 255. Those of a row start at 255 - stop, so that saturation itself is the comparison: a sum
// stays below 255 where the distance is less than stop, whatever the length of the codes. Where a row of the tile has a stop
// beyond 255, the bytes of 31 steps at a time are added up in wider numbers.
#pragma once

#include "bytes.hpp"
#include "kernels.hpp"

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kCodeRows = 4;
constexpr size_t kCodeLanes = 2 * HM_BYTES;
constexpr size_t kSteps = 31;  // 8 x 31 is still a byte
constexpr uint32_t kMostNarrow = 255;
constexpr size_t kLanesOfSet = kCodeLanes < 64 ? kCodeLanes : 64;  // whose bits are one integer
constexpr size_t kSets = kCodeLanes / kLanesOfSet;

// What one byte of a query is to a tile, how it is prepared, and how many bits of a vector of base bytes differ from it.
#if (HM_BYTES == 64 && defined(__AVX512BW__) && !defined(__AVX512BITALG__)) || (HM_BYTES == 32 && defined(__AVX2__))
constexpr size_t kPlanes = 2;
constexpr size_t kCodeQuery = 32;
struct Position {
    Bytes low, high;
};
constexpr uint8_t kNibbleCounts[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
inline Bytes spread_table(const uint8_t* table) {
    __m128i t;
    memcpy(&t, table, sizeof t);
#if HM_BYTES == 64
    return (Bytes)_mm512_maskz_broadcast_i32x4(0xffff, t);  // the plain one trips GCC's warning, as in simd.hpp
#else
    return (Bytes)_mm256_broadcastsi128_si256(t);
#endif
}
inline Bytes look_up(Bytes table, Bytes x) {
#if HM_BYTES == 64
    return (Bytes)_mm512_shuffle_epi8((__m512i)table, (__m512i)x);
#else
    return (Bytes)_mm256_shuffle_epi8((__m256i)table, (__m256i)x);
#endif
}
inline Position position(const uint8_t* prepared) { return {spread_table(prepared), spread_table(prepared + 16)}; }
inline Bytes add_count(Bytes sum, const Position& q, const Bytes* planes) {
    return add_saturated(add_saturated(sum, look_up(q.low, planes[0])), look_up(q.high, planes[1]));
}
constexpr int kPeakBits = 4;  // of each byte
inline Bytes peak_step(Bytes x, Bytes table) { return look_up(table, x); }
inline void prepare_byte(uint8_t x, uint8_t* prepared) {
    typedef uint8_t Table __attribute__((vector_size(16)));
    Table counts;
    memcpy(&counts, kNibbleCounts, sizeof counts);
    const Table nibbles = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const Table low = (Table)_mm_shuffle_epi8((__m128i)counts, (__m128i)(nibbles ^ (uint8_t)(x & 15)));
    const Table high = (Table)_mm_shuffle_epi8((__m128i)counts, (__m128i)(nibbles ^ (uint8_t)(x >> 4)));
    memcpy(prepared, &low, sizeof low);
    memcpy(prepared + 16, &high, sizeof high);
}
inline void store_planes(uint8_t* panel, Bytes x) {
    const Bytes low = x & 15, high = (x >> 4) & 15;
    store_bytes(panel, low);
    store_bytes(panel + kCodeLanes, high);
}
#else
constexpr size_t kPlanes = 1;
constexpr size_t kCodeQuery = 4;  // four copies: a 32-bit broadcast from memory costs nothing but the load
struct Position {
    Bytes byte;
};
inline Bytes bit_counts(Bytes x) {
#if HM_BYTES == 64 && defined(__AVX512BITALG__)
    return (Bytes)_mm512_popcnt_epi8((__m512i)x);
#elif HM_BYTES == 16 && defined(__ARM_NEON)
    return (Bytes)vcntq_u8((uint8x16_t)x);
#else
    x -= (x >> 1) & 0x55;
    x = (x & 0x33) + ((x >> 2) & 0x33);
    return (x + (x >> 4)) & 0x0f;
#endif
}
inline Position position(const uint8_t* prepared) {
    typedef uint32_t Quads __attribute__((vector_size(HM_BYTES)));
    uint32_t four;
    memcpy(&four, prepared, sizeof four);
    return {(Bytes)(four - Quads{})};
}
inline Bytes add_count(Bytes sum, const Position& q, const Bytes* planes) {
    return add_saturated(sum, bit_counts(planes[0] ^ q.byte));
}
constexpr int kPeakBits = 8;
inline Bytes peak_step(Bytes x, Bytes) { return bit_counts(x); }
inline void prepare_byte(uint8_t x, uint8_t* prepared) { memset(prepared, x, kCodeQuery); }
inline void store_planes(uint8_t* panel, Bytes x) { store_bytes(panel, x); }
#endif

constexpr size_t kPanelByte = kPlanes * kCodeLanes;   // of a panel, for one byte of its codes
constexpr size_t kTileByte = kCodeRows * kCodeQuery;  // of prepared queries, for one byte of a tile's codes

struct CodeTile {
    Bytes sum[kCodeRows][2];
};

// Starts the sums of each row at start[r] and adds `bytes` steps, one or more.
inline CodeTile count(const uint8_t* q, const uint8_t* panel, size_t bytes, const uint8_t* start) {
    CodeTile t;
#pragma GCC unroll 8
    for (size_t r = 0; r < kCodeRows; ++r) t.sum[r][0] = t.sum[r][1] = spread_byte(start[r]);
    do {  // at least once: a loop that might not run costs GCC a second set of registers for the sums
        Bytes x[2][kPlanes];
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; ++h)
#pragma GCC unroll 2
            for (size_t p = 0; p < kPlanes; ++p) x[h][p] = load_bytes(panel + p * kCodeLanes + h * HM_BYTES);
#pragma GCC unroll 8
        for (size_t r = 0; r < kCodeRows; ++r) {
            const Position at = position(q + r * kCodeQuery);
            t.sum[r][0] = add_count(t.sum[r][0], at, x[0]);
            t.sum[r][1] = add_count(t.sum[r][1], at, x[1]);
        }
        q += kTileByte;
        panel += kPanelByte;
    } while (--bytes);
    return t;
}

// The distances of a tile, whatever the length. The bytes of the even and of the odd lanes are added up in 16 bits, those of
// the last steps in 32: 65,536 bits may differ, and only 65,528 of them before.
inline void count_wide(const uint8_t* q, const uint8_t* panel, size_t bytes, uint32_t (*distance)[kCodeLanes]) {
    const uint8_t zero[kCodeRows] = {};
    Halves even[kCodeRows][2], odd[kCodeRows][2];
#pragma GCC unroll 8
    for (size_t r = 0; r < kCodeRows; ++r)
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; ++h) even[r][h] = odd[r][h] = Halves{};
    for (; bytes > kSteps; bytes -= kSteps, q += kSteps * kTileByte, panel += kSteps * kPanelByte) {
        const CodeTile t = count(q, panel, kSteps, zero);
#pragma GCC unroll 8
        for (size_t r = 0; r < kCodeRows; ++r)
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; ++h) {
                even[r][h] += (Halves)t.sum[r][h] & 0xff;
                odd[r][h] += (Halves)t.sum[r][h] >> 8;
            }
    }
    const CodeTile t = count(q, panel, bytes, zero);
    for (size_t r = 0; r < kCodeRows; ++r) {
        uint8_t last[kCodeLanes];
        uint16_t evens[kCodeLanes / 2], odds[kCodeLanes / 2];
        memcpy(last, t.sum[r], sizeof last);
        memcpy(evens, even[r], sizeof evens);
        memcpy(odds, odd[r], sizeof odds);
        for (size_t j = 0; j < kCodeLanes / 2; ++j) {
            distance[r][2 * j] = (uint32_t)evens[j] + last[2 * j];
            distance[r][2 * j + 1] = (uint32_t)odds[j] + last[2 * j + 1];
        }
    }
}

void prepare_codes(const uint8_t* const* rows, size_t bytes, uint8_t* prepared) {
    for (size_t k = 0; k < bytes; ++k)
        for (size_t r = 0; r < kCodeRows; ++r) prepare_byte(rows[r][k], prepared + k * kTileByte + r * kCodeQuery);
}

// Eight bytes of all lanes at a time: 8 x 8 squares of bytes, one in each 64-bit element, are transposed by three rounds of
// exchanges between vectors whose numbers differ in one bit.
void pack_codes(const uint8_t* const* rows, size_t bytes, uint8_t* panel) {
    constexpr size_t kSquares = HM_BYTES / 8;
    for (size_t k = 0; k < bytes; k += 8) {
        const size_t width = bytes - k < 8 ? bytes - k : 8;
        for (size_t h = 0; h < 2; ++h) {
            uint64_t word[8][kSquares] = {};
            for (size_t lane = 0; lane < HM_BYTES; ++lane) {
                const uint8_t* from = rows[h * HM_BYTES + lane] + k;
                uint64_t* to = &word[lane % 8][lane / 8];
                width == 8 ? memcpy(to, from, 8) : memcpy(to, from, width);
            }
            Words v[8];
            memcpy(v, word, sizeof v);
            auto exchange = [&](size_t a, size_t b, int shift, uint64_t mask) {
                const Words t = ((v[a] >> shift) ^ v[b]) & mask;
                v[b] ^= t;
                v[a] ^= t << shift;
            };
#pragma GCC unroll 8
            for (size_t i = 0; i < 8; ++i)
                if (!(i & 4)) exchange(i, i + 4, 32, 0x00000000ffffffff);
#pragma GCC unroll 8
            for (size_t i = 0; i < 8; ++i)
                if (!(i & 2)) exchange(i, i + 2, 16, 0x0000ffff0000ffff);
#pragma GCC unroll 8
            for (size_t i = 0; i < 8; ++i)
                if (!(i & 1)) exchange(i, i + 1, 8, 0x00ff00ff00ff00ff);
            for (size_t i = 0; i < width; ++i) store_planes(panel + (k + i) * kPanelByte + h * HM_BYTES, (Bytes)v[i]);
        }
    }
}

// Writes a hit for each bit of `set`, whose distance is the sum + add. Where pairs pass at all a few do, in no pattern: the
// first two are written whether they exist or not, which saves mispredicted branches.
inline size_t report_codes(uint64_t set, const uint8_t* sums, uint32_t add, size_t row, size_t first_lane, CodeHit* hits) {
    const size_t found = (size_t)__builtin_popcountll(set);
    const auto write = [&](CodeHit* hit) {
        const size_t lane = (size_t)__builtin_ctzll(set | 1ull << (kLanesOfSet - 1));
        *hit = {(uint16_t)row, (uint16_t)(first_lane + lane), sums[lane] + add};
        set &= set - 1;
    };
    write(hits);
    write(hits + 1);
    for (size_t i = 2; i < found; ++i) write(hits + i);
    return found;
}

// The hits of a tile, from its sums in memory: out of line, so that the sums of the others stay in registers.
__attribute__((noinline)) size_t report_tile(const uint8_t* sums, const uint32_t* stop, size_t row, CodeHit* hits) {
    size_t n = 0;
    for (size_t r = 0; r < kCodeRows; ++r)
        for (size_t first = 0; first < kCodeLanes; first += kLanesOfSet, sums += kLanesOfSet) {
            uint64_t set = 0;
            for (size_t lane = 0; lane < kLanesOfSet; lane += HM_BYTES) set |= unsaturated(load_bytes(sums + lane)) << lane;
            n += report_codes(set, sums, stop[r] - kMostNarrow, row + r, first, hits + n);
        }
    return n;
}

inline size_t screen_narrow(const uint8_t* queries, const uint8_t* panel, size_t bytes, const uint32_t* stop, size_t row,
                            CodeHit* hits) {
    uint8_t start[kCodeRows];
    for (size_t r = 0; r < kCodeRows; ++r) start[r] = (uint8_t)(kMostNarrow - stop[r]);
    const CodeTile t = count(queries, panel, bytes, start);
    Bytes least = t.sum[0][0];
#pragma GCC unroll 8
    for (size_t r = 0; r < kCodeRows; ++r) least = smaller_bytes(smaller_bytes(least, t.sum[r][0]), t.sum[r][1]);
    if (__builtin_expect(!any_unsaturated(least), 1)) return 0;
    uint8_t sums[kCodeRows * kCodeLanes];
#pragma GCC unroll 8
    for (size_t r = 0; r < kCodeRows; ++r)
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; ++h) store_bytes(sums + (2 * r + h) * HM_BYTES, t.sum[r][h]);
    return report_tile(sums, stop, row, hits);
}

inline size_t screen_wide(const uint8_t* queries, const uint8_t* panel, size_t bytes, const uint32_t* stop, size_t row,
                          CodeHit* hits) {
    uint32_t distance[kCodeRows][kCodeLanes];
    count_wide(queries, panel, bytes, distance);
    size_t n = 0;
    for (size_t r = 0; r < kCodeRows; ++r) {
        uint32_t passed = 0;
        for (size_t j = 0; j < kCodeLanes; ++j) passed |= distance[r][j] < stop[r];
        for (size_t j = 0; passed && j < kCodeLanes; ++j) {
            hits[n] = {(uint16_t)(row + r), (uint16_t)j, distance[r][j]};
            n += distance[r][j] < stop[r];
        }
    }
    return n;
}

size_t screen_codes(const uint8_t* queries, size_t groups, const uint8_t* panel, size_t bytes, const uint32_t* stop,
                    CodeHit* hits) {
    size_t n = 0;
    for (size_t row = 0; row < groups * kCodeRows; row += kCodeRows, queries += bytes * kTileByte, stop += kCodeRows) {
        bool narrow = true;
        for (size_t r = 0; r < kCodeRows; ++r) narrow &= stop[r] <= kMostNarrow;
        n += narrow ? screen_narrow(queries, panel, bytes, stop, row, hits + n)
                    : screen_wide(queries, panel, bytes, stop, row, hits + n);
    }
    return n;
}

void dense_codes(const uint8_t* queries, size_t n, const uint8_t* panel, size_t bytes, int32_t* out, size_t stride, size_t m) {
    for (size_t first = 0; first < n; first += kCodeRows, queries += bytes * kTileByte) {
        uint32_t distance[kCodeRows][kCodeLanes];
        count_wide(queries, panel, bytes, distance);
        for (size_t r = 0; r < kCodeRows && first + r < n; ++r)
            memcpy(out + (first + r) * stride, distance[r], m * sizeof(int32_t));
    }
}

double peak_codes(size_t steps, uint8_t* sink) {
    constexpr size_t kChains = 3 * kCodeRows;
    const Bytes table = spread_byte(sink[0]);
    Bytes x[kChains];
    for (size_t i = 0; i < kChains; ++i) x[i] = spread_byte((uint8_t)(sink[1] + i));
    for (size_t s = 0; s < steps; ++s)
#pragma GCC unroll 16
        for (size_t i = 0; i < kChains; ++i) x[i] = peak_step(x[i], table);
    for (size_t i = 1; i < kChains; ++i) x[0] ^= x[i];
    store_bytes(sink, x[0]);
    return (double)kPeakBits * (double)steps * kChains * HM_BYTES;
}

uint32_t products_of_codes(const uint8_t* queries, size_t groups, const uint8_t* panel, size_t bytes) {
    const uint8_t zero[kCodeRows] = {};
    Bytes mixed[2] = {};
    for (size_t g = 0; g < groups; ++g, queries += bytes * kTileByte) {
        const CodeTile t = count(queries, panel, bytes, zero);
#pragma GCC unroll 8
        for (size_t r = 0; r < kCodeRows; ++r) {
            mixed[0] ^= t.sum[r][0];
            mixed[1] ^= t.sum[r][1];
        }
    }
    uint8_t each[HM_BYTES], total = 0;
    store_bytes(each, mixed[0] ^ mixed[1]);
    for (uint8_t x : each) total ^= x;
    return total;
}

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
