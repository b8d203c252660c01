// actors/confirmation_wait.h
//
// ConfirmationWait answers the publisher of an update that was executed: with what the commit or
// the deadline says, or, if what would have said it is thrown away, that the transaction was
// cancelled.
//
// Invariant: exactly one answer, the first. Ownership: shared by the closures that may answer.
// Thread: the subscription actor's; the last owner may end on any, once nobody can answer.
// Errors: kUnavailable with the text of [S 04/1.3 no. 12]. The other text there, of a database that
// crashed while waiting, has no place here: a group that fails ends the process.
#pragma once

#include <utility>

#include "actors/messages.h"

namespace worldline::actors {

class ConfirmationWait {
 public:
  explicit ConfirmationWait(Callback<Status> done) : done_(std::move(done)) {}
  ConfirmationWait(const ConfirmationWait&) = delete;
  ConfirmationWait& operator=(const ConfirmationWait&) = delete;
  ~ConfirmationWait() {
    answer(Status::unavailable("Database update failed: transaction was cancelled"));
  }

  void answer(const Status& status) {
    if (const auto done = std::exchange(done_, nullptr)) done(status);
  }

 private:
  Callback<Status> done_;
};

}  // namespace worldline::actors
