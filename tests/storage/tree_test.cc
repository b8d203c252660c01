// tests/storage/tree_test.cc: B+trees with splits, merges and shared nodes against ordered sets.
#include "storage/tree.h"

#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "base/prng.h"

namespace worldline::storage {
namespace {

// Keys as text, so that both kinds share a model.
struct Words {
  using Keys = WordKeys;
  static constexpr size_t kBytes = sizeof(uint64_t);
  static std::string make(Prng& random, uint64_t space) {
    const uint64_t word = __builtin_bswap64(random.below(space) * 0x123456789);
    return {reinterpret_cast<const char*>(&word), sizeof word};
  }
  static uint64_t probe(const std::string& key) {
    return __builtin_bswap64(load_le<uint64_t>(as_bytes(key).data()));
  }
};
struct Texts {
  using Keys = ByteKeys;
  static constexpr size_t kBytes = sizeof(uint64_t);
  static std::string make(Prng& random, uint64_t space) {
    const uint64_t number = random.below(space);
    return std::string(number % 50, static_cast<char>(number % 3)) + std::to_string(number);
  }
  static ByteKeys::Probe probe(const std::string& key) { return ByteKeys::Probe(as_bytes(key)); }
};

// A number in `N` bytes whose first half is often the same.
template <uint32_t N>
struct FixedTexts {
  using Keys = FixedKeys<N>;
  static constexpr size_t kBytes = N;
  static std::string make(Prng& random, uint64_t space) {
    const uint64_t number = random.below(space);
    std::string key(N, static_cast<char>(number % 3));
    for (size_t i = 0; i < 2; ++i) key[N - 1 - i] = static_cast<char>(number >> (8 * i));
    return key;
  }
  static ByteProbe probe(std::string_view key) { return ByteProbe(as_bytes(key)); }
};

using Model = std::set<std::pair<std::string, uint64_t>>;

std::vector<uint64_t> walk(const TreeNode* root) {
  std::vector<uint64_t> refs;
  for (TreePath path = tree_begin(root); tree_normalise(path); ++path.steps[0].at)
    refs.push_back(path.steps[0].node->payload()[path.steps[0].at]);
  return refs;
}
std::vector<uint64_t> refs_of(const Model& model) {
  std::vector<uint64_t> refs;
  for (const auto& [key, ref] : model) refs.push_back(ref);
  return refs;
}

template <typename Kind>
class TreeTest : public testing::Test {
 protected:
  using T = Tree<typename Kind::Keys>;

  void change(Uniqueness uniqueness, uint64_t space, bool growing) {
    const std::string key = Kind::make(random_, space);
    const auto at = model_.lower_bound({key, 0});
    const bool there = at != model_.end() && at->first == key;
    const bool insert = random_.below(10) < (growing ? 7u : 3u);
    if (insert && (uniqueness == Uniqueness::kDuplicates || !there)) {
      const uint64_t ref = ++next_ref_;
      T::insert(root_, Kind::probe(key), ref, uniqueness);
      model_.emplace(key, ref);
    } else if (there) {
      T::erase(root_, Kind::probe(key), at->second, uniqueness);
      model_.erase(at);
    }
    ASSERT_EQ(T::contains(root_, Kind::probe(key)), contains(key));
    if (uniqueness == Uniqueness::kUnique) {
      ASSERT_EQ(T::find(root_, Kind::probe(key)).has_value(), contains(key));
    }
  }
  bool contains(const std::string& key) const {
    const auto at = model_.lower_bound({key, 0});
    return at != model_.end() && at->first == key;
  }

  // Grows and shrinks the tree several times while copies of its root are held.
  void run(Uniqueness uniqueness) {
    std::vector<std::pair<TreeNode*, std::vector<uint64_t>>> copies;
    for (int i = 0; i < 40000; ++i) {
      change(uniqueness, 4000, i / 8000 % 2 == 0);
      if (this->HasFatalFailure()) return;
      if (i % 2000 != 0 || root_ == nullptr) continue;
      ASSERT_EQ(T::check(root_, uniqueness), model_.size());
      root_->refs.add();
      copies.emplace_back(root_, refs_of(model_));
      if (copies.size() > 3) {
        EXPECT_EQ(walk(copies[0].first), copies[0].second) << "a shared node changed";
        T::release(copies[0].first);
        copies.erase(copies.begin());
      }
    }
    EXPECT_EQ(walk(root_), refs_of(model_));
    for (auto& [root, refs] : copies) {
      EXPECT_EQ(walk(root), refs);
      T::release(root);
    }
    while (!model_.empty()) {
      T::erase(root_, Kind::probe(model_.begin()->first), model_.begin()->second, uniqueness);
      model_.erase(model_.begin());
    }
    EXPECT_EQ(root_, nullptr);
  }

  Prng random_{17};
  TreeNode* root_ = nullptr;
  Model model_;
  uint64_t next_ref_ = 0;
};

using Kinds = testing::Types<Words, Texts, FixedTexts<16>, FixedTexts<32>>;
TYPED_TEST_SUITE(TreeTest, Kinds);

TYPED_TEST(TreeTest, KeepsUniqueKeysAndSharedCopies) {
  this->run(Uniqueness::kUnique);
}
TYPED_TEST(TreeTest, KeepsDuplicatesAndSharedCopies) {
  this->run(Uniqueness::kDuplicates);
}

TYPED_TEST(TreeTest, FillsItsNodesWhenKeysOnlyGrow) {
  using Grown = Tree<typename TypeParam::Keys>;
  constexpr uint64_t kKeys = 10000;
  for (uint64_t i = 0; i < kKeys; ++i) {
    const uint64_t word = __builtin_bswap64(i);
    std::string key(reinterpret_cast<const char*>(&word), sizeof word);
    key.resize(TypeParam::kBytes);
    Grown::insert(this->root_, TypeParam::probe(key), i, Uniqueness::kUnique);
  }
  TreePath path = tree_begin(this->root_);
  EXPECT_GE(path.steps[0].node->count, 21);
  EXPECT_EQ(Grown::check(this->root_, Uniqueness::kUnique), kKeys);
  Grown::release(this->root_);
}

// Ranges and prefixes search with more or fewer bytes than a key has.
TEST(FixedKeysTest, ComparesWithProbesOfOtherSizesAsByteStringsDo) {
  using Keys = FixedKeys<16>;
  const std::string_view texts[] = {
      {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16},
      {"\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16},
      "abcdefghijklmnop",
      "abcdefghijklmnoq",
  };
  for (const std::string_view text : texts) {
    const Keys::Stored key = Keys::store(ByteProbe(as_bytes(text)));
    for (const std::string_view other : texts) {
      for (size_t size = 0; size <= 17; ++size) {
        std::string probe(other.substr(0, size));
        probe.resize(size, '\0');
        EXPECT_TRUE(Keys::compare(key, ByteProbe(as_bytes(probe))) == (text.compare(probe) <=> 0))
            << text << " and " << size << " bytes of " << other;
      }
    }
  }
}

}  // namespace
}  // namespace worldline::storage
