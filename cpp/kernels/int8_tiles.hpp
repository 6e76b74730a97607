// Products of bytes in tiles (AMX): 32 queries by 32 base rows, 2 x 2 tiles of sums, a block of up to 64 components at a step.
//
// A tile is up to 16 rows of up to 64 bytes. Of the queries one holds 16 rows of `run` quads, of the panel one holds `run` quads
// of 16 lanes, row by row as they lie there; the product of both is added to 16 x 16 sums. Bytes of both sides are signed: no
// offset. Quads that fill up the last block are 0 in the queries.
//
// The sums of a group pass through memory: while those of one are tested, between the steps, the tiles multiply the next one.
// (Our prototype on a Sapphire Rapids, 512 dimensions: 3,815 Gop/s, with the test after its own product 3,099.)
//
// The operations are AMX's, or with HM_EMULATED those of emulated_tiles.hpp: the same lines for both.
#pragma once

#include "int8_epilogue.hpp"

#if defined(HM_EMULATED)
#include "emulated_tiles.hpp"
#define HM_TILE(operation) emulated_##operation
#else
#define HM_TILE(operation) _tile_##operation
#endif

namespace hardmine {
namespace HM_ISA {
namespace {

constexpr int32_t kMost = 127, kOffset = 0;
// Of the prototype, not yet of this code: the test included, on a core whose FMA peak is 215 Gop/s, it ran at 6.7 times that in
// 64 dimensions, at 12 to 18 times in 128 to 512. The float32 tile stays below the peak.
constexpr float kGain = 6.5f;
constexpr size_t kRun = 16;
// Of so many groups of a call only the last one is tested with nothing beside it; their bytes stream from the L2 cache, while
// those of the panel stay in L1.
constexpr size_t kGroups = 8;

constexpr size_t kTile = 16, kTileBytes = 64;  // rows of a tile, and bytes of each
static_assert(kWidth == kTile && kRows == 2 * kTile && kRun * 4 == kTileBytes);

// The most quads up to kRun that lie together, in blocks of one size. `quads` is a multiple of the number of these blocks, which
// is the smallest that has room for them.
struct Blocks {
    size_t count, run;
    explicit Blocks(size_t quads) : count((quads + kRun - 1) / kRun), run(quads / count) {}
};

struct Palette {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes[16] = {};  // of a row of each tile; all but the first eight must be 0
    uint8_t rows[16] = {};
};
static_assert(sizeof(Palette) == 64);

// Tiles 0 to 3 are sums, 4 and 5 queries, 6 and 7 base rows.
void begin(size_t quads) {
    const Blocks blocks(quads);
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
inline void multiply(const int8_t* queries, const uint8_t* panel, const Blocks& blocks, int32_t* sums, Between between) {
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
        HM_TILE(dpbssd)(0, 4, 6);
        HM_TILE(dpbssd)(1, 4, 7);
        HM_TILE(dpbssd)(2, 5, 6);
        HM_TILE(dpbssd)(3, 5, 7);
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
double peak(size_t steps, int32_t* sink) {
    begin(kRun);
    for (size_t s = 0; s < steps; ++s) {
        HM_TILE(dpbssd)(0, 4, 6);
        HM_TILE(dpbssd)(1, 4, 7);
        HM_TILE(dpbssd)(2, 5, 6);
        HM_TILE(dpbssd)(3, 5, 7);
    }
    alignas(64) int32_t sums[kTile * kTile];
    HM_TILE(stored)(0, sums, kTileBytes);
    end();
    sink[0] ^= sums[0];
    return 2.0 * (double)steps * 4 * kTile * kTile * kTileBytes;
}

// As screen_with: while the sums of a group are looked at, the next one is multiplied.
uint32_t products(const Int8Queries& q, size_t groups, const Int8Panel& panel, size_t quads) {
    alignas(64) int32_t sums[2][kRows * kLanes];
    const Blocks blocks(quads);
    Ints mixed = {};
    multiply(q.codes, panel.codes, blocks, sums[0], [](size_t) {});
    for (size_t g = 0; g < groups; ++g) {
        const int32_t* sum = sums[g % 2];
        size_t r = 0;
        const auto mix_until = [&](size_t end) {
            for (; r < end; ++r) mixed ^= load_ints(sum + r * kLanes) ^ load_ints(sum + r * kLanes + kWidth);
        };
        if (g + 1 < groups)
            multiply(q.codes + (g + 1) * kRows * 4 * quads, panel.codes, blocks, sums[(g + 1) % 2],
                     [&](size_t step) { mix_until(kRows * (step + 1) / blocks.count); });
        else
            mix_until(kRows);
    }
    return exclusive_or(mixed);
}

template <class Test>
inline size_t screen_with(const Test& test, const Int8Queries& q, size_t groups, const Int8Panel& panel, size_t quads,
                          Hit* hits) {
    alignas(64) int32_t sums[2][kRows * kLanes];
    const Lanes lanes(panel);
    const Blocks blocks(quads);
    size_t n = 0;
    multiply(q.codes, panel.codes, blocks, sums[0], [](size_t) {});
    for (size_t g = 0; g < groups; ++g) {
        const size_t first = g * kRows;
        const int32_t* sum = sums[g % 2];
        const auto row = [&](size_t i) {
            const int32_t* at = sum + i * kLanes;
            return lanes.row(load_ints(at), load_ints(at + kWidth), q.factor[first + i]);
        };
        float limit[kRows];
        for (size_t i = 0; i < kRows; ++i) limit[i] = test.limit(first + i);
        Mask passed = {};
        size_t r = 0;
        const auto compare_until = [&](size_t end) {
            for (; r < end; ++r) passed |= test.may_pass(row(r), first + r, limit[r]);
        };
        if (g + 1 < groups)
            multiply(q.codes + (first + kRows) * 4 * quads, panel.codes, blocks, sums[(g + 1) % 2],
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
