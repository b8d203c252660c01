#include "storage/rocksdb/program_store.h"

#include <system_error>
#include <utility>

#include "base/limits.h"

namespace worldline::storage {

std::filesystem::path ProgramStore::path_of(const schema::Hash256& hash) const {
  return directory_.programs() / hash.to_hex();
}

Result<schema::Hash256> ProgramStore::put(Bytes program) {
  if (program.size() > limits::kProgramBytesMax)
    return Status::too_large("program of {} B, limit kProgramBytesMax is {} B", program.size(),
                             limits::kProgramBytesMax);
  const schema::Hash256 hash = schema::keccak256(program);
  // A file already there is replaced: it may be damaged, and this proves it is not.
  WL_RETURN_IF_ERROR(write_file_atomically(path_of(hash), directory_.temporary(), program));
  return hash;
}

Result<SharedBytes> ProgramStore::get(const schema::Hash256& hash) const {
  Result<ByteBuffer> content = read_file(path_of(hash), limits::kProgramBytesMax);
  if (!content.ok()) return content.status().with_context("program " + hash.to_hex());
  if (schema::keccak256(*content) != hash)
    return Status::corruption("program {}: the file has other content", hash.to_hex());
  return SharedBytes(std::make_shared<const ByteBuffer>(std::move(content).value()));
}

bool ProgramStore::contains(const schema::Hash256& hash) const {
  std::error_code error;
  return std::filesystem::exists(path_of(hash), error);
}

Status ProgramStore::remove(const schema::Hash256& hash) {
  std::error_code error;
  std::filesystem::remove(path_of(hash), error);
  if (error) return Status::io_error("program {}: {}", hash.to_hex(), error.message());
  return Status::ok_status();
}

}  // namespace worldline::storage
