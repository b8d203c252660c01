// storage/rocksdb/program_store.h
//
// Module programs as files named by their hash: programs/<64 hex digits> [S 09/1.5]. Content never
// changes under a name, so writing one twice is harmless and reading one proves it.
//
// Thread: any. Errors: kNotFound; kCorruption if the bytes do not have the hash of their name;
//   kTooLarge beyond kProgramBytesMax; kIoError.
#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "base/status.h"
#include "schema/hash.h"
#include "storage/rocksdb/data_directory.h"

namespace worldline::storage {

class ProgramStore {
 public:
  // `directory` is borrowed; it outlives this.
  explicit ProgramStore(const DataDirectory& directory) : directory_(directory) {}

  // Keccak-256 of the program [S 01/7]; returns after it is durable under that name.
  Result<schema::Hash256> put(Bytes program);
  Result<SharedBytes> get(const schema::Hash256& hash) const;
  bool contains(const schema::Hash256& hash) const;
  Status remove(const schema::Hash256& hash);

 private:
  std::filesystem::path path_of(const schema::Hash256& hash) const;
  const DataDirectory& directory_;  // Borrowed; outlives this.
};

}  // namespace worldline::storage
