// Products in tiles (AMX): 32 queries by 32 base rows, 2 x 2 tiles of sums, a block of up to 64 bytes of each row at a step.
//
// A tile is up to 16 rows of up to 64 bytes. Of the queries one holds 16 rows of `run` words, of the panel one holds `run` words
// of 16 lanes, row by row as they lie there; the product of both is added to 16 x 16 sums. Bytes of both sides are signed: no
// offset. Words that fill up the last block are 0 in the queries.
//
// The sums of a group pass through memory: while those of one are tested, between the steps, the tiles multiply the next one.
// (Our prototype on a Sapphire Rapids, bytes of 512 dimensions: 3,815 Gop/s, with the test after its own product 3,099.)
//
// The operations are AMX's, or with HM_EMULATED those of emulated_tiles.hpp: the same lines for both. The source that includes
// this says which operation multiplies: HM_PRODUCT.
#pragma once

#include "quantised_epilogue.hpp"

#if defined(HM_EMULATED)
#include "emulated_tiles.hpp"
#define HM_JOINED(operation) emulated_##operation
#else
#define HM_JOINED(operation) _tile_##operation
#endif
#define HM_TILE(operation) HM_JOINED(operation)

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr size_t kRun = 16;
// Of so many groups of a call only the last one is tested with nothing beside it; their bytes stream from the L2 cache, while
// those of the panel stay in L1.
constexpr size_t kGroups = 8;

constexpr size_t kTile = 16, kTileBytes = 64;  // rows of a tile, and bytes of each
static_assert(kWidth == kTile && kRows == 2 * kTile && kRun * 4 == kTileBytes);

// The most words up to kRun that lie together, in blocks of one size. `words` is a multiple of the number of these blocks, which
// is the smallest that has room for them.
struct Blocks {
    size_t count, run;
    explicit Blocks(size_t words) : count((words + kRun - 1) / kRun), run(words / count) {}
};

struct Palette {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes[16] = {};  // of a row of each tile; all but the first eight must be 0
    uint8_t rows[16] = {};
};
static_assert(sizeof(Palette) == 64);

// Tiles 0 to 3 are sums, 4 and 5 queries, 6 and 7 base rows.
void begin(size_t words) {
    const Blocks blocks(words);
    Palette palette;
    for (size_t tile = 0; tile < 8; ++tile) {
        palette.rows[tile] = tile < 6 ? kTile : (uint8_t)blocks.run;
        palette.bytes[tile] = (uint16_t)(tile == 4 || tile == 5 ? 4 * blocks.run : kTileBytes);
    }
    // GCC before 14 says of the first 8 bytes alone that they are read (GCC's bug 114098).
    __asm__ volatile("" : : "r"(&palette) : "memory");
    HM_TILE(loadconfig)(&palette);
}

void end() { HM_TILE(release)(); }

// Calls between(step) after the products of each step have been asked for.
template <class Between>
inline void multiply(const uint8_t* queries, const uint8_t* panel, const Blocks& blocks, int32_t* sums, Between between) {
    const size_t query_row = 4 * blocks.run, panel_row = 4 * kLanes;
    HM_TILE(zero)(0);
    HM_TILE(zero)(1);
    HM_TILE(zero)(2);
    HM_TILE(zero)(3);
    for (size_t step = 0; step < blocks.count; ++step) {
        HM_TILE(loadd)(4, queries, query_row);
        HM_TILE(loadd)(6, panel, panel_row);
        HM_TILE(loadd)(7, panel + kTileBytes, panel_row);
        HM_TILE(loadd)(5, queries + kTile * query_row, query_row);
        HM_TILE(HM_PRODUCT)(0, 4, 6);
        HM_TILE(HM_PRODUCT)(1, 4, 7);
        HM_TILE(HM_PRODUCT)(2, 5, 6);
        HM_TILE(HM_PRODUCT)(3, 5, 7);
        queries += kRows * query_row;
        panel += blocks.run * panel_row;
        between(step);
    }
    constexpr size_t row = kLanes * sizeof *sums;
    HM_TILE(stored)(0, sums, row);
    HM_TILE(stored)(1, sums + kTile, row);
    HM_TILE(stored)(2, sums + kTile * kLanes, row);
    HM_TILE(stored)(3, sums + kTile * kLanes + kTile, row);
}

