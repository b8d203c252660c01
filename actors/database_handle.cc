#include "actors/database_handle.h"

#include <utility>

namespace worldline::actors {

DatabaseHandlePtr DatabaseDirectory::find(const schema::Identity& database) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = handles_.find(database);
  return found == handles_.end() ? nullptr : found->second;
}

Result<DatabaseHandlePtr> DatabaseDirectory::find_running(const schema::Identity& database) const {
  if (DatabaseHandlePtr handle = find(database)) return handle;
  if (const auto why = outage(database)) return outage_status(*why);
  return Status::internal("no such module");
}

void DatabaseDirectory::add(DatabaseHandlePtr handle) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto out = outages_.find(handle->database);
  if (out != outages_.end() && out->second.group == handle->group) return;
  if (out != outages_.end()) outages_.erase(out);
  handles_.insert_or_assign(handle->database, std::move(handle));
}

void DatabaseDirectory::remove(const schema::Identity& database) {
  const std::lock_guard<std::mutex> lock(mutex_);
  handles_.erase(database);
  outages_.erase(database);
}

void DatabaseDirectory::take_out(const schema::Identity& database, Outage outage) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = handles_.find(database);
  if (found != handles_.end() && found->second->group != outage.group) return;
  if (found != handles_.end()) handles_.erase(found);
  outages_.insert_or_assign(database, std::move(outage));
}

std::optional<Outage> DatabaseDirectory::outage(const schema::Identity& database) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = outages_.find(database);
  return found == outages_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<Outage> DatabaseDirectory::outages() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Outage> all;
  all.reserve(outages_.size());
  for (const auto& [database, outage] : outages_) all.push_back(outage);
  return all;
}

std::vector<DatabaseHandlePtr> DatabaseDirectory::all() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<DatabaseHandlePtr> handles;
  handles.reserve(handles_.size());
  for (const auto& [database, handle] : handles_) handles.push_back(handle);
  return handles;
}

SessionHandle::SessionHandle(SessionId id, std::shared_ptr<SessionSink> sink,
                             std::shared_ptr<WorkQueue> queue, const Clock& clock)
    : id_(id), sink_(std::move(sink)), queue_(std::move(queue)), clock_(clock) {}

SessionHandle::~SessionHandle() {
  close();
}

void SessionHandle::post(std::shared_ptr<const ClientBatch> batch) {
  const size_t bytes = batch->bytes;
  queue_->push(SessionBatchWork{id_, sink_, std::move(batch), clock_.steady()}, bytes);
}

void SessionHandle::close() {
  if (!closed_.exchange(true)) queue_->push(SessionCloseWork{id_});
}

}  // namespace worldline::actors
