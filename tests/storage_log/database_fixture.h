// tests/storage_log/database_fixture.h
//
// TestNode: one database with its log and checkpoints on memory disks, driven as a module host
// drives it. Its table `accounts` maps id (u32) to balance (i64); `notes` holds texts, `pings` is
// an event table.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "schema/algebraic_type.h"
#include "storage/database_state.h"
#include "storage/log/database_recovery.h"
#include "storage/log/memory_disk.h"

namespace worldline::storage {

inline constexpr GroupId kDatabase{42};
using Accounts = std::map<uint32_t, int64_t>;

inline ByteBuffer account_row(uint32_t id, int64_t balance) {
  ByteBuffer row;
  append_le(row, id);
  append_le(row, balance);
  return row;
}

inline ByteBuffer text_row(std::string_view text) {
  ByteBuffer row;
  append_le(row, static_cast<uint32_t>(text.size()));
  append(row, as_bytes(text));
  return row;
}

inline TableDefinition accounts_definition() {
  using schema::AlgebraicType;
  using schema::TypeKind;
  TableDefinition table;
  table.name = "accounts";
  table.is_public = true;
  table.primary_key = ColumnId{0};
  table.columns = {{"id", "", AlgebraicType::primitive(TypeKind::kU32)},
                   {"balance", "", AlgebraicType::primitive(TypeKind::kI64)}};
  table.indexes = {{"accounts_id_idx_btree", "", IndexAlgorithm::kBTree, {ColumnId{0}}}};
  table.constraints = {{"accounts_id_key", {ColumnId{0}}}};
  return table;
}

inline TableDefinition text_definition(const char* name, bool is_event) {
  TableDefinition table;
  table.name = name;
  table.is_public = true;
  table.is_event = is_event;
  table.columns = {{"text", "", schema::AlgebraicType::string()}};
  return table;
}

struct TestDisks {
  std::shared_ptr<MemoryDisk> log = std::make_shared<MemoryDisk>();
  std::shared_ptr<MemoryDisk> checkpoints = std::make_shared<MemoryDisk>();
  void crash(Prng& rng) const {
    log->crash(rng);
    checkpoints->crash(rng);
  }
};

class TestNode {
 public:
  explicit TestNode(const TestDisks& disks)
      : log_(disks.log->open()), checkpoints_(disks.checkpoints->open()) {}

  TestNode(std::unique_ptr<KeyValueStore> log, std::unique_ptr<KeyValueStore> checkpoints)
      : log_(std::move(log)), checkpoints_(std::move(checkpoints)) {}

  // Creates or recovers the database and begins a term. Nothing else is allowed before it is OK.
  Status start() {
    WL_ASSIGN_OR_RETURN(const auto groups, log_.groups());
    if (groups.empty()) WL_RETURN_IF_ERROR(create());
    WL_ASSIGN_OR_RETURN(const VerifiedGroup group, verify_group(log_, kDatabase));
    WL_ASSIGN_OR_RETURN(RecoveredDatabase recovered,
                        recover_database(log_, checkpoints_, group, ReplayTo::kTail));
    report_ = recovered.report;
    WL_RETURN_IF_ERROR(sweep_checkpoints(checkpoints_, group, recovered));
    if (!groups.empty()) WL_RETURN_IF_ERROR(adopt_group(log_, group));
    appender_.emplace(group_end(group, recovered), now_);
    writer_.emplace(checkpoints_, kDatabase, std::move(recovered.checkpoints));
    last_timestamp_ = recovered.last_timestamp;
    state_ = std::move(recovered.state);
    WL_RETURN_IF_ERROR(log_.write(appender_->begin_term(
        {{NodeId{1}, 1}, tick(), now_, state_->next_offset(), state_->digest()})));
    return Status::ok_status();
  }

