// actors/messages.h
//
// What crosses between the gateway and the node: plain structs and three small interfaces. The
// gateway decodes and encodes; the node (actors/) routes and executes. No CAF, no sockets here.
//
// Invariants: everything passed is frozen (shared_ptr<const T>) or a value moved over; one batch
// per read and per reply, never one message at a time. Every request gets exactly one answer, also
// when the node stops (Status kUnavailable).
// Thread: NodeApi and Session may be called from any thread and never block. Callbacks and
// SessionSink methods are called from node threads and must not block: post to your own executor.
// Units: bytes, microseconds. Errors: Status; its message is the text a client is shown.
// Sources: [S 02/3, 02/5, 02/10, 02/11], [S 04/1].
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/cancel_flag.h"
#include "base/ids.h"
#include "base/status.h"
#include "schema/hash.h"
#include "schema/identity.h"
#include "schema/protocol/client_message.h"

namespace worldline::actors {

template <typename T>
using Callback = std::function<void(T)>;

// Who asks: the authenticated identity and the JSON text of the token's payload (second segment,
// decoded), which modules may read [S 02/11.8].
struct Caller {
  schema::Identity identity;
  std::string jwt_payload;
};

// ---- Sessions (WebSocket) -------------------------------------------------------------------

// Decoded client messages of one read, in order. The messages borrow from `frames`.
struct ClientBatch {
  std::vector<SharedBytes> frames;
  std::vector<protocol::ClientMessage> messages;
  size_t bytes = 0;  // Sum of the frames: what admission counts.
};

// Encoded server messages for one session, back to back: the concatenation of `pieces`. Pieces may
// be shared with other sessions; the batch itself may be the same object for many sessions.
struct OutboundPiece {
  SharedBytes bytes;
  uint32_t begin = 0;
  uint32_t end = 0;
};
struct OutboundBatch {
  std::vector<OutboundPiece> pieces;
  std::vector<uint32_t> message_ends;  // Byte offset in the concatenation; ascending.
  size_t bytes() const { return message_ends.empty() ? 0 : message_ends.back(); }
};

struct CloseReason {
  uint16_t code = 1001;  // WebSocket close code; 0 = drop the TCP connection without a frame.
  std::string reason;
};

// The gateway's end of a session. Implementations are thread-safe.
class SessionSink {
 public:
  virtual ~SessionSink() = default;
  virtual void deliver(std::shared_ptr<const OutboundBatch> batch) = 0;
  // The node has taken so many posted messages and bytes off its queue (admission credit).
  virtual void consumed(uint32_t messages, uint64_t bytes) = 0;
  virtual void close(CloseReason reason) = 0;  // No deliver() follows.
  // Delivered and not yet handed to the socket, as far as is known: what is built for a client that
  // does not read is limited by it.
  virtual size_t unsent_bytes() const { return 0; }
};

// The node's end of a session. post() keeps order; close() is idempotent and starts the
// disconnect procedure of [S 02/11.8] exactly once.
class Session {
 public:
  virtual ~Session() = default;
  virtual void post(std::shared_ptr<const ClientBatch> batch) = 0;
  virtual void close() = 0;
};

struct SessionOpen {
  schema::Identity database;
  Caller caller;
  schema::ConnectionId connection_id;
  std::shared_ptr<SessionSink> sink;
};

// ---- Requests over HTTP ------------------------------------------------------------------------

// `:db` of a route, already parsed: an identity (64 hex digits) or a name.
struct DatabaseRef {
  std::optional<schema::Identity> identity;
  std::string name;  // Empty if identity is set.
};

enum class HostType : uint8_t { kWasm, kJs };
enum class MigrationPolicy : uint8_t { kCompatible, kBreakClients };

struct DatabaseInfo {
  schema::Identity database;
  schema::Identity owner;
  HostType host_type = HostType::kJs;
  schema::Hash256 initial_program;
  bool locked = false;
  bool running = true;  // false: out of service, or its module could not be loaded.
  std::vector<std::string> names;
  std::string outage;  // Not empty: it is out of service, and this is what its clients are told.
};

struct PublishRequest {
  std::optional<DatabaseRef> database;  // nullopt: POST, a fresh nameless database.
  Caller caller;
  HostType host_type = HostType::kWasm;
  SharedBytes program;
  bool clear = false;
  uint64_t replica_count = 0;  // As asked for; 0: the node's default.
  std::optional<DatabaseRef> parent;
  std::optional<DatabaseRef> organization;
  bool may_create = true;  // Does the caller's issuer let it create databases?
  MigrationPolicy policy = MigrationPolicy::kCompatible;
  std::optional<schema::Hash256> token;
  // How long an update that was executed may wait for its commit before the caller is told so.
  std::chrono::milliseconds confirmation_timeout{5000};
};

enum class PublishOp : uint8_t {
  kCreated,
  kUpdated,
  kNameDenied,  // `domain` belongs to somebody else; nothing was done.
};

struct PublishReply {
  std::optional<std::string> domain;
  schema::Identity database;
  PublishOp op = PublishOp::kCreated;
};

struct PrePublishRequest {
  DatabaseRef database;
  Caller caller;
  HostType host_type = HostType::kWasm;
  SharedBytes program;
  bool ansi_color = true;
};

struct PrePublishReply {
  bool auto_migrate = true;  // false: `text` is the reason of the refusal.
  std::string text;
  bool break_clients = false;
  schema::Hash256 token;
  bool major_version_upgrade = false;
};

struct CallRequest {
  DatabaseRef database;
  Caller caller;
  std::string function;
  std::string args_json;
};

enum class CallStatus : uint8_t {
  kCommitted,       // 200, empty
  kReducerFailed,   // 530, text
  kOutOfBudget,     // 402
  kNoSuchFunction,  // 404
  kLifecycle,       // 400, text
  kBadArguments,    // 400, text
  kConnectRefused,  // 403, text
  kConnectBudget,   // 503, text
  kFailed,          // Any other: `status` says which.
};

struct CallReply {
  CallStatus outcome = CallStatus::kFailed;
  Status status;     // For kFailed.
  std::string text;  // The text for the caller.
  int64_t execution_micros = 0;
};

struct SqlRequest {
  DatabaseRef database;
  Caller caller;
  std::string statement;
  CancelFlagPtr abandoned = nullptr;  // Set when the client has left; null: it cannot be told.
};

struct SqlReply {
  std::string json;  // The one-element array of [S 02/3.10].
  int64_t execution_micros = 0;
};

struct LogsRequest {
  DatabaseRef database;
  Caller caller;
  std::optional<uint32_t> line_count;
  bool follow = false;
};

// Receives whole NDJSON lines. `push` returns false when the reader is gone or lags too far: the
// node then forgets it. finish() is called once when no more will come.
class LogReader {
 public:
  virtual ~LogReader() = default;
  virtual bool push(std::string_view lines) = 0;
  virtual void finish() = 0;
};

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

// Figures the metrics page shows; sources are in the node. A flat list keeps gateway and node
// independent: names and labels as in [S 05/6].
struct MetricSample {
  struct Bucket {
    double upper_bound = 0;  // Of the last one: infinity.
    uint64_t count = 0;      // Observations up to the bound: those of lower buckets included.
  };

