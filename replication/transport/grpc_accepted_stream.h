// replication/transport/grpc_accepted_stream.h
//
// A stream that somebody else dialled: it proves who it is, then its frames become batches. The
// next frame is read when the last one was handed out and the receive window has room.
//
// Life: offer() waits for a call; on_arrived() when one came; on_over() exactly once, after which
//   nothing is outstanding and the owner destroys it.
// Invariants: at most one frame is in memory besides what the window counts; nothing is handed out
//   before the handshake, after close(), or once a newer life of the peer was seen.
// Ownership: by its acceptor. Thread: the lane's.
// Sources: [S 08/3.1], [S 08/1.5 G2].
#pragma once

#include <memory>
#include <string>

#include <grpcpp/alarm.h>

#include "replication/transport/grpc_context.h"
#include "replication/transport/grpc_service.h"
#include "replication/transport/receive_window.h"

namespace worldline::replication {

class AcceptedStream final : private WindowWaker {
 public:
  class Owner {
   public:
    virtual void on_arrived(AcceptedStream& stream) = 0;
    virtual void on_identified(AcceptedStream& stream) = 0;  // Before its first batch.
    virtual void on_over(AcceptedStream& stream) = 0;

   protected:
    ~Owner() = default;
  };

  // Borrowed; they outlive this.
  AcceptedStream(const GrpcContext& context, GrpcService& service, Owner& owner);
  ~AcceptedStream() { window_->detach(); }

  void offer();
  void listen();                            // After on_arrived(): reads the handshake.
  void refuse(const grpc::Status& status);  // After on_arrived(): ends it instead.
  void close();                             // Ends it at once; the dialler may come again.
  // Ends it for a message that no node sends; the dialler learns why. No effect before the
  // handshake or when it is over.
  void reject(const std::string& why);

  bool is_identified() const { return phase_ == Phase::kOpen; }
  const NodeLife& peer() const { return peer_; }

 private:
  friend class LaneOp<AcceptedStream>;
  class Resume;
  enum class Phase : uint8_t { kOffered, kGreeting, kOpen, kOver };

  void on_window_open() override;  // Any thread.
  void op_started() { ++outstanding_; }
  void op_returned();
  void on_requested(bool ok);
  void on_read(bool ok);
  void on_written(bool ok);
  void on_finished(bool) {}
  void on_timeout(bool ok);
  void read_next();
  void resume();
  void hear_handshake(const DecodedFrame& frame);
  Status check_dialler(const Handshake& handshake);
  void hear_frame(DecodedFrame frame, size_t bytes);
  void note_left_out(const DecodedFrame& frame);
  void fail(grpc::StatusCode code, const std::string& text);
  void end(const grpc::Status& status);

  const GrpcContext& context_;  // Borrowed.
  GrpcService& service_;        // Borrowed.
  Owner& owner_;                // Borrowed.
  const std::shared_ptr<ReceiveWindow> window_;

  Phase phase_ = Phase::kOffered;
  NodeLife peer_;        // Zero until the handshake.
  int outstanding_ = 0;  // Operations that have not reported.
  bool is_reading_ = false;
  bool is_writing_ = false;
  bool is_closing_ = false;         // close() was called.
  std::shared_ptr<Resume> resume_;  // Cuts the window's task off from this when it is over.
  grpc::Status final_status_;

  grpc::ServerContext call_context_;
  AcceptedCall call_;
  grpc::ByteBuffer received_;
  ReceivedFrame frame_;
  grpc::Alarm timer_;

  LaneOp<AcceptedStream> request_op_{*this, &AcceptedStream::on_requested};
  LaneOp<AcceptedStream> read_op_{*this, &AcceptedStream::on_read};
  LaneOp<AcceptedStream> write_op_{*this, &AcceptedStream::on_written};
  LaneOp<AcceptedStream> finish_op_{*this, &AcceptedStream::on_finished};
  LaneOp<AcceptedStream> timer_op_{*this, &AcceptedStream::on_timeout};
};

}  // namespace worldline::replication
