// tests/storage/checkpoint_load_test.cc: a load on several threads is the load on one
// [architecture 4].
#include <algorithm>
#include <atomic>

#include "base/task_threads.h"
#include "storage/checkpoint_loader.h"
#include "storage/checkpoint_source.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

constexpr uint64_t kRows = kRowsPerThreadMin + 5'000;  // Per table: enough for three threads.

// Three tables: with two unique indexes, one of them by hash, and two others; with none unique;
// with no index at all.
class CheckpointLoadTest : public StorageTest {
 protected:
  CheckpointLoadTest() {
    keyed = create(Define("keyed")
                       .column("id", number_type(TypeKind::kU64))
                       .column("name", AlgebraicType::string())
                       .column("age", number_type(TypeKind::kU32))
                       .primary_key(0)
                       .index({1})
                       .index({2, 0})
                       .unique({1, 0}, IndexAlgorithm::kHash));
    bag = create(Define("bag")
                     .column("age", number_type(TypeKind::kU32))
                     .column("id", number_type(TypeKind::kU64))
                     .index({0}, IndexAlgorithm::kHash));
    plain = create(Define("plain").column("id", number_type(TypeKind::kU64)));
    std::vector<Row> keyed_rows, bag_rows, plain_rows;
    for (uint64_t i = 0; i < kRows; ++i) {
      const auto age = static_cast<uint32_t>(i % 97);
      keyed_rows.push_back(Row().u64(marked(i)).text("n" + std::to_string(i % 501)).u32(age));
      bag_rows.push_back(Row().u32(age).u64(marked(i)));
      plain_rows.push_back(Row().u64(marked(i)));
    }
    insert_all(keyed, keyed_rows);
    insert_all(bag, bag_rows);
    insert_all(plain, plain_rows);
    // Holes, so that places and order of insertion differ.
    Transaction tx = begin();
    for (uint64_t i = 0; i < kRows; i += 7)
      EXPECT_EQ(*tx.delete_point(index_id(keyed), Row().u64(marked(i))), 1u);
    tx.commit();
  }
  static uint64_t marked(uint64_t i) { return 0x5eed'0000'0000'0000 + i; }

  // `damage` may change an image.
  template <typename Damage>
  Result<std::unique_ptr<DatabaseState>> load(size_t threads, const Damage& damage) {
    const SnapshotPtr snapshot = db->pin();
    const CheckpointManifest manifest = checkpoint_manifest(*snapshot);
    CheckpointLoader loader(manifest);
    for (const CheckpointTable& table : manifest.tables)
      for (const CheckpointPage& page : table.pages) {
        ByteBuffer image;
        write_page_image(*snapshot, table.table, page.number, image);
        damage(table.table, image);
        WL_RETURN_IF_ERROR(loader.add_page(table.table, page.number, image));
      }
    return loader.finish(threads);
  }

  // Everything an index tells: per table and index, its rows in order, or by key in the order of
  // the table, and its counts.
  static std::vector<std::string> index_contents(const ReadView& view) {
    std::vector<std::string> all;
    for (const TableId id : view.table_ids())
      for (const IndexView& index : view.find_table(id)->indexes()) {
        std::string text = index.schema().name + " " + std::to_string(index.distinct_keys());
        const auto add_rows = [&text](IndexCursor cursor) {
          while (cursor.next()) text += " " + std::to_string(cursor.ref().packed());
        };
        IndexKey key;
        if (index.supports_range()) add_rows(index.all());
        for (RowCursor row = index.table().scan(); !index.supports_range() && row.next();) {
          index.make_row_key(row.row(), key);
          add_rows(index.point(key));
        }
        all.push_back(std::move(text));
      }
    return all;
  }

  TableId keyed, bag, plain;
};

TEST_F(CheckpointLoadTest, GivesTheSameStateOnAnyNumberOfThreads) {
  const auto intact = [](TableId, ByteBuffer&) {};
  for (const size_t threads : {1u, 2u, 3u, 16u}) {
    SCOPED_TRACE(threads);
    const auto loaded = load(threads, intact);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_EQ((*loaded)->digest(), db->digest());
    EXPECT_EQ(contents((*loaded)->view()), contents(db->view()));
    EXPECT_EQ(index_contents((*loaded)->view()), index_contents(db->view()));
    const Status sound = (*loaded)->check_invariants();
    EXPECT_TRUE(sound.ok()) << sound.message();
  }
}

TEST_F(CheckpointLoadTest, NamesTheSameDamageOnAnyNumberOfThreads) {
  // Makes row `to` a copy of the number of row `from`, wherever it is in the image.
  const auto copy_number = [](uint64_t from, uint64_t to, ByteBuffer& image) {
    ByteBuffer old_bytes, new_bytes;
    append_le(old_bytes, marked(to));
    append_le(new_bytes, marked(from));
    const auto found = std::search(image.begin(), image.end(), old_bytes.begin(), old_bytes.end());
    if (found != image.end()) std::copy(new_bytes.begin(), new_bytes.end(), found);
  };
  struct Case {
    const char* name;
    std::vector<TableId> tables;
    const char* text;
  };
  const Case cases[] = {
      {"unique index", {keyed}, "table `keyed`: page 0 slot 9 repeats a unique row"},
      {"set of rows", {plain}, "table `plain`: page 0 slot 9 repeats a unique row"},
      {"digest", {bag}, "checkpoint: table `bag` differs from its digest"},
      {"the first of two tables", {bag, plain}, "checkpoint: table `bag` differs from its digest"},
  };
  for (const Case& c : cases) {
    for (const size_t threads : {1u, 4u}) {
      const auto loaded = load(threads, [&](TableId id, ByteBuffer& image) {
        if (std::find(c.tables.begin(), c.tables.end(), id) != c.tables.end())
          copy_number(8, 9, image);
      });
      ASSERT_FALSE(loaded.ok()) << c.name;
      EXPECT_EQ(loaded.status().code(), StatusCode::kCorruption);
      EXPECT_EQ(loaded.status().message(), c.text) << c.name << ", threads: " << threads;
    }
  }
}

TEST(TaskThreadsTest, RunsEachTaskOnce) {
  for (const size_t threads : {1u, 2u, 5u})
    for (const size_t count : {0u, 1u, 2u, 1'000u}) {
      std::vector<std::atomic<int>> runs(count);
      run_tasks(threads, count, [&runs](size_t task) { ++runs[task]; });
      for (const auto& one : runs) EXPECT_EQ(one, 1);
    }
}

}  // namespace
}  // namespace worldline::storage
