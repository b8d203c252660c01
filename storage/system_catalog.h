// storage/system_catalog.h
//
// The schemas of the 20 system tables, as code: what bootstrap creates and what a checkpoint is
// loaded with before any catalog row can be read [S 05/2.2, 2.3].
//
// Thread: any. Ownership: values.
#pragma once

#include <vector>

#include "storage/table_schema.h"

namespace worldline::storage {

inline constexpr Int128 kSystemSequenceStart = 4097;
inline constexpr Int128 kSystemSequenceAllocated = 4096;  // So the first user id is 4096.
inline constexpr Int128 kSequenceStart = 1;  // Default of start and of min_value [S 05/1.10].
inline constexpr Int128 kSequenceMax = static_cast<Int128>(~UInt128{0} >> 1);  // 2^127-1.

// In ascending id order.
std::vector<TableSchemaPtr> system_table_schemas();

}  // namespace worldline::storage
