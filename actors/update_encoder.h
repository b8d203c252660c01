// actors/update_encoder.h
//
// Encodes what one transaction means for one client: the QuerySetUpdates of [S 02/7.2, 10.3] from
// the shared row blocks of the subscription set. Thread: pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "query/subscription_set.h"

namespace worldline::actors {

// Deliveries of one client, as SubscriptionSet::evaluate() sorts them.
using ClientRun = std::span<const query::Delivery>;

// The run of equal client at the front of `deliveries`. REQUIRES: not empty.
ClientRun first_client_run(std::span<const query::Delivery> deliveries);

// True if both runs give the same bytes, whoever receives them.
bool same_content(ClientRun a, ClientRun b);

uint32_t count_query_sets(ClientRun run);

// Appends the QuerySetUpdates, without the count before them.
void encode_query_set_updates(ClientRun run, const query::TransactionUpdates& updates,
                              ByteBuffer& out);

}  // namespace worldline::actors
