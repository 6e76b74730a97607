// Runs the compiled kernels of AMX on a CPU without it: each of their tile instructions is illegal there, and the handler of
// that signal decodes it and does what it says. Unlike emulated_tiles.hpp, with which they are compared, it sees what compiler
// and assembler made of them: operands, strides, the configuration in memory.
//
// Built by test_tiles.py with the objects of the tables `amx` and `tiles`. Prints "same" if they agree.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "screens/quantised_trial.hpp"

namespace hardmine {
namespace amx {
extern const QuantisedKernels int8, bf16;
}
namespace tiles {
extern const QuantisedKernels int8, bf16;
}
}  // namespace hardmine

namespace {

struct Tile {
    size_t rows, bytes;
    uint8_t data[16][64];
};
Tile tiles[8];
bool configured = false;
int trapped = 0;

void demand(bool good, const char* what, const uint8_t* at) {
    if (good) return;
    fprintf(stderr, "%s: %02x %02x %02x %02x %02x %02x\n", what, at[0], at[1], at[2], at[3], at[4], at[5]);
    _Exit(2);
}

void configure(const uint8_t* memory, const uint8_t* at) {
    demand(!configured, "configured twice", at);
    demand(memory[0] == 1 && memory[1] == 0, "palette", at);
    for (int i = 2; i < 16; ++i) demand(memory[i] == 0, "reserved bytes", at);
    for (int i = 0; i < 16; ++i) {
        uint16_t bytes;
        memcpy(&bytes, memory + 16 + 2 * i, sizeof bytes);
        const uint8_t rows = memory[48 + i];
        demand(rows <= 16 && bytes <= 64 && (rows == 0) == (bytes == 0) && (i < 8 || rows == 0), "size of a tile", at);
        if (i < 8) tiles[i] = {rows, bytes, {}};
    }
    configured = true;
}

void product(Tile& c, const Tile& a, const Tile& b, const uint8_t* at) {
    demand(&a != &b && &a != &c && &b != &c, "one tile twice", at);
    demand(a.rows == c.rows && b.bytes == c.bytes && a.bytes == 4 * b.rows && c.bytes % 4 == 0, "shapes", at);
    for (size_t m = 0; m < c.rows; ++m)
        for (size_t n = 0; n < c.bytes / 4; ++n) {
            int32_t sum;
            memcpy(&sum, &c.data[m][4 * n], sizeof sum);
            for (size_t k = 0; k < a.bytes; ++k)
                sum += static_cast<int8_t>(a.data[m][k]) * static_cast<int8_t>(b.data[k / 4][4 * n + k % 4]);
            memcpy(&c.data[m][4 * n], &sum, sizeof sum);
        }
}

// Of sums that float32 has exactly, in whatever order (same_products has no others).
void half_product(Tile& c, const Tile& a, const Tile& b, const uint8_t* at) {
    demand(&a != &b && &a != &c && &b != &c, "one tile twice", at);
    demand(a.rows == c.rows && b.bytes == c.bytes && a.bytes == 4 * b.rows && c.bytes % 4 == 0, "shapes", at);
    const auto number = [](const uint8_t* half) {
        const uint32_t bits = static_cast<uint32_t>(half[0]) << 16 | static_cast<uint32_t>(half[1]) << 24;
        float x;
        memcpy(&x, &bits, sizeof x);
        return x;
    };
    for (size_t m = 0; m < c.rows; ++m)
        for (size_t n = 0; n < c.bytes / 4; ++n) {
            float sum;
            memcpy(&sum, &c.data[m][4 * n], sizeof sum);
            for (size_t k = 0; k < a.bytes; k += 2) sum += number(&a.data[m][k]) * number(&b.data[k / 4][4 * n + k % 4]);
            memcpy(&c.data[m][4 * n], &sum, sizeof sum);
        }
}

// VEX.128.0F38.W0 49 (configuration, zero), 4B (load, store), 5E and 5C (products), as volume 2 of Intel's manual encodes them.
void illegal(int, siginfo_t*, void* context) {
    greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    const auto* p = reinterpret_cast<const uint8_t*>(registers[REG_RIP]);
    constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    const auto number = [&](int i) { return static_cast<uint64_t>(registers[kOrder[i]]); };
    demand(p[0] == 0xc4 && (p[1] & 31) == 2 && (p[2] & 0x84) == 0, "no instruction of tiles", p);
    const int prefix = p[2] & 3, operation = p[3], mod = p[4] >> 6;
    const int third = ~(p[2] >> 3) & 15, first = (p[4] >> 3 & 7) | (p[1] & 0x80 ? 0 : 8), low = p[4] & 7;
    const int base_8 = p[1] & 0x20 ? 0 : 8, index_8 = p[1] & 0x40 ? 0 : 8;
    size_t length = 5;
    uint64_t address = 0, stride = 0;
    if (mod != 3) {
        int base = low, index = 4, scale = 0;
        if (low == 4) {
            const uint8_t sib = p[length++];
            base = sib & 7, index = (sib >> 3 & 7) | index_8, scale = sib >> 6;
        }
        demand(mod != 0 || base != 5, "an address without a base", p);
        int32_t moved = mod == 1 ? static_cast<int8_t>(p[length]) : 0;
        if (mod == 2) memcpy(&moved, p + length, sizeof moved);
        length += mod == 1 ? 1 : mod == 2 ? 4 : 0;
        address = number(base | base_8) + static_cast<uint64_t>(static_cast<int64_t>(moved));
        stride = index == 4 ? 0 : number(index) << scale;
    }
    const auto tile = [&](int i) -> Tile& {
        demand(configured && i < 8 && tiles[i].rows > 0, "a tile that is not configured", p);
        return tiles[i];
    };
    const auto row = [&](size_t i) { return reinterpret_cast<uint8_t*>(address + i * stride); };
    if (operation == 0x49 && prefix == 0 && mod != 3) {
        configure(row(0), p);
    } else if (operation == 0x49 && prefix == 0 && p[4] == 0xc0) {
        configured = false;
    } else if (operation == 0x49 && prefix == 3 && mod == 3) {
        memset(tile(first).data, 0, sizeof tiles[0].data);
    } else if (operation == 0x4b && prefix == 3 && mod != 3) {
        Tile& t = tile(first);
        memset(t.data, 0, sizeof t.data);
        for (size_t i = 0; i < t.rows; ++i) memcpy(t.data[i], row(i), t.bytes);
    } else if (operation == 0x4b && prefix == 2 && mod != 3) {
        const Tile& t = tile(first);
        for (size_t i = 0; i < t.rows; ++i) memcpy(row(i), t.data[i], t.bytes);
    } else if (operation == 0x5c && prefix == 2 && mod == 3) {
        half_product(tile(first), tile(low | base_8), tile(third), p);
    } else {
        demand(operation == 0x5e && prefix == 3 && mod == 3, "an instruction that is not expected", p);
        product(tile(first), tile(low | base_8), tile(third), p);
    }
    ++trapped;
    registers[REG_RIP] += static_cast<greg_t>(length);
}

}  // namespace

int main() {
    struct sigaction action = {};
    action.sa_sigaction = illegal;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, nullptr);
    const bool same = hardmine::same_products(hardmine::amx::int8, hardmine::tiles::int8) &&
                      hardmine::same_products(hardmine::amx::bf16, hardmine::tiles::bf16);
    printf("%s, %s\n", same ? "same" : "different", trapped ? "trapped" : "by the CPU");
}
