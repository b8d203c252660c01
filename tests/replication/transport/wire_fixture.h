// tests/replication/transport/wire_fixture.h
//
// Random messages that a peer may send, and the naive codec that the real one is compared with:
// protobuf's generated classes, filled field by field.
#pragma once

#include <string>
#include <vector>

#include <proto/replication.pb.h>

#include "base/prng.h"
#include "replication/transport/wire_codec.h"

namespace worldline::replication::testing {

namespace pb = worldline::replication::v1;

// Ends of the streams in these tests.
inline constexpr NodeLife kSender{NodeId{3}, 17};
inline constexpr NodeId kReceiver{5};
StreamEnds ends_of(TrafficClass cls);

SharedBytes payload_of(size_t bytes, Byte fill = 0x61);
Membership three_voters();
NodeIdentity identity_of(NodeId node, uint64_t incarnation);

// An envelope from kSender to kReceiver with plain numbers.
Envelope envelope_with(MessageBody body);
Entry entry_at(uint64_t index, uint64_t term, SharedBytes payload,
               EntryKind kind = EntryKind::kBundle);

// One message of each kind, all fields set; in the order of the variants.
std::vector<WireMessage> one_of_each();
WireMessage random_message(Prng& prng);

std::string bytes_of(const EncodedFrame& frame);
// Cuts at random places; the segments borrow `bytes`.
std::vector<Bytes> random_segments(std::string_view bytes, Prng& prng);
Result<DecodedFrame> decode_text(std::string_view bytes, TrafficClass cls);

// The naive codec.
pb::Frame frame_of(std::span<const WireMessage* const> run);
pb::Frame frame_of(const Handshake& handshake);
std::string naive_bytes(const pb::Frame& frame);  // Checksum included.
std::string encoded(const WireMessage& message);  // With the real encoder.

}  // namespace worldline::replication::testing
