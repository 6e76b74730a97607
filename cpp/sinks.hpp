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
//
// All of this trusts the intervals. Where a pair is scored, its distance is compared with the ends it came with, and k pairs
// that were certified to lie within a bound must be there at the end: otherwise a proof has failed, settle() says so, and the
// row is scanned again by canonical distances alone. An upper end that is too low then costs time and is counted, but no
// result. A lower end that is too high is seen only where the pair is scored: one that was dropped for it is not.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "filter.hpp"
#include "group_caps.hpp"
#include "key.hpp"

namespace hardmine {

class TopK {
  public:
    // `reach` is the most pairs a row can be offered: no buffer is larger.
    TopK(std::size_t rows, std::size_t k, std::size_t reach, const Filter& filter, const GroupCaps& caps)
        : filter_(filter),
          caps_(caps),
          k_(k),
          capacity_(capacity(k, reach)),
          buffer_(rows * capacity_),
          rows_(rows),
          bound_(rows) {
        if (!filter.max_per_group) return;
        members_.reserve(capacity_);
        chosen_.reserve(capacity_);
    }

    using Value = float;
    static constexpr bool kInOrder = false;  // pairs may be offered in any order

    // A buffer of twice k and a few: tightening often keeps the bound close, and few pairs pass. Measured at k = 10: 8 and 24
    // spare places are 3 to 5 % slower than 16 in 32 dimensions, 48 are 7 %.
    static constexpr std::size_t kSpare = 16;
    static std::size_t capacity(std::size_t k, std::size_t reach) {
        return std::max<std::size_t>(1, std::min(2 * k + kSpare, reach));
    }
    static std::size_t bytes_per_row(std::size_t k, std::size_t reach) {
        return capacity(k, reach) * sizeof(Pair) + sizeof(Row) + sizeof(Key);
    }
    // Beside the rows: scratch for caps.
    static std::size_t bytes(std::size_t k, std::size_t reach, const Filter& filter) {
        return filter.max_per_group ? capacity(k, reach) * (sizeof(Member) + sizeof(Key)) : 0;
    }

    void start(std::size_t row, std::size_t query) {
        Row& r = rows_[row];
        r.count = r.clean = r.too_near = r.scored = 0;
        r.most = static_cast<std::uint32_t>(caps_.most(query));
        r.certified = r.broken = false;
        const Key end = r.most ? window_end(query) : 0;
        set_bound_key(row, end == kNoKey ? kNoKey : std::max(end, kFirstKey + 1) - 1);  // a bound is a distance, not NaN
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
        Row& r = rows_[row];
        const Side side = side_of_window(r, query, lower, upper, index, score);
        if (side == Side::nearer && !(filter_.exclude_start && filter_.excludes(query, index))) ++r.too_near;
        if (side != Side::inside) return false;
        Pair* pairs = &buffer_[row * capacity_];
        pairs[r.count++] = {make_key(upper, index), lower};
        if (r.count < capacity_) return false;
        tighten(row, query);
        if (2 * r.count > k_ + capacity_) {  // room for less than half of what a tightening should free
            make_exact(row, score);
            tighten(row, query);
        }
        return true;
    }

    // How many of the pairs offered lie before the window, those on an exclusion list not counted.
    std::uint32_t too_near(std::size_t row) const { return rows_[row].too_near; }

    // How many of the pairs offered have been scored so far.
    std::uint32_t scored(std::size_t row) const { return rows_[row].scored; }

    // Scores what is left of a row. False if some interval was wrong: the row must be started and filled anew.
    template <class Score>
    bool settle(std::size_t row, std::size_t query, const Score& score) {
        tighten(row, query);
        make_exact(row, score);
        tighten(row, query);
        const Row& r = rows_[row];
        return !r.broken && !(r.certified && r.count < r.most);
    }

    // The keys of a settled row in ascending order, at most k of them; the row is spent.
    std::size_t take(std::size_t row, Key* keys) {
        const Pair* pairs = &buffer_[row * capacity_];
        const std::size_t count = rows_[row].count;
        for (std::size_t i = 0; i < count; ++i) keys[i] = pairs[i].upper;
        std::sort(keys, keys + count);
        return count;
    }

  private:
    struct Pair {
        Key upper;
        float lower;
        bool exact() const { return lower == distance_of(upper); }
    };
    struct Row {
        std::uint32_t most;          // pairs that can be kept, k unless caps leave fewer
        std::uint32_t count, clean;  // pairs in the buffer, and how many of them are known not to be excluded
        std::uint32_t too_near, scored;
        bool certified;  // whether `most` pairs have been found to lie within the bound
        bool broken;     // whether a distance lay outside its interval
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
    Side side_of_window(Row& r, std::size_t query, float& lower, float& upper, std::uint32_t index, const Score& score) {
        if (!filter_.nearer_than && !filter_.farther_than) return Side::inside;
        const Key start = window_start(query), end = window_end(query);
        if (make_key(upper, kLastIndex) <= start) return Side::nearer;
        if (make_key(lower, 0) >= end) return Side::farther;
        if (make_key(upper, 0) < end && make_key(lower, kLastIndex) > start) return Side::inside;
        lower = upper = scored(r, index, lower, upper, score);
        return make_key(lower, kLastIndex) <= start ? Side::nearer : make_key(upper, 0) >= end ? Side::farther : Side::inside;
    }

    // The rows to score lie anywhere: they are asked for two pairs ahead, or each would wait for memory.
    static constexpr std::size_t kAhead = 2;

