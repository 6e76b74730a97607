// What a scan keeps. TopK: the k smallest keys of each row, found from intervals rather than from distances.
//
// A screen offers a pair as [lower, upper], float32 numbers between which its canonical distance certainly lies. The bound of
// a row is the k-th smallest (upper, index): k pairs are certainly no farther, so a pair with (lower, index) beyond the bound
// can never be among the k nearest and is dropped. What remains is a few more than k, and only these are scored exactly. Where
// intervals cannot separate the rows (thousands of equal ones) the buffer overflows; then it is scored on the spot, every
// interval in it becomes a point, and exactly k remain.
//
// With a cap per group the k nearest are the greedy choice in the order of keys, at most `cap` of each group. The k-th key
// chosen from the upper ends is again a bound (more pairs below a threshold never lower the number that can be chosen), and so
// is the cap-th smallest key of a group for that group's pairs.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "filter.hpp"
#include "key.hpp"

namespace hardmine {

class TopK {
  public:
    // `reach` is the most pairs a row can be offered: no buffer is larger.
    TopK(std::size_t rows, std::size_t k, std::size_t reach, const Filter& filter)
        : filter_(filter),
          k_(k),
          capacity_(capacity(k, reach)),
          buffer_(rows * capacity_),
          count_(rows),
          clean_(rows),
          too_near_(rows),
          bound_(rows) {
        if (filter.max_per_group) members_.reserve(capacity_);
    }

    using Value = float;
    static constexpr bool kInOrder = false;  // pairs may be offered in any order

    // A buffer of twice k and a few: tightening often keeps the bound close, and few pairs pass. Measured at k = 10: 8 and 24
    // spare places are 3 to 5 % slower than 16 in 32 dimensions, 48 are 7 %.
    static constexpr std::size_t kSpare = 16;
    static std::size_t capacity(std::size_t k, std::size_t reach) {
        return std::max<std::size_t>(1, std::min(2 * k + kSpare, reach));
    }
    static std::size_t bytes_per_row(std::size_t k, std::size_t reach) { return capacity(k, reach) * sizeof(Pair) + 16; }

    void start(std::size_t row, std::size_t query) {
        count_[row] = clean_[row] = too_near_[row] = 0;
        const Key end = window_end(query);
        set_bound_key(row, end == kNoKey ? kNoKey : end - 1);
    }

    // No key after this can be kept. It may be read while another thread tightens it: an older one only keeps more.
    Key bound_key(std::size_t row) const { return bound_[row].load(std::memory_order_relaxed); }
    float bound(std::size_t row) const { return bound_key(row) == kNoKey ? kInfinity : distance_of(bound_key(row)); }

    // Whether a pair that is no nearer than `lower` can be kept at all: cheaper than asking the filter.
    bool wants(std::size_t row, float lower, std::uint32_t index) const { return make_key(lower, index) <= bound_key(row); }

    // Offers a pair whose canonical distance lies in [lower, upper]; score(index) gives it exactly. Returns whether the bound
    // became tighter.
    template <class Score>
    bool offer(std::size_t row, std::size_t query, float lower, float upper, std::uint32_t index, const Score& score) {
        if (!wants(row, lower, index)) return false;
        const Side side = side_of_window(query, lower, upper, index, score);
        if (side == Side::nearer && !(filter_.exclude_start && filter_.excludes(query, index))) ++too_near_[row];
        if (side != Side::inside) return false;
        Pair* pairs = &buffer_[row * capacity_];
        pairs[count_[row]++] = {make_key(upper, index), lower};
        if (count_[row] < capacity_) return false;
        tighten(row, query);
        if (2 * count_[row] > k_ + capacity_) {  // room for less than half of what a tightening should free
            make_exact(row, score);
            tighten(row, query);
        }
        return true;
    }

    // How many of the pairs offered lie before the window, those on an exclusion list not counted.
    std::uint32_t too_near(std::size_t row) const { return too_near_[row]; }

    // The keys of a row in ascending order, at most k of them; the row is spent.
    template <class Score>
    std::size_t finish(std::size_t row, std::size_t query, const Score& score, Key* keys) {
        tighten(row, query);
        make_exact(row, score);
        tighten(row, query);
        const Pair* pairs = &buffer_[row * capacity_];
        for (std::size_t i = 0; i < count_[row]; ++i) keys[i] = pairs[i].upper;
        std::sort(keys, keys + count_[row]);
        return count_[row];
    }

  private:
    struct Pair {
        Key upper;
        float lower;
        bool exact() const { return lower == distance_of(upper); }
    };
    struct Member {
        std::int64_t group;
        Key upper;
        bool operator<(const Member& other) const { return group != other.group ? group < other.group : upper < other.upper; }
    };

    // The first keys outside the window of a query, at either end.
    Key window_end(std::size_t query) const {
        if (!filter_.nearer_than || std::isnan(filter_.nearer_than[query])) return kNoKey;
        return make_key(filter_.nearer_than[query], 0);
    }
    Key window_start(std::size_t query) const {
        return filter_.farther_than ? make_key(filter_.farther_than[query], kLastIndex) : 0;
    }

    enum class Side { inside, nearer, farther };

