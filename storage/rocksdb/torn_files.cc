#include "storage/rocksdb/torn_files.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>

#include "storage/rocksdb/wal_scan.h"

namespace worldline::storage {
namespace {

constexpr std::string_view kWalSuffix = ".log";
constexpr std::string_view kManifestPrefix = "MANIFEST-";
constexpr size_t kCurrentBytesMax = 64;

struct NumberedFile {
  uint64_t number;
  std::string path;
};

Status io_failure(const std::string& path, const rocksdb::IOStatus& status) {
  return Status::io_error("{}: {}", path, status.ToString());
}

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The write-ahead logs of the directory, oldest first; none in a new one.
Result<std::vector<NumberedFile>> list_wals(rocksdb::FileSystem& files,
                                            const std::string& directory) {
  std::vector<std::string> names;
  const rocksdb::IOStatus status = files.GetChildren(directory, {}, &names, nullptr);
  if (status.IsNotFound() || status.IsPathNotFound()) return std::vector<NumberedFile>();
  if (!status.ok()) return io_failure(directory, status);
  std::vector<NumberedFile> wals;
  for (const std::string& name : names) {
    if (!std::string_view(name).ends_with(kWalSuffix)) continue;
    const auto number =
        parse_number(std::string_view(name).substr(0, name.size() - kWalSuffix.size()));
    if (number) wals.push_back({*number, directory + "/" + name});
  }
  std::sort(wals.begin(), wals.end(),
            [](const NumberedFile& a, const NumberedFile& b) { return a.number < b.number; });
  return wals;
}

class SequentialFile {
 public:
  static Result<SequentialFile> open(rocksdb::FileSystem& files, const std::string& path) {
    SequentialFile file;
    file.path_ = path;
    const auto status = files.NewSequentialFile(path, {}, &file.file_, nullptr);
    if (!status.ok()) return io_failure(path, status);
    return file;
  }
  void drop_cache() {
    // Best effort: a file system that cannot do it says so, and has nothing to drop.
    file_->InvalidateCache(0, 0).PermitUncheckedError();
  }
  // Up to `bytes_max` bytes, less only at the end.
  Result<Bytes> read(ByteBuffer& scratch, size_t bytes_max) {
    scratch.resize(bytes_max);
    size_t done = 0;
    while (done < bytes_max) {
      rocksdb::Slice got;
      char* to = reinterpret_cast<char*>(scratch.data()) + done;
      const auto status = file_->Read(bytes_max - done, {}, &got, to, nullptr);
      if (!status.ok()) return io_failure(path_, status);
      if (got.empty()) break;
      if (got.data() != to) std::memmove(to, got.data(), got.size());
      done += got.size();
    }
    return Bytes(scratch).first(done);
  }

 private:
  std::string path_;
  std::unique_ptr<rocksdb::FSSequentialFile> file_;
};

// The manifest CURRENT names; nullopt in a new directory.
Result<std::optional<NumberedFile>> find_manifest(rocksdb::FileSystem& files,
                                                  const std::string& directory) {
  const std::string current = directory + "/CURRENT";
  const rocksdb::IOStatus status = files.FileExists(current, {}, nullptr);
  if (status.IsNotFound()) return std::optional<NumberedFile>();
  if (!status.ok()) return io_failure(current, status);
  WL_ASSIGN_OR_RETURN(SequentialFile file, SequentialFile::open(files, current));
  ByteBuffer scratch;
  WL_ASSIGN_OR_RETURN(const Bytes content, file.read(scratch, kCurrentBytesMax));
  std::string_view name = as_text(content);
  if (name.ends_with('\n')) name.remove_suffix(1);
  if (!name.starts_with(kManifestPrefix))
    return Status::corruption("{}: names no manifest", current);
  const auto number = parse_number(name.substr(kManifestPrefix.size()));
  if (!number) return Status::corruption("{}: names no manifest", current);
  return std::optional(NumberedFile{*number, directory + "/" + std::string(name)});
}

// Writes what the kernel holds, to where the reads of this start will come from.
Status settle(rocksdb::FileSystem& files, const std::string& path,
              std::optional<uint64_t> new_bytes) {
  std::unique_ptr<rocksdb::FSWritableFile> file;
  rocksdb::IOStatus status = files.ReopenWritableFile(path, {}, &file, nullptr);
  if (status.ok() && new_bytes) status = file->Truncate(*new_bytes, {}, nullptr);
  if (status.ok()) status = file->Fsync({}, nullptr);
  if (status.ok()) status = file->Close({}, nullptr);
  return status.ok() ? Status::ok_status() : io_failure(path, status);
}

Status scan_file(rocksdb::FileSystem& files, const NumberedFile& wal, WalScan& scan) {
  WL_RETURN_IF_ERROR(settle(files, wal.path, std::nullopt));
  WL_ASSIGN_OR_RETURN(SequentialFile file, SequentialFile::open(files, wal.path));
  file.drop_cache();
  scan.begin_file(wal.number);
  ByteBuffer scratch;
  while (true) {
    WL_ASSIGN_OR_RETURN(const Bytes block, file.read(scratch, WalScan::kBlockBytes));
    scan.add_block(block);
    if (block.size() < WalScan::kBlockBytes) return Status::ok_status();
  }
}

// One sequence of files: all write-ahead logs, or the manifest alone.
Status mend(rocksdb::FileSystem& files, const std::vector<NumberedFile>& sequence,
            std::vector<std::string>& notes) {
  WalScan scan;
  for (const NumberedFile& file : sequence) WL_RETURN_IF_ERROR(scan_file(files, file, scan));
  switch (scan.finish()) {
    case WalState::kWhole:
      return Status::ok_status();
    case WalState::kDamaged:
      return Status::corruption("{}", scan.reason());
    case WalState::kTorn:
      break;
  }
  const auto torn =
      std::find_if(sequence.begin(), sequence.end(),
                   [&scan](const NumberedFile& file) { return file.number == scan.keep().file; });
  WL_CHECK(torn != sequence.end());
  notes.push_back(fmt::format("{}: cut a torn write at byte {} ({})", torn->path,
                              scan.keep().offset, scan.reason()));
  return settle(files, torn->path, scan.keep().offset);
}

}  // namespace

Result<MendedFiles> mend_torn_files(rocksdb::FileSystem& files, const std::string& directory) {
  MendedFiles mended;
  WL_ASSIGN_OR_RETURN(const auto wals, list_wals(files, directory));
  mended.has_wal = !wals.empty();
  WL_RETURN_IF_ERROR(mend(files, wals, mended.notes));
  WL_ASSIGN_OR_RETURN(const auto manifest, find_manifest(files, directory));
  mended.is_new = !manifest;
  if (manifest) WL_RETURN_IF_ERROR(mend(files, {*manifest}, mended.notes));
  return mended;
}

}  // namespace worldline::storage
