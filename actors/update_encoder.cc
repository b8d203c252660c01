#include "actors/update_encoder.h"

#include <algorithm>

#include "base/check.h"
#include "schema/protocol/server_encoder.h"

namespace worldline::actors {
namespace {

const query::DeltaBlock& block_of(const query::Delivery& delivery,
                                  const query::TransactionUpdates& updates) {
  return *updates.blocks[delivery.block];
}

// Length of the prefix of `run` whose elements agree with the first one under `same`.
template <typename Same>
size_t prefix_length(ClientRun run, Same same) {
  size_t length = 1;
  while (length < run.size() && same(run[0], run[length])) ++length;
  return length;
}

size_t query_set_length(ClientRun run) {
  return prefix_length(run, [](const query::Delivery& a, const query::Delivery& b) {
    return a.query_set_id == b.query_set_id;
  });
}

size_t table_length(ClientRun run, const query::TransactionUpdates& updates) {
  return prefix_length(run, [&updates](const query::Delivery& a, const query::Delivery& b) {
    return block_of(a, updates).table_name == block_of(b, updates).table_name;
  });
}

// One block is a whole TableUpdate; several of one table share a head and lose their own.
void encode_tables(ClientRun set, const query::TransactionUpdates& updates, ByteBuffer& out) {
  while (!set.empty()) {
    const size_t length = table_length(set, updates);
    const query::DeltaBlock& first = block_of(set[0], updates);
    if (length == 1) {
      append(out, *first.encoded);
    } else {
      protocol::encode_table_update_head(first.table_name, static_cast<uint32_t>(length), out);
      for (const auto& delivery : set.first(length)) {
        const query::DeltaBlock& block = block_of(delivery, updates);
        append(out, Bytes(*block.encoded).subspan(block.rows_begin));
      }
    }
    set = set.subspan(length);
  }
}

uint32_t count_tables(ClientRun set, const query::TransactionUpdates& updates) {
  uint32_t count = 0;
  for (; !set.empty(); set = set.subspan(table_length(set, updates))) ++count;
  return count;
}

}  // namespace

ClientRun first_client_run(std::span<const query::Delivery> deliveries) {
  WL_CHECK(!deliveries.empty());
  return deliveries.first(prefix_length(
      deliveries,
      [](const query::Delivery& a, const query::Delivery& b) { return a.client == b.client; }));
}

bool same_content(ClientRun a, ClientRun b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const query::Delivery& x, const query::Delivery& y) {
                      return x.query_set_id == y.query_set_id && x.block == y.block;
                    });
}

uint32_t count_query_sets(ClientRun run) {
  uint32_t count = 0;
  for (; !run.empty(); run = run.subspan(query_set_length(run))) ++count;
  return count;
}

void encode_query_set_updates(ClientRun run, const query::TransactionUpdates& updates,
                              ByteBuffer& out) {
  while (!run.empty()) {
    const ClientRun set = run.first(query_set_length(run));
    protocol::encode_query_set_head(set[0].query_set_id, count_tables(set, updates), out);
    encode_tables(set, updates, out);
    run = run.subspan(set.size());
  }
}

}  // namespace worldline::actors
