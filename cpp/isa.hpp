// The tables of kernels that were built, which of them this CPU can run, and those in use.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"

namespace hardmine {

// The tables in use; use_isa() comes first. They may change between two looks, so a call of the engine takes one, at its
// start.
Kernels kernels_in_use();

// The sets of tables, one of each family, by the machine they are meant for.
std::vector<std::string> isas_built();
std::vector<std::string> isas_runnable();  // best first; those never chosen unasked last

// Takes the set of that name; for "" each family takes its best table. Throws std::invalid_argument, naming the runnable ones,
// for a name that is unknown, not built or not runnable.
void use_isa(const std::string& name);

// The table of that family, "int8" or "bf16". Throws std::invalid_argument.
const QuantisedKernels& quantised(const Kernels& kernels, const std::string& family);

// Whether such tables of these sets agree, as one of tiles must with the emulated one before it is used. Throws as use_isa().
bool same_products(const std::string& family, const std::string& isa, const std::string& other);

// The set last taken, for "" the best that runs.
std::string isa_in_use();

// The names of each family's tables: of those built, best first, and of the one in use.
std::map<std::string, std::vector<std::string>> kernels_built();
std::map<std::string, std::string> kernel_names();

}  // namespace hardmine
