// actors/host_work.h
//
// The kinds of work a module host takes from its inbox, and WorkQueue, the end that everybody else
// holds: pushing work wakes the host's actor once per batch.
//
// Invariants: work is executed in the order of push(). Every `done` is called exactly once, also
// when the host stops (Status kUnavailable, or what its outage says).
// Thread: WorkQueue from any; the work itself is run by the module host. Units: bytes,
// microseconds.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "actors/delivery_desk.h"
#include "actors/executed_batch.h"
#include "actors/inbox.h"
#include "actors/messages.h"
#include "actors/schedule_queue.h"
#include "runtime/runtime_types.h"

namespace worldline::actors {

struct SessionOpenWork {
  SessionId session;
  SessionOpen open;
  std::shared_ptr<Session> handle;  // Given to `done` once the client is connected.
  Callback<Result<std::shared_ptr<Session>>> done;
};

struct SessionBatchWork {
  SessionId session;
  std::shared_ptr<SessionSink> sink;
  std::shared_ptr<const ClientBatch> batch;
  std::chrono::steady_clock::time_point arrived;
};

struct SessionCloseWork {
  SessionId session;
};

struct CallWork {
  CallRequest request;
  schema::ConnectionId connection_id;  // Random, chosen by the node.
  Callback<CallReply> done;
  std::chrono::steady_clock::time_point arrived;
};

struct SqlWork {
  SqlRequest request;
  schema::ConnectionId connection_id;
  Callback<Result<SqlReply>> done;
};

// A schedule row fell due. The scheduler takes the next one when `done` was called.
struct ScheduledWork {
  DueSchedule due;
  std::function<void()> done;
};

// A call the module asked for with volatile_nonatomic_schedule_immediate.
struct ImmediateWork {
  runtime::ImmediateCall call;
};

struct UpdateWork {
  PublishRequest request;
  // Runs when the update is committed, or changed nothing; or its confirmation takes too long.
  Callback<Status> done;
};

struct PrePublishWork {
  PrePublishRequest request;
  Callback<Result<PrePublishReply>> done;
};

struct SchemaWork {
  int version = 10;
  Callback<Result<std::string>> done;
};

// The program as published, for a reset that keeps it.
struct ProgramWork {
  struct Program {
    HostType host_type = HostType::kJs;
    SharedBytes bytes;
  };
  Callback<Result<Program>> done;
};

struct LogsWork {
  LogsRequest request;
  std::shared_ptr<LogReader> reader;
  Callback<Status> done;
};

struct SnapshotHintWork {
  SnapshotHint hint;
};

// Asks for a sample of sizes, if one is due [S 05/6.2].
struct SampleWork {};

// Ends the host: everything before it is executed and answered, sessions are closed with `reason`,
// nothing after it is taken.
enum class StopKind : uint8_t {
  kRestartable,  // A last checkpoint makes the next start quick.
  kForGood,      // The group will be removed: nothing more is written.
};

struct StopWork {
  StopKind kind = StopKind::kRestartable;
  CloseReason reason;
  std::function<void()> done;
};

using HostWork =
    std::variant<SessionBatchWork, SessionOpenWork, SessionCloseWork, CallWork, SqlWork,
                 ScheduledWork, ImmediateWork, UpdateWork, PrePublishWork, SchemaWork, ProgramWork,
                 LogsWork, SnapshotHintWork, SampleWork, StopWork>;

// What a piece of work takes in the inbox, beside what its sender counts.
inline constexpr size_t kWorkBytes = 256;

// Answers work that will never run.
void refuse_work(HostWork& work, const Status& why);

class WorkQueue {
 public:
  explicit WorkQueue(size_t bytes_max) : inbox_(bytes_max) {}

  // Called once, before anybody pushes. `wake` must not block.
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }

  // On failure the work is answered with the failure. House-keeping is never refused for its size.
  void push(HostWork work, size_t bytes = kWorkBytes) {
    offer(std::move(work), bytes).ignore("the work was answered with it");
  }
  // The same; for work without an answer the sender is told.
  Status offer(HostWork work, size_t bytes);
  std::vector<HostWork> take(std::vector<HostWork> spare) { return inbox_.take(std::move(spare)); }
  size_t size() const { return inbox_.size(); }
  void close(const Status& why) { inbox_.close(why); }
  void wake() const { wake_(); }

 private:
  Inbox<HostWork> inbox_;
  std::function<void()> wake_;
};

}  // namespace worldline::actors
