// replication/transport/birth_listener.h
//
// BirthListener hears what other seeds say before there is a cluster [S 08/3.9], and to those that
// are late, after it. Who they are is their own word; with TLS, it fits their certificate.
//
// Ownership: borrowed by those that call it; outlives them. Thread: any; must not block.
#pragma once

#include <string>

#include "base/status.h"
#include "replication/node/node_messages.h"

namespace worldline::replication {

class BirthListener {
 public:
  virtual ~BirthListener() = default;

  // Not OK: it was not taken, and `from` is told why. kOverloaded: no room; it will come again.
  virtual Status on_birth(const std::string& from, BirthMessage message) = 0;
  // What was to be said to this seed is lost.
  virtual void on_undelivered(const std::string& to, const Status& why) = 0;
};

}  // namespace worldline::replication
