// gateway/websocket_session.h
//
// WebSocketSession is one upgraded connection: it decodes everything that arrived in one read into
// one batch for the node, and sends whatever the node delivered as one gather write.
//
// Invariants: the node sees no message before client_connected succeeded; its disconnect procedure
// starts exactly once, whoever ends the session; after a close frame nothing but it is sent; unsent
// bytes, unconsumed bytes and message counts are bounded by the configuration; while stopping, an
// answered client keeps its socket until it has what was sent, or the grace is over.
// Ownership: a Peer of one IoThread, touched by that thread alone.
// Errors: client faults end the session with the close code of [S 02/5.6]; nothing is thrown.
// Sources: [S 02/5.3-5.6, 02/8].
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "actors/messages.h"
#include "gateway/frame_reader.h"
#include "gateway/gateway_core.h"
#include "gateway/io_thread.h"
#include "gateway/out_queue.h"
#include "gateway/socket.h"

namespace worldline::gateway {

class WebSocketSession final : public Peer, public std::enable_shared_from_this<WebSocketSession> {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  WebSocketSession(GatewayCore& core, IoThread& thread, PeerId id, Socket socket, UpgradePlan plan);

  // Asks the node for the session. `early` are bytes the client sent behind its handshake.
  void start(Bytes early);

  void on_event(PeerEvent event) override;
  void flush() override;
  void on_tick(SteadyTime now) override;
  void on_stop() override;
  void on_abandon() override;
  bool is_unanswered() const override;

 private:
  enum class State : uint8_t {
    kOpening,  // Waiting for client_connected; nothing is read.
    kOpen,
    kClosing,  // Our close frame is on its way; what arrives is discarded.
    kDone,     // Removed; late handlers find this and return.
  };
  // A batch the node has not consumed: how many messages are left, how many frames it was.
  struct Posted {
    uint32_t messages;
    uint32_t frames;
  };

  // Why the input of a session is over.
  struct InputEnd {
    enum class Kind : uint8_t { kNone, kFault, kClientClose, kDrop };
    Kind kind = Kind::kNone;
    DisconnectCause cause = DisconnectCause::kProtocol;  // Of kDrop.
    std::string text;  // The reason of kFault, the payload of kClientClose.
  };

  void on_batch(OutboundBatchPtr batch);
  void on_opened(SessionOpened opened);
  void on_consumed(uint32_t messages, uint64_t bytes);

  void read_when_ready();
  void on_readable();
  void on_bytes();
  InputEnd take_frames(actors::ClientBatch& batch, uint32_t& frames);
  InputEnd on_frame(const IncomingFrame& frame, actors::ClientBatch& batch);
  InputEnd on_control(const IncomingFrame& frame);
  void on_client_close(Bytes payload);
  void post(std::shared_ptr<actors::ClientBatch> batch, uint32_t frames);
  bool may_read() const;
  bool has_undelivered() const;

  void send_control(Opcode opcode, Bytes payload);
  void send_initial_connection();
  void clear_pending();
  void write_out();
  void close_with(uint16_t code, std::string_view reason, DisconnectCause cause);
  void begin_closing(DisconnectCause cause);
  void finish_stop();                // Stopping and nothing unanswered: close 1001.
  void drop(DisconnectCause cause);  // Closes the socket and forgets the session.
  void report_traffic();             // To the metrics.

  GatewayCore& core_;  // Borrowed; outlives this.
  IoThread& thread_;   // Borrowed; outlives this.
  const PeerId id_;
  const UpgradePlan plan_;
  const FramingOptions framing_;
  const std::shared_ptr<DatabaseMetrics> metrics_;
  Socket socket_;

  State state_ = State::kOpening;
  std::shared_ptr<actors::Session> session_;            // Set once open.
  DisconnectCause cause_ = DisconnectCause::kShutdown;  // Of kClosing.
  bool counted_ = false;                                // on_connected() was reported.
  bool stopping_ = false;

  // Input.
  FrameReader reader_;
  bool reading_ = false;  // A wait for readability is pending.
  std::deque<Posted> posted_;
  uint32_t posted_frames_ = 0;  // Sum over posted_.
  uint64_t posted_bytes_ = 0;   // Not consumed.
  size_t last_batch_messages_ = 0;
  uint64_t unanswered_ = 0;      // Requests the node has not answered.
  uint64_t unsent_replies_ = 0;  // Answers since the output was last sent to its end.

  // Output.
  std::vector<OutboundBatchPtr> pending_;  // Delivered, not framed yet.
  size_t pending_bytes_ = 0;
  size_t pending_messages_ = 0;
  OutQueue out_;
  // pending_bytes_ and out_ together, for the node.
  const std::shared_ptr<std::atomic<size_t>> unsent_ = std::make_shared<std::atomic<size_t>>(0);
  bool writing_ = false;  // A wait for writability is pending.
  bool end_after_flush_ = false;

  // Time, looked at by on_tick().
  bool heard_ = true;
  SteadyTime last_heard_;
  SteadyTime last_ping_;
  SteadyTime close_deadline_;
  bool awaiting_pong_ = false;
  int64_t reported_incoming_ = 0;
  int64_t reported_outgoing_ = 0;
};

// How many requests a batch answers: everything but updates and late subscription errors.
uint64_t count_replies(const actors::OutboundBatch& batch);

}  // namespace worldline::gateway
