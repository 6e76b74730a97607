// The tables that were built, which of them this CPU can run, and the one in use.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.hpp"

namespace hardmine {

std::vector<std::string> isas_built();
std::vector<std::string> isas_runnable();  // best first; those never chosen unasked last

// The table of that name, or the best one for "". Throws std::invalid_argument, naming the runnable ones, for a name that is
// unknown, not built or not runnable.
const Kernels& find_isa(std::string_view name);

}  // namespace hardmine