// With operands in tiles: zeros, whose products take no less time.
template <class Product>
inline double peak_with(size_t steps, int32_t* sink) {
    begin(kRun);
    for (size_t s = 0; s < steps; ++s) {
        HM_TILE(HM_PRODUCT)(0, 4, 6);
        HM_TILE(HM_PRODUCT)(1, 4, 7);
        HM_TILE(HM_PRODUCT)(2, 5, 6);
        HM_TILE(HM_PRODUCT)(3, 5, 7);
    }
    alignas(64) int32_t sums[kTile * kTile];
    HM_TILE(stored)(0, sums, kTileBytes);
    end();
    sink[0] ^= sums[0];
    return 2.0 * Product::kAdded * (double)steps * 4 * kTile * kTile * kRun;
}

// As screen_with: while the sums of a group are looked at, the next one is multiplied.
template <class Product>
inline uint32_t products_with(const QuantisedQueries& q, size_t groups, const QuantisedPanel& panel, size_t words) {
    alignas(64) int32_t sums[2][kRows * kLanes];
    const Blocks blocks(words);
    const uint8_t *queries = (const uint8_t*)q.codes, *base = (const uint8_t*)panel.codes;
    Ints mixed = {};
    multiply(queries, base, blocks, sums[0], [](size_t) {});
    for (size_t g = 0; g < groups; ++g) {
        const int32_t* sum = sums[g % 2];
        size_t r = 0;
        const auto mix_until = [&](size_t end) {
            for (; r < end; ++r) mixed ^= load_ints(sum + r * kLanes) ^ load_ints(sum + r * kLanes + kWidth);
        };
        if (g + 1 < groups)
            multiply(queries + (g + 1) * kRows * 4 * words, base, blocks, sums[(g + 1) % 2],
                     [&](size_t step) { mix_until(kRows * (step + 1) / blocks.count); });
        else
            mix_until(kRows);
    }
    return exclusive_or(mixed);
}

template <class Product, class Test>
inline size_t screen_with(const Test& test, const QuantisedQueries& q, size_t groups, const QuantisedPanel& panel,
                          size_t words, Hit* hits) {
    typedef typename Product::Sum Sum;
    alignas(64) int32_t sums[2][kRows * kLanes];  // or floats
    const Lanes lanes(panel);
    const Blocks blocks(words);
    const uint8_t *queries = (const uint8_t*)q.codes, *base = (const uint8_t*)panel.codes;
    size_t n = 0;
    multiply(queries, base, blocks, sums[0], [](size_t) {});
    for (size_t g = 0; g < groups; ++g) {
        const size_t first = g * kRows;
        const int32_t* sum = sums[g % 2];
        const auto row = [&](size_t i) {
            const int32_t* at = sum + i * kLanes;
            return lanes.row((Sum)load_ints(at), (Sum)load_ints(at + kWidth), q.factor[first + i]);
        };
        float limit[kRows];
        for (size_t i = 0; i < kRows; ++i) limit[i] = test.limit(first + i);
        Mask passed = {};
        size_t r = 0;
        const auto compare_until = [&](size_t end) {
            for (; r < end; ++r) passed |= test.may_pass(row(r), first + r, limit[r]);
        };
        if (g + 1 < groups)
            multiply(queries + (first + kRows) * 4 * words, base, blocks, sums[(g + 1) % 2],
                     [&](size_t step) { compare_until(kRows * (step + 1) / blocks.count); });
        else
            compare_until(kRows);
        if (__builtin_expect(any(passed), 0)) n += report(test, first, limit, row, hits + n);
    }
    return n;
}

}  // namespace
}  // namespace HM_ISA
}  // namespace hardmine
