#include "actors/database_handle.h"

#include <utility>

namespace worldline::actors {

DatabaseHandlePtr DatabaseDirectory::find(const schema::Identity& database) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = handles_.find(database);
  return found == handles_.end() ? nullptr : found->second;
}

void DatabaseDirectory::add(DatabaseHandlePtr handle) {
  const std::lock_guard<std::mutex> lock(mutex_);
  handles_.insert_or_assign(handle->database, std::move(handle));
}

void DatabaseDirectory::remove(const schema::Identity& database) {
  const std::lock_guard<std::mutex> lock(mutex_);
  handles_.erase(database);
}

std::vector<DatabaseHandlePtr> DatabaseDirectory::all() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<DatabaseHandlePtr> handles;
  handles.reserve(handles_.size());
  for (const auto& [database, handle] : handles_) handles.push_back(handle);
  return handles;
}

SessionHandle::SessionHandle(SessionId id, std::shared_ptr<SessionSink> sink,
                             std::shared_ptr<WorkQueue> queue)
    : id_(id), sink_(std::move(sink)), queue_(std::move(queue)) {}

SessionHandle::~SessionHandle() {
  close();
}

void SessionHandle::post(std::shared_ptr<const ClientBatch> batch) {
  const size_t bytes = batch->bytes;
  queue_->push(SessionBatchWork{id_, sink_, std::move(batch)}, bytes);
}

void SessionHandle::close() {
  if (!closed_.exchange(true)) queue_->push(SessionCloseWork{id_});
}

}  // namespace worldline::actors
