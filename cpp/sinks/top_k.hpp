// The k smallest keys of each row, found from intervals rather than from distances.
//
// The bound of a row is the k-th smallest (upper, index): k pairs are certainly no farther, so a pair with (lower, index)
// beyond the bound can never be among the k nearest and is dropped. What remains is a few more than k, and only these are
// scored exactly. Where intervals cannot separate the rows (thousands of equal ones) the buffer overflows; then it is scored
// on the spot, every interval in it becomes a point, and exactly k remain.
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

#include "sinks/group_caps.hpp"
#include "sinks/sink.hpp"
#include "terms/filter.hpp"
#include "terms/key.hpp"

namespace hardmine {

// Rows too near for a window are counted up to this many a query; beyond it screens leave them out.
inline constexpr std::uint32_t kMostCounted = 256;

class TopK {
  public:
    static constexpr bool kInOrder = false, kOfRows = true, kSifts = true, kShared = false, kOneBound = false;

    // `reach` is the most pairs a row can be offered: no buffer is larger. `counted`: whether the pairs before the window are.
    TopK(std::size_t rows, std::size_t k, std::size_t reach, const Judge& judge, const GroupCaps& caps, bool counted = false)
        : judge_(judge),
          caps_(caps),
          cap_(judge.filter().max_per_group),
          counted_(counted),
          k_(k),
          capacity_(capacity(k, reach)),
          ordered_(k <= kMostOrdered && k < capacity_ && !cap_),
          buffer_(rows * capacity_),
          rows_(rows),
          bound_(rows) {
        if (!cap_) return;
        members_.reserve(capacity_);
        chosen_.reserve(capacity_);
    }

    // Up to so many the first k are kept in order: their bound is then always that of all that was offered, and fewer are. The
    // searches of these sizes that were measured, from k = 5 to 10 in 32 to 768 dimensions and of an array with itself in 96,
    // became 1.06 to 1.4 times as fast; at k = 100, where a pair is moved past fifty others, it made no difference.
    static constexpr std::size_t kMostOrdered = 64;
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
        r.count = r.clean = r.too_near = 0;
        r.most = static_cast<std::uint32_t>(caps_.most(query));
        r.certified = r.broken = r.guessed = false;
        const float farthest = judge_.farthest(query);
        set_bound_key(row, !r.most ? kFirstKey : farthest < kInfinity ? make_key(farthest, kLastIndex) : kNoKey);
    }

    // Between start() and the first offer: a bound that nothing proves (scan/guess.hpp).
    void limit(std::size_t row, float distance) {
        const Key key = make_key(distance, kLastIndex);
        if (key >= bound_key(row)) return;
        set_bound_key(row, key);
        rows_[row].guessed = true;
    }
    // After settle(): whether it kept less than it may, so that some may lie beyond the limit.
    bool fell_short(std::size_t row) const { return rows_[row].guessed && rows_[row].count < rows_[row].most; }
    // No neighbour is certainly farther.
    float farthest_kept(std::size_t row, std::size_t query) {
        tighten(row, query);
        return bound(row);
    }

    // It may be read while another thread tightens it: an older one only keeps more.
    float bound(std::size_t row) const { return bound_key(row) == kNoKey ? kInfinity : distance_of(bound_key(row)); }
    bool wants(std::size_t row, std::uint32_t index, float lower) const { return make_key(lower, index) <= bound_key(row); }

    template <class Score>
    bool offer(std::size_t row, std::size_t query, std::uint32_t index, float lower, float upper, const Score& score) {
        Row& r = rows_[row];
        if (ordered_) return insert(row, query, {make_key(upper, index), lower}, score);
        buffer_[row * capacity_ + r.count++] = {make_key(upper, index), lower};
        if (r.count < capacity_) return false;
        tighten(row, query);
        if (2 * r.count > k_ + capacity_) {  // room for less than half of what a tightening should free
            make_exact(row, score);
            tighten(row, query);
        }
        return true;
    }

    bool hears(std::size_t row) const { return counted_ && rows_[row].too_near < kMostCounted; }
    void pass_over(std::size_t row) { ++rows_[row].too_near; }
    std::uint32_t too_near(std::size_t row) const { return rows_[row].too_near; }

    void distrust(std::size_t row) { rows_[row].broken = true; }

