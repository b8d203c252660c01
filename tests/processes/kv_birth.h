// tests/processes/kv_birth.h
//
// KvBirth brings a node into its cluster when all it was given is a list of seeds: it lets
// ClusterBirth speak with the others through GrpcBirth, and has the genesis stored.
//
// Life: start(); on_time() with every turn of the loop; once is_born(), stop_listening() gives the
//   address to the transport, and late seeds are still helped.
// Invariants: what the node is stands on disk before the first message, the genesis before the
//   second step; at most kSeedMessagesMax messages wait for the loop.
// Ownership: one KvNode. Thread: the loop's; callbacks of the library only post.
// Errors: a genesis that cannot be stored ends the process.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "replication/node/cluster_birth.h"
#include "replication/transport/grpc_birth.h"
#include "tests/processes/loop.h"

namespace worldline::kv {

inline constexpr size_t kSeedMessagesMax = 256;

// 0 only for no token.
uint64_t hash_of_token(const std::string& token);

class KvBirth final : private replication::BirthListener {
 public:
  struct Parts {
    Loop* loop = nullptr;                                    // Borrowed; outlives this.
    std::function<void(const replication::Genesis&)> store;  // Returns when it is durable.
    std::function<void(const char* step)> reached;           // For tests that kill here.
    replication::BirthConfig config;
    replication::TransportConfig transport;
  };
  static Result<std::unique_ptr<KvBirth>> start(Parts parts, Timestamp now);
  ~KvBirth() override;

  void on_time(replication::BootTime now);
  bool is_born() const { return birth_.is_born(); }
  // REQUIRES: is_born().
  const replication::Genesis& genesis() const { return *birth_.genesis(); }
  std::string text(replication::BootTime now) const { return birth_.status_text(now); }

  replication::BirthListener& listener() { return *this; }
  void stop_listening() { link_->stop_listening(); }
  void stop() { link_->stop(); }

 private:
  explicit KvBirth(Parts parts);
  Status on_birth(const std::string& from, replication::BirthMessage message) override;
  void on_undelivered(const std::string& to, const Status& why) override;
  void act();
  void note_sent(const replication::BirthMessage& message);

  Parts parts_;
  replication::ClusterBirth birth_;
  replication::BootTime now_;  // Of the turn.
  std::atomic<size_t> waiting_{0};
  std::string last_text_;  // Told last.
  std::unique_ptr<replication::GrpcBirth> link_;
};

}  // namespace worldline::kv
