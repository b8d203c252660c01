// query/query_types.h
//
// Plain values that cross the border of the query room: who asks, which client, and encoded rows.
//
// Invariants: a RowBlock and a DeltaBlock are frozen once published; their bytes are BsatnRowLists
// as they go on the wire [S 02/6.2]. Thread: values; blocks may cross threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "schema/identity.h"

namespace worldline::query {

// The owner sees private tables and may write; everybody else is "other" [S 06/3.2].
enum class CallerClass : uint8_t { kOwner, kOther };

struct Caller {
  schema::Identity identity;
  CallerClass caller_class = CallerClass::kOther;
};

// One session of the subscription actor; chosen by it, never reused while subscribed.
using ClientHandle = StrongId<struct ClientHandleTag, uint64_t>;

// The current rows of one query: `encoded` is a SingleTableRows, ready to be spliced into a
// message.
struct RowBlock {
  std::string table_name;  // Canonical.
  SharedBytes encoded;
  uint32_t row_list_begin = 0;  // Where the BsatnRowList starts, behind the table name.
  uint64_t row_count = 0;
};

// What one transaction changed in the result of one distinct query; shared by all its subscribers.
// `encoded` is a whole TableUpdate that holds one TableUpdateRows; when several queries of one set
// change the same table, write the head once and splice each block from `rows_begin` on.
struct DeltaBlock {
  enum class Kind : uint8_t {
    kPersistent,  // TableUpdateRows::PersistentTable {inserts, deletes}.
    kEvent,       // TableUpdateRows::EventTable {events}; deletes_count is 0.
  };
  std::string table_name;  // Canonical.
  Kind kind = Kind::kPersistent;
  SharedBytes encoded;
  uint32_t rows_begin = 0;
  uint64_t inserts_count = 0;
  uint64_t deletes_count = 0;
};
using DeltaBlockPtr = std::shared_ptr<const DeltaBlock>;

}  // namespace worldline::query
