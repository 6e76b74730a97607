// What is searched: data, and nothing of how.
#pragma once

#include <cstddef>
#include <cstdint>

#include "terms/metric.hpp"
#include "terms/rows.hpp"

namespace hardmine {

// Rows are float32 vectors or packed codes.
template <class Row>
struct Search {
    Rows<Row> queries, base;
    int threads = 0;        // 0: every core the process may use
    std::size_t block = 0;  // base rows packed at a time; 0 chooses. Changes no result

    // Whether the queries are the base rows themselves.
    bool one_array() const {
        return queries.data == base.data && queries.count == base.count && queries.stride == base.stride &&
               queries.first == base.first;
    }
};

class PreparedRows;

struct FloatSearch : Search<float> {
    Metric metric;
    const PreparedRows* prepared = nullptr;  // the base (screens/prepared.hpp). Changes no result
};
using CodeSearch = Search<std::uint8_t>;

// How far a search of an array against itself is (scan/self_join.hpp), in positions of the rows that a mask leaves: those before
// `near` are finished, the slab that begins there has met all before `far`, and later ones all before `near`.
struct JoinPlace {
    std::size_t near = 0, far = 0;
};

// A part of one: from `at` on, until about so many pairs are done.
struct JoinStep {
    JoinPlace at;
    std::uint64_t most_pairs = ~std::uint64_t{0};
    std::size_t slab = 0;     // rows of one, which tests vary; 0: by memory. One join has one
    std::uint64_t pairs = 0;  // that it has done
};

}  // namespace hardmine
