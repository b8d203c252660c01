// bench/load/call_session.h
//
// CallSession is one client connection in a closed loop: it keeps a fixed number of transfers in
// flight. All answers of one read are taken together, and their successors leave in one v3 frame
// with one send.
//
// Invariants: every slot is either in flight (its begin time is set) or being re-issued; a request
// id is the number of its slot. No allocation after start().
// Ownership: owns its socket. Thread: the one that runs it; the clock is read by the caller.
// Errors: kUnavailable, kIoError, kInvalidArgument (not what the protocol allows) end the run.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "bench/load/call_tally.h"
#include "bench/load/http_call.h"
#include "bench/load/transfer_pairs.h"
#include "bench/load/websocket_frames.h"

namespace worldline::bench {

struct SessionOptions {
  NodeAddress address;
  std::string database;  // Name or identity.
  std::string token;     // Empty = anonymous.
  uint32_t in_flight = 40;
  std::span<const TransferPair> pairs;  // Borrowed; outlives the session.
  size_t first_pair = 0;
};

class CallSession {
 public:
  // Connects, upgrades, and waits for the node's greeting.
  static Result<std::unique_ptr<CallSession>> open(const SessionOptions& options);
  ~CallSession();
  CallSession(const CallSession&) = delete;
  CallSession& operator=(const CallSession&) = delete;

  int fd() const { return fd_; }
  Status start(uint64_t now_us);                          // Puts all slots in flight.
  Status on_readable(uint64_t now_us, CallTally& tally);  // Takes what the socket has.
  Status on_writable();
  // Gives up on the calls begun at or before `begun_until_us`. Their slots stay empty until a late
  // answer comes, so that it cannot be taken for another call's.
  void give_up(uint64_t begun_until_us, uint64_t now_us, CallTally& tally);
  void stop_issuing() { is_issuing_ = false; }  // Answers are still taken.

  bool wants_write() const { return !unsent_.empty(); }
  uint32_t in_flight() const { return in_flight_; }  // Without those that were given up.

 private:
  static constexpr uint64_t kGivenUp = UINT64_MAX;

  CallSession(const SessionOptions& options, int fd);
  Status upgrade();
  Status await_greeting();
  Status take_messages(Bytes body, uint64_t now_us, CallTally& tally);
  Status take_other(Bytes& body, uint64_t now_us, CallTally& tally);
  bool finish_slot(uint32_t request_id);  // False: its call had been given up.
  Status issue(uint64_t now_us);          // Everything in free_slots_, as one frame.
  Status send_frame(Opcode opcode, Bytes payload);
  Status send_bytes(Bytes bytes);

  const SessionOptions options_;
  const int fd_;
  ByteBuffer call_;  // One encoded call; request id and arguments are patched in.
  size_t next_pair_;
  FrameScanner scanner_;
  ByteBuffer frame_;                  // Of issue(); reused.
  ByteBuffer unsent_;                 // What the socket did not take.
  std::vector<uint64_t> begun_us_;    // Per slot; 0 = not in flight, or kGivenUp.
  std::vector<uint32_t> free_slots_;  // To be issued next.
  uint32_t in_flight_ = 0;
  bool is_issuing_ = true;
};

}  // namespace worldline::bench