    template <class Score>
    bool settle(std::size_t row, std::size_t query, const Score& score) {
        tighten(row, query);
        make_exact(row, score);
        tighten(row, query);
        const Row& r = rows_[row];
        return !r.broken && !(r.certified && r.count < r.most);
    }

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
        std::uint32_t too_near;      // pairs passed over
        bool certified;              // whether `most` pairs have been found to lie within the bound
        bool guessed;                // whether the bound began as a guess
        bool broken;                 // whether a distance lay outside its interval
    };
    struct Member {
        std::int64_t group;
        Key upper;
        bool operator<(const Member& other) const { return group != other.group ? group < other.group : upper < other.upper; }
    };

    // Keeps the first k in order of their upper ends, and after them what may still be nearer than one of these. Lists are looked
    // up at once, for what they exclude must not count.
    template <class Score>
    bool insert(std::size_t row, std::size_t query, const Pair& pair, const Score& score) {
        if (judge_.excludes(query, index_of(pair.upper))) return false;
        Row& r = rows_[row];
        Pair* pairs = &buffer_[row * capacity_];
        const bool full = r.count >= k_;
        const Pair& kth = pairs[k_ - 1];
        Pair later = pair;
        if (!full || pair.upper < kth.upper) {
            if (full) later = kth;
            shift_in(pairs, full ? k_ - 1 : r.count++, pair);
            if (r.count < k_) return false;
            certify(row, kth.upper);
            if (!full) return true;
        }
        const auto useless = [bound = bound_key(row)](const Pair& p) { return make_key(p.lower, index_of(p.upper)) > bound; };
        if (useless(later)) return true;
        pairs[r.count++] = later;
        if (r.count < capacity_) return true;
        r.count = static_cast<std::uint32_t>(std::remove_if(pairs + k_, pairs + r.count, useless) - pairs);
        if (2 * r.count <= k_ + capacity_) return true;
        make_exact(row, score);
        tighten(row, query);
        std::sort(pairs, pairs + r.count, [](const Pair& a, const Pair& b) { return a.upper < b.upper; });
        return true;
    }
    // Into the first `count` pairs, which are in order, and their next place.
    static void shift_in(Pair* pairs, std::size_t count, const Pair& pair) {
        for (; count > 0 && pairs[count - 1].upper > pair.upper; --count) pairs[count] = pairs[count - 1];
        pairs[count] = pair;
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
            const float distance = score(index);
            r.broken |= !(pairs[i].lower <= distance && distance <= distance_of(pairs[i].upper));
            pairs[i] = {make_key(distance, index), distance};
        }
    }

    // No key after this can be kept.
    Key bound_key(std::size_t row) const { return bound_[row].load(std::memory_order_relaxed); }
    void set_bound_key(std::size_t row, Key key) { bound_[row].store(key, std::memory_order_relaxed); }

    // `most` pairs are no later than this.
    void certify(std::size_t row, Key key) {
        if (key >= bound_key(row)) return;
        set_bound_key(row, key);
        rows_[row].certified = true;
    }

    void tighten(std::size_t row, std::size_t query) {
        if (judge_.filter().exclude_start && !ordered_) drop_excluded(row, query);
        cap_ ? tighten_per_group(row) : tighten_all(row);
        rows_[row].clean = rows_[row].count;
    }

    // Before anything excluded can count towards the k. What was kept last time has been looked up then.
    void drop_excluded(std::size_t row, std::size_t query) {
        Pair* pairs = &buffer_[row * capacity_];
        Pair* end = std::remove_if(pairs + rows_[row].clean, pairs + rows_[row].count,
                                   [&](const Pair& p) { return judge_.excludes(query, index_of(p.upper)); });
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
            if (i < cap_ || members_[i - cap_].group != members_[i].group) chosen_.push_back(members_[i].upper);
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

    std::int64_t group_of(Key key) const { return judge_.filter().base_groups[index_of(key)]; }

    // The cap-th smallest key of a group, of those in members_.
    Key group_bound(std::int64_t group) const {
        const auto first = std::lower_bound(members_.begin(), members_.end(), Member{group, 0});
        const std::size_t last = static_cast<std::size_t>(first - members_.begin()) + cap_ - 1;
        return last < members_.size() && members_[last].group == group ? members_[last].upper : kNoKey;
    }

    const Judge& judge_;
    const GroupCaps& caps_;
    std::size_t cap_;
    bool counted_;
    std::size_t k_, capacity_;
    bool ordered_;
    std::vector<Pair> buffer_;
    std::vector<Row> rows_;
    std::vector<std::atomic<Key>> bound_;  // apart from the rest, which is looked at a tenth as often
    std::vector<Member> members_;          // scratch of tighten_per_group
    std::vector<Key> chosen_;
};

}  // namespace hardmine