  // Runs `body(Transaction&)` as one transaction of the bundle being built.
  template <typename Body>
  void transact(Body body, std::string_view reducer = "test") {
    TxInfo info;
    info.timestamp = tick();
    info.reducer = reducer;
    Transaction tx = state_->begin(info);
    body(tx);
    const CommitResult result = tx.commit();
    if (result.tx_data) appender_->add(*result.tx_data);
  }
  void publish() {
    transact([](Transaction& tx) {
      ASSERT_TRUE(tx.create_table(accounts_definition()).ok());
      ASSERT_TRUE(tx.create_table(text_definition("notes", false)).ok());
      ASSERT_TRUE(tx.create_table(text_definition("pings", true)).ok());
    });
  }
  void put(uint32_t id, int64_t balance) {
    transact([&](Transaction& tx) {
      erase_row(tx, id);
      ASSERT_TRUE(tx.insert(table_id("accounts"), account_row(id, balance)).ok());
    });
  }
  void erase(uint32_t id) {
    transact([&](Transaction& tx) { erase_row(tx, id); });
  }
  void insert_text(const char* table, std::string_view text) {
    transact(
        [&](Transaction& tx) { ASSERT_TRUE(tx.insert(table_id(table), text_row(text)).ok()); });
  }

  // Makes the transactions so far stable as one bundle.
  Status seal() {
    if (appender_->empty()) return Status::ok_status();
    return log_.write(appender_->seal(state_->digest(), now_));
  }

  // A whole checkpoint. REQUIRES: sealed.
  Status checkpoint() {
    WL_ASSIGN_OR_RETURN(const Boundary boundary, store_checkpoint());
    return switch_checkpoint(boundary);
  }
  Result<Boundary> store_checkpoint() {
    const SnapshotPtr snapshot = state_->pin();
    CheckpointCut cut;
    cut.index = appender_->last();
    cut.term = appender_->term();
    cut.chain = appender_->chain();
    cut.cluster_time_ns = appender_->cluster_time_ns();
    cut.last_timestamp = last_timestamp_;
    return writer_->store(*snapshot, cut);
  }
  Status switch_checkpoint(const Boundary& boundary) {
    LogJob job;
    job.group = kDatabase;
    job.boundary = boundary;
    WL_RETURN_IF_ERROR(log_.write(job));
    WL_ASSIGN_OR_RETURN(const LogPlace covered, writer_->activate());
    WL_RETURN_IF_ERROR(log_.truncate_prefix(kDatabase, covered.index.next()));
    return log_.flush_truncations();
  }

  TableId table_id(std::string_view name) const {
    return state_->view().find_table(name)->schema().id;
  }
  Accounts accounts() const {
    Accounts out;
    const TableView* table = state_->view().find_table("accounts");
    if (table == nullptr) return out;
    for (RowCursor cursor = table->scan(); cursor.next();)
      out[load_le<uint32_t>(cursor.row().data())] = load_le<int64_t>(cursor.row().data() + 4);
    return out;
  }
  uint64_t row_count(std::string_view table) const {
    return state_->view().find_table(table)->row_count();
  }

  DatabaseState& state() { return *state_; }
  GroupAppender& appender() { return *appender_; }
  CheckpointWriter& writer() { return *writer_; }
  LogStore& log() { return log_; }
  CheckpointStore& checkpoints() { return checkpoints_; }
  const RecoveryReport& report() const { return report_; }

 private:
  Status create() {
    GroupBirth birth;
    birth.group = kDatabase;
    birth.replica = ReplicaId{1};
    birth.digest = DatabaseState::bootstrap({kDatabase})->digest();
    return log_.create_group(birth);
  }
  Timestamp tick() {
    now_ += std::chrono::milliseconds(1);
    last_timestamp_.micros += 1000;
    return last_timestamp_;
  }
  void erase_row(Transaction& tx, uint32_t id) {
    const IndexView* index = tx.view().find_index("accounts_id_idx_btree");
    ByteBuffer key;
    append_le(key, id);
    ASSERT_TRUE(tx.delete_point(index->schema().id, key).ok());
  }

  LogStore log_;
  CheckpointStore checkpoints_;
  std::unique_ptr<DatabaseState> state_;
  std::optional<GroupAppender> appender_;
  std::optional<CheckpointWriter> writer_;
  RecoveryReport report_;
  Timestamp last_timestamp_;
  GroupAppender::SteadyTime now_{};
};

}  // namespace worldline::storage
