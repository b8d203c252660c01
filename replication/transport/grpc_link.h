// replication/transport/grpc_link.h
//
// GrpcLink is the way to one peer in one class: the queue that anyone may push to, the stream that
// empties it frame by frame, and the attempts to have one again when it breaks. Control and log are
// dialled at once and always; bulk and calls when there is something to send.
//
// Invariants: one stream at a time; a stream that broke takes what was queued with it. The first
//   attempt after a stream that lasted is immediate, which is how a dead process is told from a
//   dead machine [S 08/3.4]; the pauses after it grow, and count from the start of the attempt.
// Ownership: shared by the transport and its lane's tasks; borrows the context.
// Thread: push() from any; all else the lane's. The mutex guards the queue and the gate only.
// Sources: [S 08/3.1].
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <grpcpp/alarm.h>

#include "replication/transport/dial_pacer.h"
#include "replication/transport/grpc_dialled_stream.h"
#include "replication/transport/send_queue.h"

namespace worldline::replication {

class GrpcLink final : public LaneTask,
                       public std::enable_shared_from_this<GrpcLink>,
                       private DialledStream::Owner {
 public:
  using Done = std::function<void()>;

  GrpcLink(const GrpcContext& context, PeerInfo peer);

  // Any thread. `bytes`: the sum of the batch's bounds.
  Status push(MessageBatch batch, size_t bytes);

  void start();
  void set_addresses(std::vector<std::string> addresses);
  // The peer has reached us, so it can be reached: what is left of a pause is not waited out, once
  // in each life of the peer. More often, two nodes whose streams break at once would never pause.
  void on_reached_by(const NodeLife& peer);
  // Opens a new stream in place of the present one, without losing what is sent meanwhile.
  void refresh(Done done);
  // `done` runs when it is written or cannot be.
  void say_goodbye(GoodbyeReason reason, Done done);
  // Ends for good; `on_closed` runs when nothing is outstanding.
  void close(EndReason reason, Done on_closed);

 private:
  friend class LaneOp<GrpcLink>;
  enum class Phase : uint8_t { kIdle, kOpening, kUp, kPause, kClosed };
  // What push() meets.
  enum class Gate : uint8_t {
    kRing,   // Takes, and wakes the lane.
    kQueue,  // Takes; the lane comes by itself.
    kShut,   // Refuses.
  };

  void run_on_lane() override;  // Rung by push().
  void on_up(const NodeIdentity& peer) override;
  void on_writable() override;
  void on_over(const StreamEnd& end, bool is_clean) override;
  void op_started() { ++outstanding_; }
  void op_returned();
  void on_pause_over(bool ok);

  void dial();
  void write_next();
  void write_goodbye();
  void give_up(const StreamEnd& end);
  void report_dropped(std::vector<MessageBatch> dropped);
  void report_up(const NodeIdentity& peer);
  void pause_or_dial(EndReason reason);
  void finish_refresh();
  void finish_goodbye();
  void set_gate(Gate gate);
  std::vector<MessageBatch> shut();  // Shuts the gate and empties the queue.
  void check_closed();
  bool is_eager() const { return tolerates_loss(context_.cls()); }

  const GrpcContext& context_;  // Borrowed.

  std::mutex mutex_;
  SendQueue queue_;  // Guarded by mutex_.
  Gate gate_;        // Guarded by mutex_.

  // The lane's alone.
  PeerInfo peer_;
  Phase phase_ = Phase::kIdle;
  std::unique_ptr<DialledStream> stream_;  // In kOpening and kUp, and in kClosed while it ends.
  std::optional<NodeLife> reported_;       // The life that on_stream_up() was told of.
  size_t attempts_ = 0;                    // Chooses the address.
  DialPacer pacer_;
  grpc::Alarm pause_;
  uint64_t reached_by_ = 0;  // The last incarnation for which a pause was cut short.
  int outstanding_ = 0;
  FrameEncoder encoder_;
  FrameRun run_;
  std::optional<GoodbyeReason> goodbye_;
  bool is_goodbye_written_ = false;  // Its write is outstanding.
  Done goodbye_done_;
  Done refresh_done_;
  EndReason close_reason_ = EndReason::kStopped;
  Done on_closed_;

  LaneOp<GrpcLink> pause_op_{*this, &GrpcLink::on_pause_over};
};

}  // namespace worldline::replication
