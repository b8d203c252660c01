// tests/storage/model_test.cc: random operations against a naive model: outcomes, contents, change
// sets, snapshots, rollback, undo, a follower that only applies change sets, and reloads
// [S 05/9], [S 04/R06 a].
#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/prng.h"
#include "schema/key_encoding.h"
#include "storage/checkpoint_loader.h"
#include "storage/checkpoint_source.h"
#include "tests/base/random_seeds.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

using RowSet = std::set<std::string>;

struct ModelTable {
  TableId id;
  bool is_event = false;
  RowSet committed;  // Empty for event tables.
  RowSet now;
};

// The tables of a run: every kind of row size, uniqueness and index.
std::vector<TableDefinition> model_definitions() {
  const auto u64 = number_type(TypeKind::kU64);
  const auto i32 = number_type(TypeKind::kI32);
  const auto u8 = number_type(TypeKind::kU8);
  const auto text = AlgebraicType::string();
  return {
      Define("fixed").column("id", u64).column("score", i32).primary_key(0).index({1}),
      Define("bag").column("a", u8).column("name", text).index({0}, IndexAlgorithm::kHash),
      Define("two_keys")
          .column("id", u64)
          .column("name", text)
          .column("n", i32)
          .primary_key(0)
          .unique({1}, IndexAlgorithm::kHash)
          .index({2, 1}),
      Define("events").column("id", u64).column("name", text).primary_key(0).event(),
      Define("pair")
          .column("a", u8)
          .column("name", text)
          .column("n", u64)
          .unique({0, 1})
          .index({2}),
      Define("direct")
          .column("id", u64)
          .column("score", i32)
          .unique({0}, IndexAlgorithm::kDirect)
          .index({1}),
  };
}

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed) {
    leader_ = DatabaseState::bootstrap({GroupId(3)});
    follower_ = DatabaseState::bootstrap({GroupId(3)});
    Transaction tx = leader_->begin(TxInfo{});
    for (const TableDefinition& definition : model_definitions()) {
      const DataResult<TableId> id = tx.create_table(definition);
      WL_CHECK(id.ok());
      tables_.push_back({*id, definition.is_event, {}, {}});
    }
    follow(*tx.commit().tx_data);
  }

  void run(int transactions) {
    for (int i = 0; i < transactions && !testing::Test::HasFailure(); ++i) {
      one_transaction();
      if (random_.chance(10)) check_everything();
      if (random_.chance(40)) reload();
    }
    check_everything();
  }

 private:
  // Small key spaces, so that operations meet each other.
  std::string random_row(size_t t) {
    std::string name(1, static_cast<char>('a' + random_.below(12)));
    if (random_.chance(4)) name += std::string(random_.below(60), 'x');
    if (random_.chance(60)) name += std::string(9000 + random_.below(3), 'y');  // A blob.
    const uint64_t key = random_.below(40);
    const auto small = static_cast<int32_t>(random_.below(6)) - 3;
    switch (t) {
      case 0:
      case 5:
        return Row().u64(key).i32(small).str();
      case 1:
        return Row().u8(static_cast<uint8_t>(random_.below(3))).text(name).str();
      case 2:
        return Row().u64(key).text(name).i32(small).str();
      case 3:
        return Row().u64(key).text(name).str();
      default:
        return Row().u8(static_cast<uint8_t>(random_.below(3))).text(name).u64(key).str();
    }
  }

  const TableSchema& schema(size_t t) const {
    return leader_->view().find_table(tables_[t].id)->schema();
  }

  std::string key_of(size_t t, const IndexSchema& index, const std::string& row) const {
    ByteBuffer key;
    for (const ColumnId column : index.columns)
      schema::append_normalised_key(schema(t).columns[column.value].type,
                                    schema(t).layout.column(as_bytes(row), column), key);
    return std::string(as_text(key));
  }

  // Rows of `now` other than `except` that share the key of `row` in a unique index.
  const std::string* find_clash(size_t t, const IndexSchema& index, const std::string& row,
                                const std::string* except) const {
    const std::string key = key_of(t, index, row);
    for (const std::string& other : tables_[t].now)
      if ((except == nullptr || other != *except) && key_of(t, index, other) == key) return &other;
    return nullptr;
  }
  bool is_new(size_t t, const std::string& row) const {
    return !tables_[t].committed.contains(row);
  }

  // [S 05/1.3], literally. Nothing: inserted or already there; else the violated index.
  const IndexSchema* model_insert(size_t t, const std::string& row) {
    ModelTable& table = tables_[t];
    if (table.now.contains(row)) return nullptr;
    for (const bool overlay : {true, false})
      for (const IndexSchema& index : schema(t).indexes) {
        if (!index.is_unique) continue;
        const std::string* clash = find_clash(t, index, row, nullptr);
        if (clash != nullptr && is_new(t, *clash) == overlay) return &index;
      }
    table.now.insert(row);
    return nullptr;
  }

  // [S 05/1.4], literally.
  DataError model_update(size_t t, const IndexSchema& index, const std::string& row) {
    ModelTable& table = tables_[t];
    const std::string* found = find_clash(t, index, row, nullptr);
    const std::string old = found == nullptr ? "" : *found;
    const std::string* except = found == nullptr ? nullptr : &old;
    const auto clashes = [&](bool overlay) {
      for (const IndexSchema& other : schema(t).indexes) {
        if (!other.is_unique || other.id == index.id) continue;
        const std::string* clash = find_clash(t, other, row, except);
        if (clash != nullptr && is_new(t, *clash) == overlay) return true;
      }
      return false;
    };
    if (clashes(false)) return DataError::kUnique;
    if (found == nullptr) return DataError::kNoSuchRow;
    if (old == row) return DataError::kNone;
    if (clashes(true)) return DataError::kUnique;
    table.now.erase(old);
    table.now.insert(row);
    return DataError::kNone;
  }

  void insert(Transaction& tx, size_t t) {
    const std::string row = random_row(t);
    const IndexSchema* violated = model_insert(t, row);
    const DataResult<InsertOutcome> outcome = tx.insert(tables_[t].id, as_bytes(row));
    ASSERT_EQ(outcome.error(), violated == nullptr ? DataError::kNone : DataError::kUnique);
    if (violated == nullptr) {
      EXPECT_EQ(as_text(outcome->row), row);
      return;
    }
    const std::string start = "Unique constraint violation '" + violated->name + "' in table '";
    EXPECT_EQ(outcome.status().message().substr(0, start.size()), start);
  }

  void update(Transaction& tx, size_t t) {
    const std::string row = random_row(t);
    for (const IndexSchema& index : schema(t).indexes) {
      if (random_.chance(2)) continue;
      if (!index.is_unique) {
        EXPECT_EQ(tx.update(tables_[t].id, index.id, as_bytes(row)).error(), DataError::kNotUnique);
        continue;
      }
      const DataError expected = model_update(t, index, row);
      ASSERT_EQ(tx.update(tables_[t].id, index.id, as_bytes(row)).error(), expected);
    }
  }

  void remove_by_eq(Transaction& tx, size_t t) {
    ByteBuffer argument;
    append_le(argument, uint32_t{3});
    uint32_t expected = 0;
    for (int i = 0; i < 3; ++i) {
      std::string row = random_row(t);
      if (!tables_[t].now.empty() && random_.chance(2)) {
        auto at = tables_[t].now.begin();
        std::advance(at, static_cast<long>(random_.below(tables_[t].now.size())));
        row = *at;
      }
      append(argument, as_bytes(row));
      expected += tables_[t].now.erase(row) != 0 ? 1 : 0;
    }
    const DataResult<uint32_t> deleted = tx.delete_by_eq(tables_[t].id, argument);
    ASSERT_TRUE(deleted.ok()) << deleted.status().message();
    EXPECT_EQ(*deleted, expected);
  }

  void remove_by_point(Transaction& tx, size_t t) {
    const auto& indexes = schema(t).indexes;
    const IndexSchema& index = indexes[random_.below(indexes.size())];
    const std::string row = random_row(t);
    ByteBuffer point;
    for (const ColumnId column : index.columns)
      append(point, schema(t).layout.column(as_bytes(row), column));
    const std::string key = key_of(t, index, row);
    const size_t expected =
        std::erase_if(tables_[t].now, [&](const auto& r) { return key_of(t, index, r) == key; });
    const DataResult<uint32_t> deleted = tx.delete_point(index.id, point);
    ASSERT_TRUE(deleted.ok()) << deleted.status().message();
    EXPECT_EQ(*deleted, expected);
  }

  void one_operation(Transaction& tx) {
    const size_t t = random_.below(tables_.size());
    const uint64_t kind = random_.below(100);
    if (kind < 45) return insert(tx, t);
    if (kind < 75) return update(tx, t);
    if (kind < 88) return remove_by_eq(tx, t);
    if (kind < 98) return remove_by_point(tx, t);
    const DataResult<uint64_t> cleared = tx.clear(tables_[t].id);
    ASSERT_TRUE(cleared.ok());
    EXPECT_EQ(*cleared, tables_[t].now.size());
    tables_[t].now.clear();
  }

  void one_transaction() {
    const Contents before = contents(leader_->view());
    const Digest128 digest_before = leader_->digest();
    Transaction tx = leader_->begin(TxInfo{});
    const uint64_t operations = random_.below(random_.chance(8) ? 120 : 8);
    for (uint64_t i = 0; i < operations && !testing::Test::HasFatalFailure(); ++i) {
      one_operation(tx);
      if (random_.chance(20)) compare_with_model();
    }
    compare_with_model();
    if (random_.chance(4)) {
      tx.rollback();
      for (ModelTable& table : tables_) table.now = table.committed;
      EXPECT_EQ(contents(leader_->view()), before) << "rows and places after rollback";
      EXPECT_EQ(leader_->digest(), digest_before);
      return;
    }
    const TxOffset next = leader_->next_offset();
    const CommitResult result = tx.commit();
    compare_change_set(result);
    for (ModelTable& table : tables_)
      if (table.is_event) table.now.clear();
    if (result.tx_data != nullptr && random_.chance(6)) {
      const Status undone = leader_->undo(*result.tx_data);
      ASSERT_TRUE(undone.ok()) << undone.message();
      EXPECT_EQ(contents(leader_->view()), before) << "rows and places after undo";
      EXPECT_EQ(leader_->digest(), digest_before);
      EXPECT_EQ(leader_->next_offset(), next);
      for (ModelTable& table : tables_) table.now = table.committed;
      return;
    }
    for (ModelTable& table : tables_)
      if (!table.is_event) table.committed = table.now;
    if (result.tx_data != nullptr) follow(*result.tx_data);
    EXPECT_EQ(leader_->digest(), follower_->digest());
    pin_sometimes();
  }

  void compare_change_set(const CommitResult& result) {
    bool any = false;
    for (const ModelTable& table : tables_) {
      RowSet inserts, deletes;
      std::set_difference(table.now.begin(), table.now.end(), table.committed.begin(),
                          table.committed.end(), std::inserter(inserts, inserts.end()));
      std::set_difference(table.committed.begin(), table.committed.end(), table.now.begin(),
                          table.now.end(), std::inserter(deletes, deletes.end()));
      const TableDelta* delta =
          result.tx_data == nullptr ? nullptr : result.tx_data->find_table(table.id);
      ASSERT_EQ(delta != nullptr, !inserts.empty() || !deletes.empty());
      if (delta == nullptr) continue;
      any = true;
      auto inserted = texts(delta->inserts);
      auto deleted = texts(delta->deletes);
      EXPECT_EQ(inserted.size(), inserts.size());
      EXPECT_EQ(RowSet(inserted.begin(), inserted.end()), inserts);
      EXPECT_EQ(deleted.size(), deletes.size());
      EXPECT_EQ(RowSet(deleted.begin(), deleted.end()), deletes);
      EXPECT_EQ(delta->truncated, !deletes.empty() && table.now.empty());
    }
    EXPECT_EQ(result.tx_data != nullptr, any);
    if (any) {
      EXPECT_TRUE(result.tx_data->consumed_offset);
    }
  }

  // Both give the number of rows the index knows, each of which must be in the model.
  size_t count_in_order(size_t t, const IndexView& index) {
    size_t rows = 0;
    std::string last;
    for (IndexCursor cursor = index.all(); cursor.next(); ++rows) {
      EXPECT_TRUE(tables_[t].now.contains(std::string(as_text(cursor.row()))));
      const std::string key = key_of(t, index.schema(), std::string(as_text(cursor.row())));
      EXPECT_LE(last, key);
      last = key;
    }
    return rows;
  }
  size_t count_by_keys(size_t t, const IndexView& index) {
    std::set<RowRef> rows;
    IndexKey key;
    for (const std::string& wanted : tables_[t].now) {
      index.make_row_key(as_bytes(wanted), key);
      bool is_there = false;
      for (IndexCursor cursor = index.point(key); cursor.next();) {
        const std::string row(as_text(cursor.row()));
        EXPECT_TRUE(tables_[t].now.contains(row));
        is_there = is_there || row == wanted;
        rows.insert(cursor.ref());
      }
      EXPECT_TRUE(is_there);
    }
    return rows.size();
  }

  void compare_with_model() {
    for (const ModelTable& table : tables_) {
      const TableView& view = *leader_->view().find_table(table.id);
      ASSERT_EQ(view.row_count(), table.now.size());
      for (const std::string& row : table.now)
        ASSERT_TRUE(view.find_row(as_bytes(row)).has_value());
      const auto t = static_cast<size_t>(&table - tables_.data());
      for (const IndexView& index : view.indexes()) {
        std::set<std::string> keys;
        for (const std::string& row : table.now) keys.insert(key_of(t, index.schema(), row));
        ASSERT_EQ(index.distinct_keys(), keys.size());
        const size_t rows =
            index.supports_range() ? count_in_order(t, index) : count_by_keys(t, index);
        ASSERT_EQ(rows, table.now.size());
      }
    }
  }

  void follow(const TxData& data) {
    const auto decoded =
        as_decoded(data, random_.chance(2) ? Deletes::kKept : Deletes::kLeftOutIfTruncated);
    const Status applied = follower_->apply(*decoded);
    ASSERT_TRUE(applied.ok()) << applied.message();
  }

  void pin_sometimes() {
    if (random_.chance(5)) {
      pinned_.emplace_back(leader_->pin(), contents(leader_->view()));
      EXPECT_EQ(pinned_.back().first->digest(), leader_->digest());
    }
    if (pinned_.size() > 5 || (!pinned_.empty() && random_.chance(7))) {
      const size_t at = random_.below(pinned_.size());
      EXPECT_EQ(contents(*pinned_[at].first), pinned_[at].second) << "a snapshot changed";
      pinned_.erase(pinned_.begin() + static_cast<long>(at));
    }
  }

  void check_everything() {
    for (const auto& [snapshot, expected] : pinned_) EXPECT_EQ(contents(*snapshot), expected);
    const Status leader = leader_->check_invariants();
    EXPECT_TRUE(leader.ok()) << leader.message();
    const Status follower = follower_->check_invariants();
    EXPECT_TRUE(follower.ok()) << follower.message();
    EXPECT_EQ(contents(leader_->view()), contents(follower_->view())) << "placement";
  }

  // The leader goes on from a checkpoint of itself: incremental pages over the last one.
  void reload() {
    const SnapshotPtr snapshot = leader_->pin();
    const CheckpointManifest manifest = checkpoint_manifest(*snapshot);
    for (const PageAddress& address : changed_pages(last_manifest_, manifest))
      write_page_image(*snapshot, address.table, address.page.number,
                       images_[{address.table.value, address.page.number}]);
    last_manifest_ = manifest;
    ByteBuffer encoded;
    encode_manifest(manifest, encoded);
    Result<CheckpointManifest> decoded = decode_manifest(encoded);
    ASSERT_TRUE(decoded.ok());
    CheckpointLoader loader(*decoded);
    for (const CheckpointTable& table : manifest.tables)
      for (const CheckpointPage& page : table.pages) {
        const Status added =
            loader.add_page(table.table, page.number, images_[{table.table.value, page.number}]);
        ASSERT_TRUE(added.ok()) << added.message();
      }
    auto loaded = loader.finish();
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_EQ(contents((*loaded)->view()), contents(leader_->view()));
    pinned_.clear();
    leader_ = std::move(*loaded);
  }

  Prng random_;
  std::unique_ptr<DatabaseState> leader_, follower_;
  std::vector<ModelTable> tables_;
  std::vector<std::pair<SnapshotPtr, Contents>> pinned_;
  CheckpointManifest last_manifest_;
  std::map<std::pair<uint32_t, uint32_t>, ByteBuffer> images_;
};

// WL_MODEL_RUNS sets how many seeds there are.
TEST(ModelTest, BehavesAsTheNaiveModel) {
  const char* runs_text = std::getenv("WL_MODEL_RUNS");
  const uint64_t runs = runs_text == nullptr ? 12 : std::strtoull(runs_text, nullptr, 10);
  for (const uint64_t seed : random_seeds(runs)) {
    SCOPED_TRACE("WL_SEED=" + std::to_string(seed));
    Model(seed).run(120);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace worldline::storage
