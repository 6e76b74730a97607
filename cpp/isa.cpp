// One row a table, best first. A new instruction set is one row here and one hardmine_isa() line in CMakeLists.txt.
#include "isa.hpp"

#include <stdexcept>

namespace hardmine {

#define HM_DECLARE(name)        \
    namespace name {            \
    extern const Kernels table; \
    }
HM_DECLARE(generic)
#if defined(__x86_64__)
HM_DECLARE(avx512_bitalg)
HM_DECLARE(avx512)
HM_DECLARE(avx2)
HM_DECLARE(wide)
#endif

namespace {

struct Row {
    const Kernels* table;
    bool (*runs)();
    bool automatic;
};

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
#endif

const Row kRows[] = {
#if defined(__x86_64__)
    {&avx512_bitalg::table, runs_v4_bitalg, true},
    {&avx512::table, runs_v4, true},
    {&avx2::table, runs_v3, true},
#endif
    {&generic::table, [] { return true; }, true},
#if defined(__x86_64__)
    // The 64-byte code with AVX2's instructions: slower, but it shows that the width changes no bit on CPUs without AVX-512.
    {&wide::table, runs_v3, false},
#endif
};

std::string join(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

}  // namespace

std::vector<std::string> isas_built() {
    std::vector<std::string> names;
    for (const Row& row : kRows) names.emplace_back(row.table->name);
    return names;
}

std::vector<std::string> isas_runnable() {
    std::vector<std::string> names;
    for (const Row& row : kRows)
        if (row.runs()) names.emplace_back(row.table->name);
    return names;
}

const Kernels& find_isa(std::string_view name) {
    for (const Row& row : kRows)
        if (row.runs() && (name.empty() ? row.automatic : name == row.table->name)) return *row.table;
    throw std::invalid_argument("expected one of " + join(isas_runnable()) + " (built: " + join(isas_built()) + "), got '" +
                                std::string(name) + "'");
}

}  // namespace hardmine
