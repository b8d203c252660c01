// storage/system_tables.h
//
// The catalogue of st_* tables: their ids, and typed access to the rows other rooms care about.
//
// Ownership: values. Thread: as the view or transaction passed in. Errors: those of Transaction;
// kCorruption if a catalog row does not decode. Sources: [S 05/2].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/status.h"
#include "schema/hash.h"
#include "schema/identity.h"
#include "storage/data_result.h"
#include "storage/fwd.h"
#include "storage/read_view.h"

namespace worldline::storage {

inline constexpr TableId kStTable{1}, kStColumn{2}, kStSequence{3}, kStIndex{4}, kStConstraint{5},
    kStModule{6}, kStClient{7}, kStVar{8}, kStScheduled{9}, kStRowLevelSecurity{10},
    kStConnectionCredentials{11}, kStView{12}, kStViewParam{13}, kStViewColumn{14}, kStViewSub{15},
    kStViewArg{16}, kStEventTable{17}, kStTableAccessor{18}, kStIndexAccessor{19},
    kStColumnAccessor{20};
inline constexpr uint32_t kSystemTableCount = 20;

enum class ProgramKind : uint8_t { kWasm = 0, kJs = 1 };  // st_module.program_kind.

struct ModuleRow {
  schema::Identity database_identity;
  schema::Identity owner_identity;
  ProgramKind program_kind = ProgramKind::kJs;
  schema::Hash256 program_hash;
  ByteBuffer program_bytes;
  std::string module_version = "0.0.1";
};

// The one row of st_module; nullopt before the first publish.
Result<std::optional<ModuleRow>> read_module_row(const ReadView& view);
// Inserts or replaces it. Identities of an existing row are kept by the caller's choice.
DataStatus write_module_row(Transaction& tx, const ModuleRow& row);

struct ClientRow {
  schema::Identity identity;
  schema::ConnectionId connection_id;
  friend bool operator==(const ClientRow&, const ClientRow&) = default;
};

// Both rows of a connecting client, and their removal (each missing row is ignored) [S 05/2.5].
DataStatus insert_client(Transaction& tx, const ClientRow& client, std::string_view jwt_payload);
DataStatus remove_client(Transaction& tx, const ClientRow& client);
std::vector<ClientRow> read_clients(const ReadView& view);  // In key order.
DataStatus clear_clients(Transaction& tx);  // st_client and st_connection_credentials at start.

}  // namespace worldline::storage
