// actors/outage.h
//
// Outage says why a database of the catalog is not served here, for the server's log, its clients
// and the metrics page. The other databases of the node go on.
//
// Thread: values. Errors: outage_status() is always kCorruption, which the gateway answers with 503
// and the text. Sources: [S 08/2] for the scopes R and G, [S 08/3.7] for what a start finds.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "base/status.h"

namespace worldline::actors {

enum class OutageKind : uint8_t {
  kQuarantined,  // It broke an invariant. Marked on disk: no start serves it again.
  kFrozen,       // Its group held two truths. Marked on disk likewise.
  kDamaged,      // The start found its data damaged, or of a newer format, and changed nothing.
  kStopped,      // It can commit nothing more; the next start recovers it.
};

struct Outage {
  GroupId group;
  OutageKind kind = OutageKind::kDamaged;
  std::string reason;  // What was found, for people.
};

// A label of the metrics page.
const char* outage_name(OutageKind kind);

// What happened, and what its operator can do.
Status outage_status(const Outage& outage);

}  // namespace worldline::actors
