#include "actors/outbox_builder.h"

#include <utility>

#include "base/check.h"

namespace worldline::actors {

void OutboxBuilder::close_own_run() {
  if (own_run_begin_ == own_.size()) return;
  pieces_.push_back(
      {nullptr, static_cast<uint32_t>(own_run_begin_), static_cast<uint32_t>(own_.size())});
  own_run_begin_ = own_.size();
}

void OutboxBuilder::splice(SharedBytes bytes) {
  WL_CHECK(bytes != nullptr);
  if (bytes->empty()) return;
  close_own_run();
  spliced_bytes_ += bytes->size();
  const auto end = static_cast<uint32_t>(bytes->size());
  pieces_.push_back({std::move(bytes), 0, end});
}

size_t OutboxBuilder::end_message() {
  WL_CHECK(bytes() <= UINT32_MAX);
  const size_t begin = message_ends_.empty() ? 0 : message_ends_.back();
  message_ends_.push_back(static_cast<uint32_t>(bytes()));
  return bytes() - begin;
}

std::shared_ptr<const OutboundBatch> OutboxBuilder::finish() {
  WL_CHECK(!empty());
  close_own_run();
  WL_CHECK(message_ends_.back() == bytes());
  auto batch = std::make_shared<OutboundBatch>();
  if (!own_.empty()) {
    const auto own = std::make_shared<const ByteBuffer>(std::move(own_));
    for (auto& piece : pieces_)
      if (piece.bytes == nullptr) piece.bytes = own;
  }
  batch->pieces = std::exchange(pieces_, {});
  batch->message_ends = std::exchange(message_ends_, {});
  own_ = {};
  own_run_begin_ = 0;
  spliced_bytes_ = 0;
  return batch;
}

}  // namespace worldline::actors
