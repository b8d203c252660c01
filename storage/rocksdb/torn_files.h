// storage/rocksdb/torn_files.h
//
// Makes a RocksDB directory ready for opening after a crash [S 08/3.7 step 2]: what the kernel
// still has in memory is written and then dropped from it, so that everything is read from the
// disk; a torn last write of the write-ahead log or the manifest is cut; damage before it is
// refused.
//
// Thread: the one that opens the database, before it. Errors: kCorruption naming file and byte (the
//   whole database is unreadable: all its groups are lost to this node); kIoError.
#pragma once

#include <string>
#include <vector>

#include <rocksdb/file_system.h>

#include "base/status.h"

namespace worldline::storage {

struct MendedFiles {
  bool is_new = true;              // There is no database yet.
  bool has_wal = false;            // Of an older life.
  std::vector<std::string> notes;  // What was cut, for the log of the node; usually nothing.
};
Result<MendedFiles> mend_torn_files(rocksdb::FileSystem& files, const std::string& directory);

}  // namespace worldline::storage
