// actors/module_host.h
//
// The module host's actor of one database replica: it owns the DatabaseHost, takes the inbox when
// it is woken, and carries what comes out to the log writer, the subscription actor, the scheduler
// and the checkpointer. It decides nothing.
//
// Thread: its own (detached), because the script engine and O(data) work run on it.
// Only .cc files of actors/ include this header.
#pragma once

#include <functional>
#include <memory>

#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

#include "actors/caf_types.h"
#include "actors/database_handle.h"
#include "actors/database_host.h"
#include "actors/host_ports.h"
#include "actors/reader_pool.h"
#include "actors/replication.h"
#include "base/clock.h"

namespace worldline::actors {

// What all databases of a node share. Borrowed; outlives the actors.
struct NodeShared {
  const Replication* replication = nullptr;
  const Clock* clock = nullptr;
  ReaderPool* readers = nullptr;
  ReadLimits read_limits;
  // A group that was led is lost, or marked never to be used again: from here on nothing is sent to
  // its database any more. Returns what its clients are told.
  std::function<Status(const DatabaseHandle&, const Status&)> on_lost_group;
};

class ActorPorts;

struct ModuleHostState {
  ModuleHostState();
  ~ModuleHostState();

  std::unique_ptr<ActorPorts> ports;   // Null before boot.
  std::unique_ptr<DatabaseHost> host;  // Null before boot and after stop.
  bool is_leading = false;             // The lane is open.
  std::vector<HostWork> spare;         // Recycled storage of the inbox.
};

// What a boot leaves: the host, and its group to be opened.
struct BootedHost {
  std::unique_ptr<DatabaseHost> host;
  OpenGroup group;  // Listener and gate are filled in by the actor.
};
// Makes the host on the actor's own thread, or says why it cannot be.
using HostBoot = std::function<Result<BootedHost>(HostPorts&)>;

struct ModuleHostArgs {
  NodeShared shared;
  DatabaseHandlePtr handle;
  HostBoot boot;
  std::function<void(const Status&)> booted;  // It leads and serves; a failure ends the actor.
  std::function<void()> stopped;              // After everything accepted was answered.
};

// Once, before anything is pushed: `queue` wakes the host for what it holds.
void wake_host_for(WorkQueue& queue, const caf::actor& host);

caf::behavior module_host_actor(caf::stateful_actor<ModuleHostState>* self, ModuleHostArgs args);

}  // namespace worldline::actors
