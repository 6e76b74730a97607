// A list of tables a family, best first, and one of the sets that can be asked for. A new table is one row here, in the list
// of its family and in the sets that want it, and one hardmine_kernels() line in CMakeLists.txt.
#include "isa.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif
#if defined(HARDMINE_AMX)
#include "amx.hpp"
#endif

#include <atomic>
#include <stdexcept>

#include "screens/quantised_trial.hpp"

namespace hardmine {

#define HM_DECLARE(isa)                      \
    namespace isa {                          \
    extern const TileKernels tile;           \
    extern const FewKernels few;             \
    extern const QuantisedKernels int8;      \
    extern const QuantisedKernels bf16;      \
    extern const CodeKernels codes;          \
    extern const CanonicalKernels canonical; \
    }
HM_DECLARE(generic)
#if defined(__x86_64__)
HM_DECLARE(avx2)
HM_DECLARE(avx512)
HM_DECLARE(wide)
namespace avx512_bitalg {
extern const CodeKernels codes;
}
namespace avx512_vnni {
extern const QuantisedKernels int8;
}
namespace avx512_bf16 {
extern const QuantisedKernels bf16;
}
namespace avx_vnni {
extern const QuantisedKernels int8;
}
namespace tiles {
extern const QuantisedKernels int8, bf16;
}
#if defined(HARDMINE_AMX)
namespace amx {
extern const QuantisedKernels int8, bf16;
}
#endif
#elif defined(__aarch64__)
namespace dotprod {
extern const QuantisedKernels int8;
}
namespace i8mm {
extern const QuantisedKernels int8;
}
#endif

namespace {

template <class Table>
struct Row {
    const Table& table;
    bool (*runs)();
    bool unasked;  // whether it may be chosen without being asked for
};

struct Set {
    const char* name;
    Kernels kernels;
};

bool runs_always() { return true; }

#if defined(__x86_64__)
// The levels x86-64-v3 and v4 by their features: clang 15 does not know them by name. A CPU with these has the rest of the
// level.
bool runs_v3() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}
bool runs_v4() {
    return runs_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
// Counts of the bits of bytes and words: Ice Lake, Zen 4 and later.
bool runs_v4_bitalg() {
    return runs_v4() && __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("avx512vpopcntdq");
}
// Four products of bytes at once: Cascade Lake, Ice Lake, Zen 4 and later; and in 32 bytes, Alder Lake and later.
bool runs_v4_vnni() { return runs_v4() && __builtin_cpu_supports("avx512vnni"); }
bool runs_v3_vnni() {
    unsigned a = 0, b = 0, c = 0, d = 0;  // clang 14 does not know the feature by name
    return runs_v3() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
// Products of two bfloat16: Zen 4 and later. A Zen 5 starts as many of them as of float32, twice the numbers. Intel's CPUs, from
// Cooper Lake on, are said to start half as many, which gains nothing: left out there, and not measured.
bool runs_v4_bf16() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return runs_v4_bitalg() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1) && __builtin_cpu_is("amd");
}
#if defined(HARDMINE_AMX)
// Products of tiles: Sapphire Rapids and later. They are believed once they have done what the emulated ones do.
bool runs_amx() {
    static const bool found = runs_v4_bitalg() && amx_permitted() && same_products(amx::int8, tiles::int8);
    return found;
}
bool runs_amx_bf16() {
    static const bool found = runs_amx() && amx_bf16() && same_products(amx::bf16, tiles::bf16);
    return found;
}
#endif

// `wide` is the 64-byte code with AVX2's instructions: slower, but it shows that the width changes no bit on CPUs without
// AVX-512. `tiles` is that of AMX with emulated tiles, which shows the same of CPUs without them.
constexpr Row<TileKernels> kTile[] = {
    {avx512::tile, runs_v4, true},
    {avx2::tile, runs_v3, true},
    {generic::tile, runs_always, true},
    {wide::tile, runs_v3, false},
};
constexpr Row<FewKernels> kFew[] = {
    {avx512::few, runs_v4, true},
    {avx2::few, runs_v3, true},
    {generic::few, runs_always, true},
    {wide::few, runs_v3, false},
};
// Their panels are made of those of floats: of 64 bytes for AVX-512, which is why that comes first.
constexpr Row<QuantisedKernels> kInt8[] = {
#if defined(HARDMINE_AMX)
    {amx::int8, runs_amx, true},
#endif
    {avx512_vnni::int8, runs_v4_vnni, true},
    {avx512::int8, runs_v4, true},
    {avx_vnni::int8, runs_v3_vnni, true},
    {avx2::int8, runs_v3, true},
    {generic::int8, runs_always, true},
    {wide::int8, runs_v3, false},
    {tiles::int8, runs_v3, false},
};
constexpr Row<QuantisedKernels> kBf16[] = {
#if defined(HARDMINE_AMX)
    {amx::bf16, runs_amx_bf16, true},
#endif
    {avx512_bf16::bf16, runs_v4_bf16, true}, {avx512::bf16, runs_v4, true}, {avx2::bf16, runs_v3, true},
    {generic::bf16, runs_always, true},      {wide::bf16, runs_v3, false},  {tiles::bf16, runs_v3, false},
};
constexpr Row<CodeKernels> kCodes[] = {
    {avx512_bitalg::codes, runs_v4_bitalg, true}, {avx512::codes, runs_v4, true}, {avx2::codes, runs_v3, true},
    {generic::codes, runs_always, true},          {wide::codes, runs_v3, false},
};
constexpr Row<CanonicalKernels> kCanonical[] = {
    {avx512::canonical, runs_v4, true},
    {avx2::canonical, runs_v3, true},
    {generic::canonical, runs_always, true},
    {wide::canonical, runs_v3, false},
};
constexpr Set kSets[] = {
#if defined(HARDMINE_AMX)
    {"amx", {avx512::tile, avx512::few, amx::int8, amx::bf16, avx512_bitalg::codes, avx512::canonical}},
#endif
    {"avx512_bf16",
     {avx512::tile, avx512::few, avx512_vnni::int8, avx512_bf16::bf16, avx512_bitalg::codes, avx512::canonical}},
    {"avx512_bitalg", {avx512::tile, avx512::few, avx512_vnni::int8, avx512::bf16, avx512_bitalg::codes, avx512::canonical}},
    {"avx512", {avx512::tile, avx512::few, avx512::int8, avx512::bf16, avx512::codes, avx512::canonical}},
    {"avx_vnni", {avx2::tile, avx2::few, avx_vnni::int8, avx2::bf16, avx2::codes, avx2::canonical}},
    {"avx2", {avx2::tile, avx2::few, avx2::int8, avx2::bf16, avx2::codes, avx2::canonical}},
    {"generic", {generic::tile, generic::few, generic::int8, generic::bf16, generic::codes, generic::canonical}},
    {"wide", {wide::tile, wide::few, wide::int8, wide::bf16, wide::codes, wide::canonical}},
    {"tiles", {wide::tile, wide::few, tiles::int8, tiles::bf16, wide::codes, wide::canonical}},
};
#else
#if defined(__aarch64__)
// Four products of bytes at once (ARMv8.2 and later: most since 2018), and eight (ARMv8.6: Graviton 3, Neoverse V1 and later).
bool runs_dotprod() { return getauxval(AT_HWCAP) >> 20 & 1; }                  // HWCAP_ASIMDDP
bool runs_i8mm() { return runs_dotprod() && getauxval(AT_HWCAP2) >> 13 & 1; }  // HWCAP2_I8MM
#endif
constexpr Row<TileKernels> kTile[] = {{generic::tile, runs_always, true}};
constexpr Row<FewKernels> kFew[] = {{generic::few, runs_always, true}};
constexpr Row<QuantisedKernels> kInt8[] = {
#if defined(__aarch64__)
    {i8mm::int8, runs_i8mm, true},
    {dotprod::int8, runs_dotprod, true},
#endif
    {generic::int8, runs_always, true},
};
constexpr Row<QuantisedKernels> kBf16[] = {{generic::bf16, runs_always, true}};
constexpr Row<CodeKernels> kCodes[] = {{generic::codes, runs_always, true}};
constexpr Row<CanonicalKernels> kCanonical[] = {{generic::canonical, runs_always, true}};
constexpr Set kSets[] = {
#if defined(__aarch64__)
    {"i8mm", {generic::tile, generic::few, i8mm::int8, generic::bf16, generic::codes, generic::canonical}},
    {"dotprod", {generic::tile, generic::few, dotprod::int8, generic::bf16, generic::codes, generic::canonical}},
#endif
    {"generic", {generic::tile, generic::few, generic::int8, generic::bf16, generic::codes, generic::canonical}},
};
#endif

template <class Table, std::size_t n>
bool runs(const Row<Table> (&rows)[n], const Table& table) {
    for (const Row<Table>& row : rows)
        if (&row.table == &table) return row.runs();
    return false;
}

bool runs(const Set& set) {
    return runs(kTile, set.kernels.tile) && runs(kFew, set.kernels.few) && runs(kInt8, set.kernels.int8) &&
           runs(kBf16, set.kernels.bf16) && runs(kCodes, set.kernels.codes) && runs(kCanonical, set.kernels.canonical);
}

template <class Table, std::size_t n>
const Table& best(const Row<Table> (&rows)[n]) {
    const Row<Table>* row = rows;
    while (!(row->unasked && row->runs())) ++row;  // ends: the generic tables run anywhere
    return row->table;
}

template <class Table, std::size_t n>
std::vector<std::string> names(const Row<Table> (&rows)[n]) {
    std::vector<std::string> found;
    for (const Row<Table>& row : rows) found.emplace_back(row.table.name);
    return found;
}

std::string join(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

// What "" stands for: the best table of each family, by the name of the best set that runs.
const Set& best_of_each() {
    const Set* set = kSets;
    while (!runs(*set)) ++set;
    static const Set found{set->name, {best(kTile), best(kFew), best(kInt8), best(kBf16), best(kCodes), best(kCanonical)}};
    return found;
}

std::atomic<const Set*> in_use{nullptr};

}  // namespace

Kernels kernels_in_use() { return in_use.load()->kernels; }

std::string isa_in_use() { return in_use.load()->name; }

std::map<std::string, std::vector<std::string>> kernels_built() {
    return {{"tile", names(kTile)}, {"few", names(kFew)},     {"int8", names(kInt8)},
            {"bf16", names(kBf16)}, {"codes", names(kCodes)}, {"canonical", names(kCanonical)}};
}

std::map<std::string, std::string> kernel_names() {
    const Kernels kernels = kernels_in_use();
    return {{"tile", kernels.tile.name}, {"few", kernels.few.name},     {"int8", kernels.int8.name},
            {"bf16", kernels.bf16.name}, {"codes", kernels.codes.name}, {"canonical", kernels.canonical.name}};
}

std::vector<std::string> isas_built() {
    std::vector<std::string> found;
    for (const Set& set : kSets) found.emplace_back(set.name);
    return found;
}

std::vector<std::string> isas_runnable() {
    std::vector<std::string> found;
    for (const Set& set : kSets)
        if (runs(set)) found.emplace_back(set.name);
    return found;
}

namespace {

const Set& runnable(const std::string& name) {
    for (const Set& set : kSets)
        if (name == set.name && runs(set)) return set;
    throw std::invalid_argument("expected one of " + join(isas_runnable()) + " (built: " + join(isas_built()) + "), got '" +
                                name + "'");
}

}  // namespace

void use_isa(const std::string& name) { in_use = name.empty() ? &best_of_each() : &runnable(name); }

const QuantisedKernels& quantised(const Kernels& kernels, const std::string& family) {
    if (family != "int8" && family != "bf16") throw std::invalid_argument("expected int8 or bf16, got '" + family + "'");
    return family == "int8" ? kernels.int8 : kernels.bf16;
}

bool same_products(const std::string& family, const std::string& isa, const std::string& other) {
    return same_products(quantised(runnable(isa).kernels, family), quantised(runnable(other).kernels, family));
}

}  // namespace hardmine
