// storage/fwd.h
//
// Forward declarations of the storage room.
#pragma once

namespace worldline::storage {

class Catalog;
class DatabaseState;
class DirectMap;
class IndexCursor;
class IndexView;
class LiveTable;
class Page;
class ReadView;
class RowCursor;
class Snapshot;
class TableView;
class Transaction;
class TxDataBuilder;
struct DatabaseRoot;
struct RowRef;
struct TableDefinition;
struct TableRecord;
struct TableSchema;
struct TreeNode;
struct TxData;

}  // namespace worldline::storage