    // The window is decided on the canonical distance, at once where the interval straddles an end of it: a pair that might be
    // outside must not tighten the bound.
    template <class Score>
    Side side_of_window(std::size_t query, float& lower, float& upper, std::uint32_t index, const Score& score) const {
        if (!filter_.nearer_than && !filter_.farther_than) return Side::inside;
        const Key start = window_start(query), end = window_end(query);
        if (make_key(upper, kLastIndex) <= start) return Side::nearer;
        if (make_key(lower, 0) >= end) return Side::farther;
        if (make_key(upper, 0) < end && make_key(lower, kLastIndex) > start) return Side::inside;
        lower = upper = score(index);
        return make_key(lower, kLastIndex) <= start ? Side::nearer : make_key(upper, 0) >= end ? Side::farther : Side::inside;
    }

    // The rows to score lie anywhere: they are asked for two pairs ahead, or each would wait for memory.
    static constexpr std::size_t kAhead = 2;

    template <class Score>
    void make_exact(std::size_t row, const Score& score) {
        Pair* pairs = &buffer_[row * capacity_];
        for (std::size_t i = 0; i < count_[row]; ++i) {
            if (i + kAhead < count_[row] && !pairs[i + kAhead].exact()) score.fetch(index_of(pairs[i + kAhead].upper));
            if (pairs[i].exact()) continue;
            const std::uint32_t index = index_of(pairs[i].upper);
            pairs[i].lower = score(index);
            pairs[i].upper = make_key(pairs[i].lower, index);
        }
    }

    void set_bound_key(std::size_t row, Key key) { bound_[row].store(key, std::memory_order_relaxed); }

    void tighten(std::size_t row, std::size_t query) {
        if (filter_.exclude_start) drop_excluded(row, query);
        filter_.max_per_group ? tighten_per_group(row) : tighten_all(row);
        clean_[row] = count_[row];
    }

    // Before anything excluded can count towards the k. What was kept last time has been looked up then.
    void drop_excluded(std::size_t row, std::size_t query) {
        Pair* pairs = &buffer_[row * capacity_];
        Pair* end = std::remove_if(pairs + clean_[row], pairs + count_[row],
                                   [&](const Pair& p) { return filter_.excludes(query, index_of(p.upper)); });
        count_[row] = static_cast<std::uint32_t>(end - pairs);
    }

    void tighten_all(std::size_t row) {
        if (count_[row] < k_) return;
        Pair* pairs = &buffer_[row * capacity_];
        Pair* end = pairs + count_[row];
        std::nth_element(pairs, pairs + k_ - 1, end, [](const Pair& a, const Pair& b) { return a.upper < b.upper; });
        const Key bound = std::min(bound_key(row), pairs[k_ - 1].upper);
        set_bound_key(row, bound);
        end = std::remove_if(pairs, end, [&](const Pair& p) { return make_key(p.lower, index_of(p.upper)) > bound; });
        count_[row] = static_cast<std::uint32_t>(end - pairs);
    }

    void tighten_per_group(std::size_t row) {
        Pair* pairs = &buffer_[row * capacity_];
        Pair* end = pairs + count_[row];
        members_.clear();
        for (const Pair* p = pairs; p < end; ++p) members_.push_back({group_of(p->upper), p->upper});
        std::sort(members_.begin(), members_.end());
        // The first `cap` of each group, and of these the k nearest.
        chosen_.clear();
        for (std::size_t i = 0; i < members_.size(); ++i)
            if (i < filter_.max_per_group || members_[i - filter_.max_per_group].group != members_[i].group)
                chosen_.push_back(members_[i].upper);
        if (chosen_.size() >= k_) {
            std::nth_element(chosen_.begin(), chosen_.begin() + static_cast<std::ptrdiff_t>(k_ - 1), chosen_.end());
            set_bound_key(row, std::min(bound_key(row), chosen_[k_ - 1]));
        }
        end = std::remove_if(pairs, end, [&](const Pair& p) {
            const Key least = make_key(p.lower, index_of(p.upper));
            return least > bound_key(row) || least > group_bound(group_of(p.upper));
        });
        count_[row] = static_cast<std::uint32_t>(end - pairs);
    }

    std::int64_t group_of(Key key) const { return filter_.base_groups[index_of(key)]; }

    // The cap-th smallest key of a group, of those in members_.
    Key group_bound(std::int64_t group) const {
        const auto first = std::lower_bound(members_.begin(), members_.end(), Member{group, 0});
        const std::size_t last = static_cast<std::size_t>(first - members_.begin()) + filter_.max_per_group - 1;
        return last < members_.size() && members_[last].group == group ? members_[last].upper : kNoKey;
    }

    const Filter& filter_;
    std::size_t k_, capacity_;
    std::vector<Pair> buffer_;
    std::vector<std::uint32_t> count_, clean_;  // pairs of a row, and how many of them are known not to be excluded
    std::vector<std::uint32_t> too_near_;
    std::vector<std::atomic<Key>> bound_;
    std::vector<Member> members_;  // scratch of tighten_per_group
    std::vector<Key> chosen_;
};

}  // namespace hardmine
