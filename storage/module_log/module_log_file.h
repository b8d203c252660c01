// storage/module_log/module_log_file.h
//
// The console lines of one module as NDJSON files, one per UTC day, in
// `<directory>/YYYY-MM-DD.log`. Lines are buffered and written by flush(), which the owner calls
// once per drain; nothing is synced: module logs are diagnostics, not data.
//
// Invariants: a line is never split over two files; lines keep the order of append().
// Ownership: one thread (the module host). Reading a file by path is safe from any thread.
// Units: bytes; timestamps in microseconds. Errors: kIoError; a full disk loses lines and counts
// them (dropped_lines), it never stops the database.
// Sources: [S 03/4.12], [S 02/3.11], [S 09/1.5].
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"

namespace worldline::storage {

class ModuleLogFile {
 public:
  // Creates the directory if need be. Nothing is opened before the first line.
  static Result<ModuleLogFile> open(std::filesystem::path directory);

  ModuleLogFile(ModuleLogFile&&) noexcept;
  ModuleLogFile& operator=(ModuleLogFile&&) noexcept;
  ~ModuleLogFile();

  // One JSON object without the newline. Moves to the next file when the UTC date of `now` changes.
  void append(std::string_view line, Timestamp now);
  void flush();

  // The file of the day of `now`, and what of it is complete lines after a flush.
  std::filesystem::path path_of(Timestamp now) const;
  uint64_t file_bytes(Timestamp now) const;  // Of that file; 0 if there is none.
  uint64_t dropped_lines() const { return dropped_lines_; }

 private:
  explicit ModuleLogFile(std::filesystem::path directory) : directory_(std::move(directory)) {}
  void switch_to(int64_t day);

  std::filesystem::path directory_;
  int fd_ = -1;
  int64_t day_ = -1;    // Days since the epoch of the open file.
  std::string buffer_;  // Whole lines waiting for flush().
  uint64_t buffered_lines_ = 0;
  uint64_t dropped_lines_ = 0;
};

// The last `line_count` lines of a log file (all if it has fewer), at most `bytes_max` bytes; a
// missing file is empty text. Any thread.
Result<std::string> read_last_lines(const std::filesystem::path& path, uint64_t line_count,
                                    uint64_t bytes_max);

}  // namespace worldline::storage
