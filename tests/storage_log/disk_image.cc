#include "tests/storage_log/disk_image.h"

#include <algorithm>

#include "base/check.h"

namespace worldline::storage {
namespace {

using Edit = DiskImage::File::Edit;
constexpr size_t kSectorBytes = 512;

void apply_edit(const Edit& edit, std::string& content) {
  if (edit.truncates) {
    content.resize(edit.offset, '\0');
    return;
  }
  const size_t end = edit.offset + edit.data.size();
  if (content.size() < end) content.resize(end, '\0');
  content.replace(edit.offset, edit.data.size(), edit.data);
}

// A prefix of the edits, the last of them perhaps in part.
void apply_prefix(const std::vector<Edit>& edits, std::string& content, Prng& rng) {
  const uint64_t whole = rng.below(edits.size() + 1);
  for (uint64_t i = 0; i < whole; ++i) apply_edit(edits[i], content);
  if (whole == edits.size() || edits[whole].truncates) return;
  const Edit& torn = edits[whole];
  apply_edit({torn.offset, torn.data.substr(0, rng.below(torn.data.size() + 1)), false}, content);
}

// Any sectors of the edits; what lies before a kept one exists too, as zeros or as it was.
void apply_sectors(const std::vector<Edit>& edits, std::string& content, Prng& rng) {
  for (const Edit& edit : edits) {
    if (edit.truncates) {
      if (rng.chance(2)) apply_edit(edit, content);
      continue;
    }
    for (size_t at = 0; at < edit.data.size();) {
      const size_t room = kSectorBytes - (edit.offset + at) % kSectorBytes;
      if (rng.chance(2)) apply_edit({edit.offset + at, edit.data.substr(at, room), false}, content);
      at += room;
    }
  }
}

void apply_change(std::map<std::string, DiskImage::FilePtr>& names, const std::string& from,
                  const std::string& to) {
  const auto found = names.find(from);
  if (found == names.end()) return;
  names[to] = found->second;
  names.erase(from);
}

}  // namespace

void DiskImage::set_faults(const Faults& faults) {
  const std::lock_guard lock(mutex_);
  faults_ = faults;
  operations_ = appends_ = syncs_ = 0;
}

uint64_t DiskImage::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

bool DiskImage::is_stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

bool DiskImage::begin(uint64_t life) {
  if (stopped_ || life != life_) return false;
  ++operations_;
  if (stops_now()) stopped_ = true;
  return true;
}

bool DiskImage::is_due(uint64_t& counter, uint64_t at, const std::string& path) const {
  return path.ends_with(faults_.only) && ++counter == at;
}

void DiskImage::crash(Loss loss, Prng& rng) {
  const std::lock_guard lock(mutex_);
  ++life_;
  stopped_ = false;
  faults_ = {};
  operations_ = appends_ = syncs_ = 0;
  locks_.clear();
  if (loss == Loss::kNothing) return;
  const uint64_t kept = loss == Loss::kUnsynced ? 0 : rng.below(changes_.size() + 1);
  for (uint64_t i = 0; i < kept; ++i) {
    const Change& change = changes_[i];
    if (change.kind == Change::Kind::kAdd) disk_names_[change.path] = change.file;
    if (change.kind == Change::Kind::kRename) apply_change(disk_names_, change.path, change.to);
    if (change.kind == Change::Kind::kRemove) disk_names_.erase(change.path);
  }
  changes_.clear();
  names_ = disk_names_;
  for (const auto& [path, file] : names_) {
    const bool any_order = loss == Loss::kSectors && path.ends_with(".log");
    if (loss == Loss::kUnsynced) {
      // Nothing of them.
    } else if (any_order) {
      apply_sectors(file->unsynced, file->disk, rng);
    } else {
      apply_prefix(file->unsynced, file->disk, rng);
    }
    file->unsynced.clear();
    file->cache = file->disk;
  }
}

DiskImage::Outcome DiskImage::create(const std::string& path, Handle& out) {
  const std::lock_guard lock(mutex_);
  if (!begin(life_)) return Outcome::kIoError;
  auto file = std::make_shared<File>();
  names_[path] = file;
  changes_.push_back({Change::Kind::kAdd, path, {}, file});
  out = {file, life_, path};
  return stopped_ ? Outcome::kIoError : Outcome::kOk;
}

DiskImage::Outcome DiskImage::open(const std::string& path, Handle& out) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return Outcome::kIoError;
  const auto found = names_.find(path);
  if (found == names_.end()) return Outcome::kNotFound;
  out = {found->second, life_, path};
  return Outcome::kOk;
}

DiskImage::Outcome DiskImage::append(const Handle& handle, std::string_view data) {
  const std::lock_guard lock(mutex_);
  if (!begin(handle.life)) return Outcome::kIoError;
  File& file = *handle.file;
  const bool counts = handle.path.ends_with(faults_.only);
  if (counts) ++appends_;
  if (counts && appends_ == faults_.fail_append) return Outcome::kIoError;
  const bool is_full = counts && faults_.no_space_from != 0 && appends_ >= faults_.no_space_from;
  if (is_full && appends_ > faults_.no_space_from) return Outcome::kNoSpace;
  if (is_full) data = data.substr(0, data.size() / 2);
  const Edit edit{file.cache.size(), std::string(data), false};
  apply_edit(edit, file.cache);
  file.unsynced.push_back(edit);
  if (is_full) return Outcome::kNoSpace;
  return stopped_ ? Outcome::kIoError : Outcome::kOk;
}

