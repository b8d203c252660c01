// tests/storage/placement_test.cc: where rows go, and what a checkpoint refuses
// [S 04/R06], [S 08/4.9].
#include <chrono>
#include <set>

#include "base/prng.h"
#include "storage/checkpoint_loader.h"
#include "storage/checkpoint_source.h"
#include "storage/page_set.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

class PlacementTest : public StorageTest {
 protected:
  PlacementTest() {
    t = create(Define("t").column("id", number_type(TypeKind::kU64)).primary_key(0));
  }
  RowRef ref_of(uint64_t id) { return *table(t).find_row(Row().u64(id)); }
  TableId t;
};

TEST_F(PlacementTest, TakesTheLowestFreeSlotAfterTheDeletingTransactionOnly) {
  insert_all(t, {Row().u64(1), Row().u64(2), Row().u64(3)});
  EXPECT_EQ(ref_of(2), (RowRef{0, 1}));
  {
    Transaction tx = begin();
    EXPECT_EQ(*tx.delete_point(index_id(t), Row().u64(2)), 1u);
    EXPECT_TRUE(tx.insert(t, Row().u64(4)).ok());
    EXPECT_EQ(ref_of(4), (RowRef{0, 3})) << "the freed slot is reserved";
    tx.commit();
  }
  insert_all(t, {Row().u64(5)});
  EXPECT_EQ(ref_of(5), (RowRef{0, 1}));
}

TEST_F(PlacementTest, ReturnsAReinsertedRowToItsSlot) {
  insert_all(t, {Row().u64(1), Row().u64(2), Row().u64(3)});
  Transaction tx = begin();
  EXPECT_EQ(*tx.clear(t), 3u);
  EXPECT_TRUE(tx.insert(t, Row().u64(3)).ok());
  EXPECT_EQ(ref_of(3), (RowRef{0, 2}));
  const TxDataPtr data = tx.commit().tx_data;
  EXPECT_EQ(data->tables[0].deletes.size(), 2u);
  EXPECT_TRUE(data->tables[0].inserts.empty());
}

TEST_F(PlacementTest, FindsTheLowestOfASet) {
  PageSet set;
  std::set<uint32_t> model;
  Prng random(3);
  for (int i = 0; i < 20000; ++i) {
    const auto number = static_cast<uint32_t>(random.below(random.chance(10) ? 300000 : 5000));
    if (random.chance(2)) {
      set.insert(number);
      model.insert(number);
    } else {
      set.erase(number);
      model.erase(number);
    }
    ASSERT_EQ(set.lowest(), model.empty() ? PageSet::kNone : *model.begin());
  }
}

TEST_F(PlacementTest, WritesOnlyChangedPages) {
  std::vector<Row> rows;
  for (uint64_t i = 0; i < 20000; ++i) rows.push_back(Row().u64(i));
  insert_all(t, rows);
  const CheckpointManifest first = checkpoint_manifest(*db->pin());
  const CheckpointManifest same = checkpoint_manifest(*db->pin());
  EXPECT_TRUE(changed_pages(first, same).empty());
  insert_all(t, {Row().u64(1'000'000)});
  const CheckpointManifest next = checkpoint_manifest(*db->pin());
  const auto changed = changed_pages(same, next);
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_EQ(changed[0].table, t);
  EXPECT_EQ(changed[0].page.number, 2u);
}

TEST_F(PlacementTest, RefusesDamagedCheckpoints) {
  insert_all(t, {Row().u64(1), Row().u64(2)});
  const SnapshotPtr snapshot = db->pin();
  const CheckpointManifest manifest = checkpoint_manifest(*snapshot);
  const auto load = [&](const CheckpointManifest& wanted, auto&& damage) {
    CheckpointLoader loader(wanted);
    for (const CheckpointTable& table : manifest.tables)
      for (const CheckpointPage& page : table.pages) {
        ByteBuffer image;
        write_page_image(*snapshot, table.table, page.number, image);
        if (!damage(table.table, image)) continue;
        WL_RETURN_IF_ERROR(loader.add_page(table.table, page.number, image));
      }
    return loader.finish().status();
  };
  const auto intact = [](TableId, ByteBuffer&) { return true; };
  EXPECT_TRUE(load(manifest, intact).ok());
  const auto missing = [&](TableId id, ByteBuffer&) { return id != t; };
  EXPECT_EQ(load(manifest, missing).code(), StatusCode::kCorruption);
  const auto flipped = [&](TableId id, ByteBuffer& image) {
    if (id == t) image.back() ^= 1;
    return true;
  };
  EXPECT_EQ(load(manifest, flipped).code(), StatusCode::kCorruption);
  const auto cut = [&](TableId id, ByteBuffer& image) {
    if (id == t) image.pop_back();
    return true;
  };
  EXPECT_EQ(load(manifest, cut).code(), StatusCode::kCorruption);
  CheckpointManifest wrong = manifest;
  wrong.digest.low ^= 1;
  EXPECT_EQ(load(wrong, intact).code(), StatusCode::kCorruption);
  ByteBuffer encoded;
  encode_manifest(manifest, encoded);
  for (size_t size = 0; size < encoded.size(); size += 7)
    EXPECT_FALSE(decode_manifest(Bytes(encoded).first(size)).ok());
}

TEST_F(PlacementTest, ContinuesSequencesAtTheirReservationAfterAReload) {
  const TableId s =
      create(Define("s").column("id", number_type(TypeKind::kU32)).primary_key(0).auto_inc(0));
  insert_all(s, {Row().u32(0)});
  const SnapshotPtr snapshot = db->pin();
  const CheckpointManifest manifest = checkpoint_manifest(*snapshot);
  CheckpointLoader loader(manifest);
  for (const CheckpointTable& table : manifest.tables)
    for (const CheckpointPage& page : table.pages) {
      ByteBuffer image;
      write_page_image(*snapshot, table.table, page.number, image);
      ASSERT_TRUE(loader.add_page(table.table, page.number, image).ok());
    }
  auto loaded = loader.finish();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ((*loaded)->next_offset(), db->next_offset());
  Transaction tx = (*loaded)->begin(TxInfo{});
  EXPECT_EQ(as_text(tx.insert(s, Row().u32(0))->generated), Row().u32(4097).str());
}

}  // namespace
}  // namespace worldline::storage
