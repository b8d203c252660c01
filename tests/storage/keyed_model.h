// tests/storage/keyed_model.h
//
// KeyedModelTest drives a table whose one unique index is under test by random transactions, beside
// an ordered map: inserts, updates and deletes by key, rollbacks, and snapshots that are looked at
// once much has changed.
//
// Invariants: now_ is what the table holds. Ownership: values. Thread: one.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "tests/base/random_seeds.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {

class KeyedModelTest : public StorageTest {
 protected:
  using Model = std::map<uint64_t, uint64_t>;  // From the key to the last column.
  using Pinned = std::vector<std::pair<SnapshotPtr, Model>>;
  struct Course {
    int transactions;
    int phase;      // So many grow the table, as many shrink it, and so on.
    uint64_t pins;  // One of so many is followed by a snapshot.
    int looks;      // After every so many the table is compared.
  };

  explicit KeyedModelTest(const TableDefinition& definition) : table_(create(definition)) {}

  virtual Row key_of(uint64_t id) const = 0;
  virtual uint64_t any_id() = 0;
  virtual void expect_same(const ReadView& view, const Model& model) = 0;

  Row row_of(uint64_t id, uint64_t n) const { return key_of(id).u64(n); }

  void one_operation(Transaction& tx, bool growing) {
    const uint64_t id = any_id();
    const uint64_t n = ++next_;
    const bool is_there = now_.contains(id);
    if (random_.below(10) < (growing ? 7u : 2u)) {
      ASSERT_EQ(tx.insert(table_, row_of(id, n)).ok(), !is_there);
      if (!is_there) now_[id] = n;
    } else if (random_.chance(3)) {
      ASSERT_EQ(tx.update(table_, index_id(table_), row_of(id, n)).ok(), is_there);
      if (is_there) now_[id] = n;
    } else {
      ASSERT_EQ(*tx.delete_point(index_id(table_), key_of(id)), is_there ? 1u : 0u);
      now_.erase(id);
    }
  }

  // Returns the snapshots not looked at yet.
  Pinned run(const Course& course) {
    Model committed;
    Pinned pinned;
    for (int i = 0; i < course.transactions && !HasFatalFailure(); ++i) {
      Transaction tx = begin();
      for (int k = 0; k < 80 && !HasFatalFailure(); ++k)
        one_operation(tx, i / course.phase % 2 == 0);
      if (random_.chance(5)) {
        tx.rollback();
        now_ = committed;
      } else {
        tx.commit();
        committed = now_;
      }
      if (random_.chance(course.pins)) pinned.emplace_back(db->pin(), committed);
      if (pinned.size() > 3) {
        expect_same(*pinned[0].first, pinned[0].second);
        pinned.erase(pinned.begin());
      }
      if (i % course.looks == 0) {
        expect_same(db->view(), now_);
        check();
      }
    }
    return pinned;
  }

  const TableId table_;
  const uint64_t seed_ = random_seeds(1).front();
  Prng random_{seed_};
  Model now_;
  uint64_t next_ = 0;
};

}  // namespace worldline::storage
