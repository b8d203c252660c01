// replication/transport/grpc_dialled_stream.h
//
// One attempt to reach a peer, and the stream that comes of it: connection, call, handshake, then
// one frame after the other. Each attempt has a channel of its own, so the address is resolved and
// the certificates are read anew, and nothing of a failed one lingers.
//
// Life: open(), then on_up() or not, then on_over() exactly once, after which nothing is
// outstanding
//   and the owner destroys it.
// Invariants: at most one write is outstanding; nothing is written before the peer has proved who
//   it is. Ownership: by its link. Thread: the lane's.
// Sources: [S 08/3.1].
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include "replication/transport/grpc_context.h"

namespace worldline::replication {

class DialledStream {
 public:
  class Owner {
   public:
    virtual void on_up(const NodeIdentity& peer) = 0;
    virtual void on_writable() = 0;  // The frame was taken; the next may be written.
    // Nothing is outstanding. `text` and reason say why; clean: after finish_writing(), the peer
    // has read everything.
    virtual void on_over(const StreamEnd& end, bool is_clean) = 0;

   protected:
    ~Owner() = default;
  };

  // `context` and `owner` are borrowed; they outlive this.
  DialledStream(const GrpcContext& context, PeerInfo peer, Owner& owner);

  void open(const std::string& address);
  bool can_write() const { return phase_ == Phase::kUp && !is_writing_; }
  void write(const EncodedFrame& frame);  // REQUIRES: can_write().
  // Ends the stream once the peer has read what was written.
  void finish_writing();
  void cancel(StreamEnd end);  // on_over() follows with `end`.

 private:
  friend class LaneOp<DialledStream>;
  enum class Phase : uint8_t { kOpening, kUp, kFinishing, kOver };

  void op_started() { ++outstanding_; }
  void op_returned();
  void on_started(bool ok);
  void on_read(bool ok);
  void on_written(bool ok);
  void on_half_closed(bool) {}
  void on_finished(bool ok);
  void on_timeout(bool ok);
  void greet();
  void hear_reply();
  Status check_peer(const NodeIdentity& peer, const HandshakeReply& reply);
  void reject(const Status& status);
  void finish();
  void half_close();
  StreamEnd end_of_call() const;

  const GrpcContext& context_;  // Borrowed.
  const PeerInfo peer_;
  Owner& owner_;  // Borrowed.

  Phase phase_ = Phase::kOpening;
  bool was_up_ = false;
  bool is_writing_ = false;
  bool wants_half_close_ = false;
  int outstanding_ = 0;           // Operations that have not reported.
  std::optional<StreamEnd> end_;  // Decided on this side; else the call's status tells.

  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext call_context_;
  std::unique_ptr<grpc::GenericStub> stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer received_;
  grpc::Status status_;
  grpc::Alarm opening_timer_;
  grpc::Alarm finishing_timer_;  // Its own: an alarm is not set again before it has reported.

  LaneOp<DialledStream> start_op_{*this, &DialledStream::on_started};
  LaneOp<DialledStream> read_op_{*this, &DialledStream::on_read};
  LaneOp<DialledStream> write_op_{*this, &DialledStream::on_written};
  LaneOp<DialledStream> half_close_op_{*this, &DialledStream::on_half_closed};
  LaneOp<DialledStream> finish_op_{*this, &DialledStream::on_finished};
  LaneOp<DialledStream> timer_op_{*this, &DialledStream::on_timeout};
};

}  // namespace worldline::replication
