#include "gateway/responder.h"

namespace worldline::gateway {

Responder::~Responder() {
  if (!answered_.load(std::memory_order_relaxed))
    respond(text_response(503, "the node dropped the request"));
}

void Responder::decorate(Headers headers) {
  for (auto& header : headers) decorations_.push_back(std::move(header));
}

void Responder::send(PeerNotice notice) {
  if (answered_.exchange(true)) return;
  PeerEvent event;
  event.peer = connection_;
  event.notice = std::make_unique<PeerNotice>(std::move(notice));
  inbox_->push(std::move(event));
}

void Responder::respond(HttpResponse response) {
  for (const auto& header : decorations_) response.headers.push_back(header);
  if (metrics_ != nullptr) metrics_->on_http_response(response.body.size());
  send(std::move(response));
}

void Responder::upgrade(UpgradePlan plan) {
  for (const auto& header : decorations_) plan.headers.push_back(header);
  send(std::move(plan));
}

void Responder::stream(HttpResponse head, std::shared_ptr<LogStream> lines) {
  for (const auto& header : decorations_) head.headers.push_back(header);
  send(LogStreamStart{std::move(head), std::move(lines)});
}

std::shared_ptr<LogStream> Responder::make_log_stream(size_t bytes_max) const {
  return std::make_shared<LogStream>(inbox_, connection_, bytes_max, metrics_);
}

bool LogStream::push(std::string_view lines) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (finished_) return false;
  if (waiting_.size() + lines.size() > bytes_max_) {
    finished_ = true;  // What waits is still sent; then the stream ends.
    notify();
    return false;
  }
  waiting_ += lines;
  if (metrics_ != nullptr) metrics_->on_http_response(lines.size());
  notify();
  return true;
}

void LogStream::finish() {
  const std::lock_guard<std::mutex> lock(mutex_);
  finished_ = true;
  notify();
}

std::string LogStream::take(bool& more) {
  const std::lock_guard<std::mutex> lock(mutex_);
  notified_ = false;
  more = !finished_;
  return std::exchange(waiting_, {});
}

bool LogStream::is_finished() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return finished_;
}

void LogStream::abandon() {
  const std::lock_guard<std::mutex> lock(mutex_);
  finished_ = true;
  notified_ = true;  // Nobody is left to be told.
}

void LogStream::notify() {
  if (std::exchange(notified_, true)) return;
  PeerEvent event;
  event.peer = connection_;
  event.notice = std::make_unique<PeerNotice>(LogLines{});
  inbox_->push(std::move(event));
}

}  // namespace worldline::gateway
