// base/crc32c.h
//
// CRC-32C (Castagnoli), the checksum of log entries on disk and of frames between nodes; with the
// processor's instruction where there is one. Thread: any.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace worldline {

// Of `bytes` behind what `seed` is the checksum of; 0 begins.
uint32_t crc32c(uint32_t seed, Bytes bytes);

}  // namespace worldline
