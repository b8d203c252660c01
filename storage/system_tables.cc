// storage/system_tables.cc: typed access to st_module, st_client and st_connection_credentials.
#include "storage/system_tables.h"

#include "schema/bsatn.h"
#include "storage/transaction.h"

namespace worldline::storage {
namespace {

Result<ModuleRow> decode_module_row(Bytes bytes) {
  schema::BsatnReader reader(bytes);
  ModuleRow row;
  WL_ASSIGN_OR_RETURN(const Bytes database, reader.read_raw(row.database_identity.le.size()));
  WL_ASSIGN_OR_RETURN(const Bytes owner, reader.read_raw(row.owner_identity.le.size()));
  WL_ASSIGN_OR_RETURN(const uint8_t kind, reader.read_u8());
  WL_ASSIGN_OR_RETURN(const Bytes hash, reader.read_raw(32));
  WL_ASSIGN_OR_RETURN(const Bytes program, reader.read_byte_array());
  WL_ASSIGN_OR_RETURN(const std::string_view version, reader.read_string());
  if (kind > static_cast<uint8_t>(ProgramKind::kJs))
    return Status::corruption("st_module: program kind {}", kind);
  row.database_identity = schema::Identity::from_le_bytes(database);
  row.owner_identity = schema::Identity::from_le_bytes(owner);
  row.program_kind = static_cast<ProgramKind>(kind);
  row.program_hash = schema::Hash256::from_bytes(hash);
  row.program_bytes.assign(program.begin(), program.end());
  row.module_version = version;
  return row;
}

ByteBuffer encode_client(const ClientRow& client) {
  ByteBuffer bytes;
  append(bytes, client.identity.bytes());
  append(bytes, client.connection_id.bytes());
  return bytes;
}

TableIndexId only_index(const Transaction& tx, TableId table) {
  return tx.view().find_table(table)->indexes()[0].schema().id;
}

}  // namespace

Result<std::optional<ModuleRow>> read_module_row(const ReadView& view) {
  RowCursor cursor = view.find_table(kStModule)->scan();
  if (!cursor.next()) return std::optional<ModuleRow>();
  WL_ASSIGN_OR_RETURN(ModuleRow row, decode_module_row(cursor.row()));
  return std::optional<ModuleRow>(std::move(row));
}

DataStatus write_module_row(Transaction& tx, const ModuleRow& row) {
  const DataResult<uint64_t> cleared = tx.clear(kStModule);
  if (!cleared.ok()) return cleared.status();
  ByteBuffer bytes;
  schema::BsatnWriter writer(bytes);
  writer.write_raw(row.database_identity.bytes());
  writer.write_raw(row.owner_identity.bytes());
  writer.write_u8(static_cast<uint8_t>(row.program_kind));
  writer.write_raw(row.program_hash.bytes);
  writer.write_byte_array(row.program_bytes);
  writer.write_string(row.module_version);
  return tx.insert(kStModule, bytes).status();
}

DataStatus insert_client(Transaction& tx, const ClientRow& client, std::string_view jwt_payload) {
  const DataResult<InsertOutcome> inserted = tx.insert(kStClient, encode_client(client));
  if (!inserted.ok()) return inserted.status();
  ByteBuffer bytes;
  schema::BsatnWriter writer(bytes);
  writer.write_raw(client.connection_id.bytes());
  writer.write_string(jwt_payload);
  return tx.insert(kStConnectionCredentials, bytes).status();
}

DataStatus remove_client(Transaction& tx, const ClientRow& client) {
  const DataResult<uint32_t> row =
      tx.delete_point(only_index(tx, kStClient), encode_client(client));
  if (!row.ok()) return row.status();
  return tx.delete_point(only_index(tx, kStConnectionCredentials), client.connection_id.bytes())
      .status();
}

std::vector<ClientRow> read_clients(const ReadView& view) {
  std::vector<ClientRow> clients;
  IndexCursor cursor = view.find_table(kStClient)->indexes()[0].all();
  while (cursor.next()) {
    const Bytes row = cursor.row();
    clients.push_back({schema::Identity::from_le_bytes(row.first(32)),
                       schema::ConnectionId::from_le_bytes(row.subspan(32, 16))});
  }
  return clients;
}

DataStatus clear_clients(Transaction& tx) {
  const DataResult<uint64_t> clients = tx.clear(kStClient);
  if (!clients.ok()) return clients.status();
  return tx.clear(kStConnectionCredentials).status();
}

}  // namespace worldline::storage
