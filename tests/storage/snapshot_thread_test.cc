// tests/storage/snapshot_thread_test.cc: snapshots read and released on another thread while the
// writer goes on; made for the tsan preset.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/prng.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

struct Pinned {
  SnapshotPtr snapshot;
  uint64_t rows = 0;
};

// Hands snapshots from the writer to the reader.
class Hand {
 public:
  void give(Pinned pinned) {
    const std::lock_guard lock(mutex_);
    pinned_.push_back(std::move(pinned));
    changed_.notify_one();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_one();
  }
  std::vector<Pinned> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !pinned_.empty(); });
    return std::exchange(pinned_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Pinned> pinned_;
  bool closed_ = false;
};

class SnapshotThreadTest : public StorageTest {};

TEST_F(SnapshotThreadTest, ReadsAndReleasesOnAnotherThreadWhileTheWriterWrites) {
  const TableId t = create(Define("t")
                               .column("id", number_type(TypeKind::kU64))
                               .column("name", AlgebraicType::string())
                               .primary_key(0)
                               .index({1}));
  Hand hand;
  std::thread reader([&hand, t] {
    while (true) {
      const std::vector<Pinned> batch = hand.take();
      if (batch.empty()) return;
      for (const Pinned& pinned : batch) {
        const TableView& view = *pinned.snapshot->find_table(t);
        uint64_t rows = 0;
        RowCursor cursor = view.scan();
        while (cursor.next()) {
          IndexKey key;
          view.indexes()[0].make_row_key(cursor.row(), key);
          rows += view.indexes()[0].find_unique(key) == cursor.ref() ? 1 : 0;
        }
        IndexCursor ordered = view.indexes()[1].all();
        uint64_t indexed = 0;
        while (ordered.next()) ++indexed;
        EXPECT_EQ(rows, pinned.rows);
        EXPECT_EQ(indexed, pinned.rows);
      }
    }
  });
  Prng random(11);
  for (int i = 0; i < 400; ++i) {
    Transaction tx = begin();
    for (int j = 0; j < 20; ++j) {
      const std::string name(random.below(30) + (random.chance(50) ? 9000 : 0), 'n');
      const Row row = Row().u64(random.below(2000)).text(name);
      if (!tx.insert(t, row).ok()) {
        EXPECT_TRUE(tx.update(t, index_id(t), row).ok());
      }
      if (random.chance(5)) {
        EXPECT_TRUE(tx.delete_point(index_id(t), Row().u64(random.below(2000))).ok());
      }
    }
    if (random.chance(10)) {
      tx.rollback();
    } else {
      tx.commit();
    }
    if (random.chance(3)) hand.give({db->pin(), count(t)});
  }
  hand.close();
  reader.join();
  check();
}

}  // namespace
}  // namespace worldline::storage
