// query/row_limit.h
//
// The system variable row_limit [S 06/1.13, 4.13]: how many rows queries of non-owners may be
// estimated to read. Thread: pure functions; the view is borrowed for the call.
#pragma once

#include <cstdint>
#include <optional>

#include "base/status.h"
#include "query/query_types.h"
#include "storage/read_view.h"

namespace worldline::query {

inline constexpr const char* kRowLimitVariable = "row_limit";
inline constexpr uint8_t kVarValueU64Tag = 8;  // Of st_var.value [S 05/2.2].

// nullopt: not set.
std::optional<uint64_t> read_row_limit(const storage::ReadView& view);

// Fails if the caller is limited and `estimated_rows` is too much.
Status check_row_limit(uint64_t estimated_rows, const storage::ReadView& view,
                       const Caller& caller);

}  // namespace worldline::query
