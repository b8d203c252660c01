#include "replication/transport/transport_types.h"

namespace worldline::replication {

const char* traffic_class_name(TrafficClass cls) {
  switch (cls) {
    case TrafficClass::kControl:
      return "control";
    case TrafficClass::kLog:
      return "log";
    case TrafficClass::kBulk:
      return "bulk";
    case TrafficClass::kCalls:
      return "calls";
  }
  return "unknown";
}

const char* end_reason_name(EndReason reason) {
  switch (reason) {
    case EndReason::kClosed:
      return "closed";
    case EndReason::kSilent:
      return "silent";
    case EndReason::kRefused:
      return "refused";
    case EndReason::kUnreachable:
      return "unreachable";
    case EndReason::kRejected:
      return "rejected";
    case EndReason::kProtocol:
      return "protocol";
    case EndReason::kRemoved:
      return "removed";
    case EndReason::kStopped:
      return "stopped";
  }
  return "unknown";
}

const char* transport_note_name(TransportNoteKind kind) {
  switch (kind) {
    case TransportNoteKind::kHandshakeRefused:
      return "handshake refused";
    case TransportNoteKind::kBadFrame:
      return "bad frame";
    case TransportNoteKind::kMessageRefused:
      return "message refused";
    case TransportNoteKind::kUnknownMessage:
      return "unknown message";
    case TransportNoteKind::kStreamRejected:
      return "stream rejected";
  }
  return "unknown";
}

}  // namespace worldline::replication