  std::string name;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;  // Of a histogram: the sum of its observations.
  MetricKind kind = MetricKind::kGauge;
  std::vector<Bucket> buckets;  // Of a histogram, ascending; the last counts all observations.
};

class NodeApi {
 public:
  virtual ~NodeApi() = default;

  // The identity of a database that exists. Unknown name: kNotFound "`name` not found"; identity
  // without database: "No such database."
  virtual void resolve_database(DatabaseRef database, Callback<Result<schema::Identity>> done) = 0;
  // The same, and everything that is known of it.
  virtual void find_database(DatabaseRef database, Callback<Result<DatabaseInfo>> done) = 0;
  virtual void databases_of(schema::Identity owner,
                            Callback<Result<std::vector<schema::Identity>>> done) = 0;

  // Faults are told in the order of decisions of [S 02/3.4].
  virtual void publish(PublishRequest request, Callback<Result<PublishReply>> done) = 0;
  virtual void pre_publish(PrePublishRequest request, Callback<Result<PrePublishReply>> done) = 0;
  // Empty program: keep the present one and wipe the data.
  virtual void reset(PublishRequest request, Callback<Result<PublishReply>> done) = 0;
  virtual void remove(DatabaseRef database, Caller caller, Callback<Status> done) = 0;
  virtual void set_locked(DatabaseRef database, Caller caller, bool locked,
                          Callback<Status> done) = 0;
  // Adds one name. kAlreadyExists, kPermissionDenied.
  virtual void add_name(DatabaseRef database, Caller caller, std::string name,
                        Callback<Result<schema::Identity>> done) = 0;
  // Replaces all names. kPermissionDenied (not the owner), kAlreadyExists (message = the name).
  virtual void replace_names(DatabaseRef database, Caller caller, std::vector<std::string> names,
                             Callback<Status> done) = 0;

  virtual void schema_json(DatabaseRef database, int version,
                           Callback<Result<std::string>> done) = 0;
  virtual void call(CallRequest request, Callback<CallReply> done) = 0;
  virtual void sql(SqlRequest request, Callback<Result<SqlReply>> done) = 0;
  // OK status: lines follow through the reader until finish().
  virtual void logs(LogsRequest request, std::shared_ptr<LogReader> reader,
                    Callback<Status> done) = 0;

  // `done` runs after client_connected committed; refused by it: kUserError with the module's text.
  virtual void open_session(SessionOpen open, Callback<Result<std::shared_ptr<Session>>> done) = 0;

  virtual std::vector<MetricSample> metrics() = 0;
};

}  // namespace worldline::actors
