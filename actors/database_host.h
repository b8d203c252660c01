// actors/database_host.h
//
// DatabaseHost runs one database: it executes work in order of arrival, turns what changed into log
// entries, and leaves executed batches for the subscription actor. It is a plain object: no actor,
// no socket; time, log and neighbours come in through HostParts.
//
// Invariants:
//  1. Work is executed strictly in order; one drain becomes one or more bundles, each with its
//     executed batch behind it.
//  2. Timestamps of transactions strictly increase over the life of the database.
//  3. A failed publish leaves everything as it was, module instance included.
// Ownership and thread: the module host's actor, its thread only. Units: microseconds, bytes.
// Errors: what clients or modules do wrong is answered; a log that refuses entries ends the host.
// Sources: architecture 3, [S 02/10], [S 03/4], [S 04/1], [S 05/1.13].
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "actors/executed_batch.h"
#include "actors/host_ports.h"
#include "actors/host_work.h"
#include "actors/module_log_sink.h"
#include "actors/node_counters.h"
#include "base/clock.h"
#include "runtime/call_executor.h"
#include "runtime/module_loader.h"
#include "storage/catalog/catalog_state.h"
#include "storage/database_state.h"
#include "storage/log/checkpoint_trigger.h"
#include "storage/log/database_recovery.h"
#include "storage/log/group_appender.h"

namespace worldline::actors {

struct HostParts {
  storage::DatabaseRecord record;
  storage::LeaderInfo leader;
  std::filesystem::path log_directory;  // Of the module's console lines.
  HostPorts* ports = nullptr;           // Borrowed, as are the next three; they outlive the host.
  runtime::ModuleRuntime* runtime = nullptr;
  storage::CheckpointStore* checkpoints = nullptr;
  const Clock* clock = nullptr;
  runtime::ModuleLimits limits;
  storage::CheckpointPolicy checkpoint_policy;
  std::shared_ptr<DatabaseCounters> counters;
};

enum class HostVerdict : uint8_t { kRunning, kStopped };
