#include "actors/session_line.h"

#include <utility>

namespace worldline::actors {

void SessionLine::deliver(std::shared_ptr<const OutboundBatch> batch) {
  if (is_dropped()) return;
  if (waiting_.empty()) return sink_->deliver(std::move(batch));
  waiting_bytes_ += batch->bytes();
  waiting_.push_back({std::move(batch), nullptr, {}});
}

void SessionLine::deliver(PendingReadPtr read) {
  if (is_dropped()) return;
  waiting_.push_back({nullptr, std::move(read), {}});
  flush();
}

void SessionLine::close(CloseReason reason) {
  if (is_dropped()) return;
  waiting_.push_back({nullptr, nullptr, std::move(reason)});
  flush();
}

void SessionLine::flush() {
  while (!waiting_.empty()) {
    Entry& first = waiting_.front();
    if (first.read != nullptr) {
      if (!first.read->done) return;
      ReadAnswer& answer = first.read->answer;
      built_bytes_ -= answer.batch->bytes();
      sink_->deliver(std::move(answer.batch));
      if (answer.then_close) {
        sink_->close({1011, "the first rows of a subscription could not be read"});
        return drop();
      }
    } else if (first.close) {
      sink_->close(std::move(*first.close));
    } else {
      waiting_bytes_ -= first.batch->bytes();
      sink_->deliver(std::move(first.batch));
    }
    waiting_.pop_front();
  }
}

void SessionLine::add_built(const ReadAnswer& answer) {
  if (!is_dropped()) built_bytes_ += answer.batch->bytes();
}

void SessionLine::drop() {
  waiting_.clear();
  waiting_bytes_ = 0;
  built_bytes_ = 0;
  sink_ = nullptr;
}

}  // namespace worldline::actors
