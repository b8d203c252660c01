// tests/replication/transport/mute_peer.h
//
// A peer made with the generated classes alone: it answers handshakes, reads what comes in every
// class but one, and never reads that. So it is at once a peer that is stuck, and the proof that
// what we send is what the schema says.
#pragma once

#include <memory>

#include "tests/replication/transport/transport_fixture.h"

namespace worldline::replication::testing {

class MutePeer {
 public:
  MutePeer(const TransportConfig& config, TrafficClass unread);
  ~MutePeer();  // Ends all streams.

  PeerInfo info() const;
  // Waits until `count` envelopes were read; false after the deadline.
  bool wait_envelopes(size_t count);

 private:
  class Service;
  const TransportConfig config_;
  const std::unique_ptr<Service> service_;
  struct Server;
  std::unique_ptr<Server> server_;
  int port_ = 0;
};

// What a client that is no node gets for the frames it sends: the status of its call.
struct RawAnswer {
  bool is_ok = false;
  std::string code;
  std::string text;
};
RawAnswer send_raw(uint16_t port, TrafficClass cls, const std::vector<std::string>& frames);

}  // namespace worldline::replication::testing