DiskImage::Outcome DiskImage::truncate(const Handle& handle, uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (!begin(handle.life)) return Outcome::kIoError;
  const Edit edit{size, {}, true};
  apply_edit(edit, handle.file->cache);
  handle.file->unsynced.push_back(edit);
  return stopped_ ? Outcome::kIoError : Outcome::kOk;
}

DiskImage::Outcome DiskImage::sync(const Handle& handle) {
  const std::lock_guard lock(mutex_);
  if (!begin(handle.life) || stopped_) return Outcome::kIoError;
  File& file = *handle.file;
  if (is_due(syncs_, faults_.fail_sync, handle.path)) {
    file.unsynced.clear();  // Clean for the kernel, and nowhere on the disk.
    return Outcome::kIoError;
  }
  for (const Edit& edit : file.unsynced) apply_edit(edit, file.disk);
  file.unsynced.clear();
  return Outcome::kOk;
}

DiskImage::Outcome DiskImage::drop_cache(const Handle& handle) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || handle.life != life_) return Outcome::kIoError;
  File& file = *handle.file;
  if (!file.unsynced.empty()) return Outcome::kOk;
  // Lost pages read as zeros: the kernel still knows how long the file was.
  const size_t size = file.cache.size();
  file.disk.resize(size, '\0');
  file.cache = file.disk;
  return Outcome::kOk;
}

DiskImage::Outcome DiskImage::read(const Handle& handle, uint64_t offset, size_t count, char* to,
                                   size_t& got) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || handle.life != life_) return Outcome::kIoError;
  const std::string& cache = handle.file->cache;
  got = offset >= cache.size() ? 0 : std::min(count, cache.size() - offset);
  if (got > 0) cache.copy(to, got, offset);
  return Outcome::kOk;
}

DiskImage::Outcome DiskImage::size(const std::string& path, uint64_t& out) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return Outcome::kNotFound;
  out = found->second->cache.size();
  return Outcome::kOk;
}

DiskImage::Outcome DiskImage::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (!begin(life_)) return Outcome::kIoError;
  if (!names_.contains(from)) return Outcome::kNotFound;
  apply_change(names_, from, to);
  changes_.push_back({Change::Kind::kRename, from, to, nullptr});
  return stopped_ ? Outcome::kIoError : Outcome::kOk;
}

DiskImage::Outcome DiskImage::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!begin(life_)) return Outcome::kIoError;
  if (names_.erase(path) == 0) return Outcome::kNotFound;
  changes_.push_back({Change::Kind::kRemove, path, {}, nullptr});
  return stopped_ ? Outcome::kIoError : Outcome::kOk;
}

DiskImage::Outcome DiskImage::sync_directory() {
  const std::lock_guard lock(mutex_);
  if (!begin(life_) || stopped_) return Outcome::kIoError;
  disk_names_ = names_;
  changes_.clear();
  return Outcome::kOk;
}

void DiskImage::make_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  directories_.insert(path);
}

bool DiskImage::is_directory(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return directories_.contains(path);
}

bool DiskImage::exists(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return names_.contains(path) || directories_.contains(path);
}

std::vector<std::string> DiskImage::children(const std::string& directory) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> found;
  const std::string prefix = directory + "/";
  for (auto at = names_.lower_bound(prefix); at != names_.end() && at->first.starts_with(prefix);
       ++at)
    found.push_back(at->first.substr(prefix.size()));
  return found;
}

bool DiskImage::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return locks_.insert(path).second;
}

void DiskImage::unlock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  locks_.erase(path);
}

std::string DiskImage::newest(const std::string& directory, std::string_view ending) const {
  std::string newest;
  for (const std::string& name : children(directory))
    if (name.ends_with(ending) || name.starts_with(ending)) newest = std::max(newest, name);
  return newest.empty() ? newest : directory + "/" + newest;
}

std::string DiskImage::content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return names_.at(path)->cache;
}

void DiskImage::set_content(const std::string& path, std::string content) {
  const std::lock_guard lock(mutex_);
  File& file = *names_.at(path);
  file.cache = std::move(content);
  file.disk = file.cache;
  file.unsynced.clear();
}

std::shared_ptr<DiskImage> DiskImage::clone() const {
  const std::lock_guard lock(mutex_);
  auto copy = std::make_shared<DiskImage>();
  std::map<FilePtr, FilePtr> copies;
  const auto copy_of = [&copies](const FilePtr& file) {
    FilePtr& made = copies[file];
    if (made == nullptr) made = std::make_shared<File>(*file);
    return made;
  };
  for (const auto& [path, file] : names_) copy->names_[path] = copy_of(file);
  for (const auto& [path, file] : disk_names_) copy->disk_names_[path] = copy_of(file);
  copy->changes_ = changes_;
  for (Change& change : copy->changes_)
    if (change.file != nullptr) change.file = copy_of(change.file);
  copy->directories_ = directories_;
  return copy;
}

}  // namespace worldline::storage
