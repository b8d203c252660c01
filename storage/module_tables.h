// storage/module_tables.h
//
// From a validated module definition to tables: what the first publish creates [S 05/2.5].
//
// Ownership: borrows its arguments for the call. Thread: the owner of the transaction.
// Errors: those of Transaction::create_table.
#pragma once

#include <vector>

#include "schema/module_def.h"
#include "storage/table_definition.h"
#include "storage/transaction.h"

namespace worldline::storage {

// The definitions of a module's tables, in byte order of their canonical names.
Result<std::vector<TableDefinition>> module_table_definitions(const schema::ModuleDef& module);

// Creates all of them in that order.
DataStatus create_module_tables(Transaction& tx, const schema::ModuleDef& module);

}  // namespace worldline::storage
