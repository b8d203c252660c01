// tests/actors/actors_fixture.h
//
// Builders for the tests of this room: a sink that decodes what a session is sent, and a database
// with one public table `item (id U32 primary key, text String)`.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "actors/executed_batch.h"
#include "actors/pending_read.h"
#include "schema/bsatn.h"
#include "schema/protocol/server_message.h"
#include "storage/database_state.h"

namespace worldline::actors {

class RecordingSink final : public SessionSink {
 public:
  void deliver(std::shared_ptr<const OutboundBatch> batch) override {
    batches.push_back(batch);
    ByteBuffer joined;
    for (const auto& piece : batch->pieces)
      append(joined, Bytes(*piece.bytes).subspan(piece.begin, piece.end - piece.begin));
    bodies.push_back(std::make_unique<ByteBuffer>(std::move(joined)));
    Bytes rest = *bodies.back();
    while (!rest.empty()) {
      auto message = protocol::take_server_message(rest);
      ASSERT_TRUE(message.ok()) << message.status().message();
      messages.push_back(std::move(message).value());
    }
  }
  void consumed(uint32_t, uint64_t) override {}
  size_t unsent_bytes() const override { return unsent; }
  void close(CloseReason reason) override { closes.push_back(std::move(reason)); }

  // The message at `position` if it has this type; fails the test otherwise.
  template <typename T>
  const T& message(size_t position) const {
    static const T kNone{};
    EXPECT_LT(position, messages.size());
    if (position >= messages.size()) return kNone;
    const T* const found = std::get_if<T>(&messages[position]);
    EXPECT_NE(found, nullptr) << "message " << position << " has kind "
                              << messages[position].index();
    return found == nullptr ? kNone : *found;
  }

  std::vector<std::shared_ptr<const OutboundBatch>> batches;
  std::vector<std::unique_ptr<ByteBuffer>> bodies;  // What the messages borrow from.
  std::vector<protocol::ServerMessage> messages;
  std::vector<CloseReason> closes;
  size_t unsent = 0;
};

// Keeps reads until the test runs them: the reader pool on one thread, at will.
class ManualReaders final : public ReadPort {
 public:
  Status submit(PendingReadPtr read) override {
    if (!accepts) return Status::overloaded("full");
    waiting.push_back(std::move(read));
    return {};
  }
  // Runs the first read that waits; false: there is none. The id is for on_read().
  std::optional<uint64_t> run_one() {
    if (waiting.empty()) return std::nullopt;
    const PendingReadPtr read = std::move(waiting.front());
    waiting.pop_front();
    read->run();
    return read->id();
  }

  std::deque<PendingReadPtr> waiting;
  bool accepts = true;
};

class ItemDatabase {
 public:
  ItemDatabase() : state_(storage::DatabaseState::bootstrap({GroupId(7)})) {
    storage::TableDefinition table;
    table.name = "item";
    table.is_public = true;
    table.columns = {{"id", {}, schema::AlgebraicType::primitive(schema::TypeKind::kU32)},
                     {"text", {}, schema::AlgebraicType::string()}};
    table.primary_key = ColumnId(0);
    table.indexes = {{"item_id_idx_btree", {}, storage::IndexAlgorithm::kBTree, {ColumnId(0)}}};
    table.constraints = {{"item_id_key", {ColumnId(0)}}};
    storage::Transaction tx = begin();
    table_ = *tx.create_table(table);
    tx.commit();
  }

  TxDataPtr insert(uint32_t id, std::string_view text) {
    storage::Transaction tx = begin();
    EXPECT_TRUE(tx.insert(table_, row(id, text)).ok());
    return tx.commit().tx_data;
  }
  SnapshotPtr pin() { return state_->pin(); }

  static ByteBuffer row(uint32_t id, std::string_view text) {
    ByteBuffer bytes;
    schema::BsatnWriter writer(bytes);
    writer.write_u32(id);
    writer.write_string(text);
    return bytes;
  }

 private:
  storage::Transaction begin() { return state_->begin({Timestamp{++time_}, {}, {}, {}, {}}); }

  std::unique_ptr<storage::DatabaseState> state_;
  TableId table_;
  int64_t time_ = 0;
};

}  // namespace worldline::actors
