// actors/publish_process.h
//
// The processes that create, reset and delete a database: each a chain of steps over the catalog
// and the launcher, every step waiting for the commit of the one before.
//
// Invariants: a crash between two steps leaves either the old world or the new one: a database
// exists exactly if its catalog row is committed, and groups without a row are removed at start.
// Thread: any; the steps run where the callbacks come from. Sources: [S 04/1.2, 1.7].
#pragma once

#include <memory>

#include "actors/node_service.h"

namespace worldline::actors {

// Creates the database `request` names, which must not exist. `identity` is set if the route or a
// name record fixes it.
void start_create(const NodeServiceParts& parts, PublishRequest request,
                  std::optional<schema::Identity> identity, Callback<Result<PublishReply>> done);

// Replaces an existing database by an empty one with the same identity.
void start_reset(const NodeServiceParts& parts, const storage::DatabaseRecord& record,
                 PublishRequest request, Callback<Result<PublishReply>> done);

void start_remove(const NodeServiceParts& parts, const storage::DatabaseRecord& record,
                  Callback<Status> done);

}  // namespace worldline::actors
