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

}  // namespace hardmine
