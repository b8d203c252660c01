// tests/storage_log/fault_file_system.h
//
// RocksDB's view of a DiskImage: with it the real database runs on a disk that loses, tears and
// refuses on order [S 08/6.2].
//
// Thread: as RocksDB asks; DiskImage has the mutex. Errors: those DiskImage was told to give.
#pragma once

#include <memory>

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include "tests/storage_log/disk_image.h"

namespace worldline::storage {

std::unique_ptr<rocksdb::Env> make_fault_env(std::shared_ptr<DiskImage> image);

}  // namespace worldline::storage