    template <class Score>
    void make_exact(std::size_t row, const Score& score) {
        Row& r = rows_[row];
        Pair* pairs = &buffer_[row * capacity_];
        for (std::size_t i = 0; i < r.count; ++i) {
            if (i + kAhead < r.count && !pairs[i + kAhead].exact()) score.fetch(index_of(pairs[i + kAhead].upper));
            if (pairs[i].exact()) continue;
            const std::uint32_t index = index_of(pairs[i].upper);
            pairs[i].lower = scored(r, index, pairs[i].lower, distance_of(pairs[i].upper), score);
            pairs[i].upper = make_key(pairs[i].lower, index);
        }
    }

    template <class Score>
    static float scored(Row& r, std::uint32_t index, float lower, float upper, const Score& score) {
        const float distance = score(index);
        ++r.scored;
        r.broken |= !(lower <= distance && distance <= upper);
        return distance;
    }

    void set_bound_key(std::size_t row, Key key) { bound_[row].store(key, std::memory_order_relaxed); }

    // `most` pairs are no later than this.
    void certify(std::size_t row, Key key) {
        if (key >= bound_key(row)) return;
        set_bound_key(row, key);
        rows_[row].certified = true;
    }

    void tighten(std::size_t row, std::size_t query) {
        if (filter_.exclude_start) drop_excluded(row, query);
        filter_.max_per_group ? tighten_per_group(row) : tighten_all(row);
        rows_[row].clean = rows_[row].count;
    }

    // Before anything excluded can count towards the k. What was kept last time has been looked up then.
    void drop_excluded(std::size_t row, std::size_t query) {
        Pair* pairs = &buffer_[row * capacity_];
        Pair* end = std::remove_if(pairs + rows_[row].clean, pairs + rows_[row].count,
                                   [&](const Pair& p) { return filter_.excludes(query, index_of(p.upper)); });
        rows_[row].count = static_cast<std::uint32_t>(end - pairs);
    }

    void tighten_all(std::size_t row) {
        if (rows_[row].count < k_) return;
        Pair* pairs = &buffer_[row * capacity_];
        Pair* end = pairs + rows_[row].count;
        std::nth_element(pairs, pairs + k_ - 1, end, [](const Pair& a, const Pair& b) { return a.upper < b.upper; });
        certify(row, pairs[k_ - 1].upper);
        const Key bound = bound_key(row);
        end = std::remove_if(pairs, end, [&](const Pair& p) { return make_key(p.lower, index_of(p.upper)) > bound; });
        rows_[row].count = static_cast<std::uint32_t>(end - pairs);
    }

    void tighten_per_group(std::size_t row) {
        Pair* pairs = &buffer_[row * capacity_];
        Pair* end = pairs + rows_[row].count;
        members_.clear();
        for (const Pair* p = pairs; p < end; ++p) members_.push_back({group_of(p->upper), p->upper});
        std::sort(members_.begin(), members_.end());
        // The first `cap` of each group, and of these the k nearest.
        chosen_.clear();
        for (std::size_t i = 0; i < members_.size(); ++i)
            if (i < filter_.max_per_group || members_[i - filter_.max_per_group].group != members_[i].group)
                chosen_.push_back(members_[i].upper);
        const std::size_t most = rows_[row].most;
        if (most && chosen_.size() >= most) {
            std::nth_element(chosen_.begin(), chosen_.begin() + static_cast<std::ptrdiff_t>(most - 1), chosen_.end());
            certify(row, chosen_[most - 1]);
        }
        end = std::remove_if(pairs, end, [&](const Pair& p) {
            const Key least = make_key(p.lower, index_of(p.upper));
            return least > bound_key(row) || least > group_bound(group_of(p.upper));
        });
        rows_[row].count = static_cast<std::uint32_t>(end - pairs);
    }

    std::int64_t group_of(Key key) const { return filter_.base_groups[index_of(key)]; }

    // The cap-th smallest key of a group, of those in members_.
    Key group_bound(std::int64_t group) const {
        const auto first = std::lower_bound(members_.begin(), members_.end(), Member{group, 0});
        const std::size_t last = static_cast<std::size_t>(first - members_.begin()) + filter_.max_per_group - 1;
        return last < members_.size() && members_[last].group == group ? members_[last].upper : kNoKey;
    }

    const Filter& filter_;
    const GroupCaps& caps_;
    std::size_t k_, capacity_;
    std::vector<Pair> buffer_;
    std::vector<Row> rows_;
    std::vector<std::atomic<Key>> bound_;  // apart from the rest, which is looked at a tenth as often
    std::vector<Member> members_;          // scratch of tighten_per_group
    std::vector<Key> chosen_;
};

// Offers a row all pairs of base rows ids[begin, end) by their canonical distances, and settles it.
template <class Sink, class Ids, class Score>
void scan_exactly(Sink& sink, std::size_t row, std::size_t query, const Filter& filter, const Ids& ids, std::size_t begin,
                  std::size_t end, std::size_t first_base, const Score& score) {
    sink.start(row, query);
    for (std::size_t j = begin; j < end; ++j) {
        const std::size_t b = first_base + ids[j];
        if (!filter.allows(query, b)) continue;
        const auto index = static_cast<std::uint32_t>(b);
        const auto distance = static_cast<typename Sink::Value>(score(index));
        sink.offer(row, query, distance, distance, index, score);
    }
    sink.settle(row, query, score);
}

}  // namespace hardmine
