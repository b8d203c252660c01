// schema/raw_module_types.h
//
// The enums and small values shared by the versions of RawModuleDef and by ModuleDef. The numbers
// of enumerators are ABI [S 01/5.2]. Ownership and thread: plain values. Errors: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/wide_int.h"

namespace worldline::schema {

enum class TableKind : uint8_t { kSystem, kUser };
enum class TableAccess : uint8_t { kPublic, kPrivate };
enum class Lifecycle : uint8_t { kInit, kOnConnect, kOnDisconnect };
enum class IndexAlgorithm : uint8_t { kBTree, kHash, kDirect };
enum class FunctionVisibility : uint8_t { kPrivate, kClientCallable };
enum class CaseConversionPolicy : uint8_t { kNone, kSnakeCase };

using ColumnList = std::vector<uint16_t>;
using OptionalName = std::optional<std::string>;
using OptionalInt128 = std::optional<Int128>;

struct RawIndexAlgorithm {
  IndexAlgorithm kind = IndexAlgorithm::kBTree;
  ColumnList columns;  // Exactly one if kDirect.
};
struct RawUniqueConstraint {
  ColumnList columns;
};
struct RawConstraintData {
  RawUniqueConstraint unique;  // The only variant.
};
struct RawRowLevelSecurity {
  std::string sql;
};

}  // namespace worldline::schema
