// gateway/io_thread.h
//
// IoThread runs one io_context on one thread and owns the connections on it. Other threads reach a
// connection only through the thread's IoInbox, by id, so that connections are created, used and
// destroyed on their own thread without locks or shared counts.
//
// Invariants: a Peer is touched by its thread alone; an event for a peer that has gone is dropped
// (a session that was being opened for it is closed); after stop() nothing is posted any more.
// Thread: IoInbox::push() from any; everything else on the I/O thread, but start(), join().
// Errors: Status from start(). Exceptions of Asio end at asio_boundary.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "actors/messages.h"
#include "base/clock.h"
#include "base/status.h"
#include "gateway/buffer_pool.h"
#include "gateway/http_message.h"
#include "gateway/message_framer.h"
#include "gateway/peer_count.h"

namespace worldline::gateway {

namespace net = boost::asio;

struct PeerId {
  uint32_t slot = 0;
  uint32_t generation = 0;
};

// The seldom things a peer is told; batches and credit travel in PeerEvent itself.
struct SessionOpened {
  Result<std::shared_ptr<actors::Session>> session;
};
struct LogStreamStart {
  HttpResponse head;
  std::shared_ptr<class LogStream> lines;
};
struct LogLines {};  // Lines wait in the stream's own buffer.
using PeerNotice = std::variant<HttpResponse, UpgradePlan, SessionOpened, actors::CloseReason,
                                LogStreamStart, LogLines>;

struct PeerEvent {
  PeerId peer;
  uint32_t consumed_messages = 0;
  uint64_t consumed_bytes = 0;
  OutboundBatchPtr batch;
  std::unique_ptr<PeerNotice> notice;
};

// What lives on an I/O thread: an HTTP connection or a WebSocket session.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void on_event(PeerEvent event) = 0;
  virtual void flush() = 0;  // After the events of one drain.
  virtual void on_tick(std::chrono::steady_clock::time_point now) = 0;
  virtual void on_stop() = 0;     // Finish what was accepted, then go.
  virtual void on_abandon() = 0;  // The grace is over: close the socket.
  // A request was accepted and its answer has not left entirely.
  virtual bool is_unanswered() const = 0;
};

class IoThread;

// The mailbox of an I/O thread: whoever pushes into an empty one wakes the thread once.
class IoInbox {
 public:
  explicit IoInbox(IoThread& thread) : thread_(&thread) {}
  void push(PeerEvent event);
  void run(std::function<void()> work);  // On the I/O thread, before later pushes are seen.
  void close();                          // What is pushed from here on is dropped.
  void take(std::vector<PeerEvent>& events, std::vector<std::function<void()>>& work);

 private:
  void wake();  // REQUIRES: mutex_ held.

  std::mutex mutex_;
  IoThread* thread_;  // Guarded by mutex_, as are the next three; null after close().
  std::vector<PeerEvent> events_;
  std::vector<std::function<void()>> work_;
  bool woken_ = false;
};

class IoThread {
 public:
  static Result<std::unique_ptr<IoThread>> create(const GatewayConfig& config, const Clock& clock,
                                                  PeerCount& peer_count);
  ~IoThread();

  Status start();  // Starts the thread.
  void join();     // After request_exit(); idempotent.

  net::io_context& context() { return context_; }
  const std::shared_ptr<IoInbox>& inbox() const { return inbox_; }
  BufferPool& buffers() { return buffers_; }
  MessageFramer& framer() { return framer_; }
  const Clock& clock() const { return clock_; }

  PeerId add(std::shared_ptr<Peer> peer);
  void remove(PeerId id);
  void replace(PeerId id, std::shared_ptr<Peer> peer);  // An upgrade keeps id and slot.
  void mark_dirty(PeerId id);                           // flush() it at the end of this drain.

  void stop_peers();  // on_stop() for all, and for those that come later.
  // on_abandon() for all, then ends the loop.
  void abandon_peers();
  // Peers that abandon_peers() found unanswered. REQUIRES: join() returned.
  size_t unanswered_count() const { return unanswered_count_; }
  bool stopping() const { return stopping_; }
  void request_exit();  // From any thread: ends the loop.

 private:
  friend class IoInbox;
  struct Slot {
    std::shared_ptr<Peer> peer;  // Null: free.
    uint32_t generation = 0;
    bool dirty = false;
  };

  IoThread(const GatewayConfig& config, const Clock& clock, PeerCount& peer_count);
  void drain();
  void dispatch(PeerEvent& event);
  void arm_tick();
  void tick();

  const GatewayConfig& config_;  // Borrowed; outlives this.
  const Clock& clock_;           // Borrowed; outlives this.
  PeerCount& peer_count_;        // Likewise.
  net::io_context context_;
  net::steady_timer tick_timer_;
  std::shared_ptr<IoInbox> inbox_;
  BufferPool buffers_;
  MessageFramer framer_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<PeerId> dirty_;
  std::vector<PeerEvent> events_;            // Scratch of drain().
  std::vector<std::function<void()>> work_;  // Likewise.
  bool stopping_ = false;
  size_t unanswered_count_ = 0;
  std::thread thread_;
};

}  // namespace worldline::gateway
