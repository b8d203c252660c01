#include "replication/node/birth_codec.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/record_reader.h"

namespace worldline::replication {
namespace {

constexpr Byte kVersion = 1;
enum class BirthKind : Byte {
  kHello = 1,
  kPledgeRequest = 2,
  kPledge = 3,
  kOffer = 4,
  kGenesis = 5,  // Stored, never spoken.
};

// --- Writing -------------------------------------------------------------------------------------

void put(ByteBuffer& out, const Uuid& uuid) {
  append(out, Bytes(uuid));
}
void put(ByteBuffer& out, uint64_t number) {
  append_le(out, number);
}
void put(ByteBuffer& out, bool flag) {
  out.push_back(flag ? 1 : 0);
}
void put(ByteBuffer& out, const std::string& text) {
  WL_CHECK(text.size() <= kNodeAddressBytesMax);
  append_le(out, static_cast<uint16_t>(text.size()));
  append(out, as_bytes(text));
}
void put(ByteBuffer& out, const Genesis& genesis) {
  WL_CHECK(genesis.seeds.size() <= kSeedsMax);
  put(out, genesis.cluster);
  put(out, genesis.token_hash);
  append_le(out, static_cast<uint16_t>(genesis.seeds.size()));
  for (const GenesisSeed& seed : genesis.seeds) {
    put(out, seed.uuid);
    put(out, seed.node.value);
    put(out, seed.replica.value);
    put(out, seed.address);
  }
}

ByteBuffer begin(BirthKind kind) {
  return {kVersion, static_cast<Byte>(kind)};
}

ByteBuffer encode(const SeedHello& hello) {
  ByteBuffer out = begin(BirthKind::kHello);
  put(out, hello.uuid);
  put(out, hello.life);
  put(out, hello.token_hash);
  put(out, hello.is_empty);
  put(out, hello.closed_ballot);
  put(out, hello.cluster.has_value());
  if (hello.cluster) put(out, *hello.cluster);
  return out;
}

ByteBuffer encode(const PledgeRequest& request) {
  ByteBuffer out = begin(BirthKind::kPledgeRequest);
  put(out, request.writer);
  put(out, request.ballot);
  put(out, request.token_hash);
  put(out, request.seeds_hash);
  return out;
}

ByteBuffer encode(const Pledge& pledge) {
  ByteBuffer out = begin(BirthKind::kPledge);
  put(out, pledge.uuid);
  put(out, pledge.writer);
  put(out, pledge.ballot);
  put(out, pledge.granted);
  return out;
}

ByteBuffer encode(const GenesisOffer& offer) {
  ByteBuffer out = begin(BirthKind::kOffer);
  put(out, offer.life);
  put(out, offer.genesis);
  return out;
}

// --- Reading -------------------------------------------------------------------------------------

Uuid read_uuid(RecordReader& reader) {
  Uuid out{};
  const Bytes from = reader.take(out.size());
  std::copy(from.begin(), from.end(), out.begin());
  return out;
}

bool read_flag(RecordReader& reader) {
  const auto value = reader.number<Byte>();
  if (value > 1) reader.fail();
  return value == 1;
}

std::string read_text(RecordReader& reader) {
  const auto count = reader.number<uint16_t>();
  if (count > kNodeAddressBytesMax) reader.fail();
  return std::string(as_text(reader.take(count)));
}

Genesis read_genesis(RecordReader& reader) {
  Genesis out;
  out.cluster = read_uuid(reader);
  out.token_hash = reader.number<uint64_t>();
  const auto count = reader.number<uint16_t>();
  if (count > kSeedsMax) reader.fail();
  for (uint16_t i = 0; i < count && reader.ok(); ++i) {
    GenesisSeed seed;
    seed.uuid = read_uuid(reader);
    seed.node = NodeId{reader.number<uint64_t>()};
    seed.replica = ReplicaId{reader.number<uint64_t>()};
    seed.address = read_text(reader);
    out.seeds.push_back(std::move(seed));
  }
  return out;
}

SeedHello read_hello(RecordReader& reader) {
  SeedHello hello;
  hello.uuid = read_uuid(reader);
  hello.life = reader.number<uint64_t>();
  hello.token_hash = reader.number<uint64_t>();
  hello.is_empty = read_flag(reader);
  hello.closed_ballot = reader.number<uint64_t>();
  if (read_flag(reader)) hello.cluster = read_uuid(reader);
  return hello;
}

PledgeRequest read_request(RecordReader& reader) {
  PledgeRequest request;
  request.writer = read_uuid(reader);
  request.ballot = reader.number<uint64_t>();
  request.token_hash = reader.number<uint64_t>();
  request.seeds_hash = reader.number<uint64_t>();
  return request;
}

Pledge read_pledge(RecordReader& reader) {
  Pledge pledge;
  pledge.uuid = read_uuid(reader);
  pledge.writer = read_uuid(reader);
  pledge.ballot = reader.number<uint64_t>();
  pledge.granted = read_flag(reader);
  return pledge;
}

GenesisOffer read_offer(RecordReader& reader) {
  GenesisOffer offer;
  offer.life = reader.number<uint64_t>();
  offer.genesis = read_genesis(reader);
  return offer;
}

// nullopt: a kind that is not spoken, or that this program does not know.
std::optional<BirthMessage> read_body(BirthKind kind, RecordReader& reader) {
  switch (kind) {
    case BirthKind::kHello:
      return read_hello(reader);
    case BirthKind::kPledgeRequest:
      return read_request(reader);
    case BirthKind::kPledge:
      return read_pledge(reader);
    case BirthKind::kOffer:
      return read_offer(reader);
    case BirthKind::kGenesis:
      break;
  }
  return std::nullopt;
}

// What stands before every message and every stored genesis.
Result<Byte> read_kind(Bytes bytes, RecordReader& reader) {
  if (bytes.size() > kBirthMessageBytesMax)
    return Status::invalid_argument("{} bytes of a cluster's birth; the limit is {}", bytes.size(),
                                    kBirthMessageBytesMax);
  const auto version = reader.number<Byte>();
  const auto kind = reader.number<Byte>();
  if (!reader.ok())
    return Status::invalid_argument("{} bytes of a cluster's birth say nothing", bytes.size());
  if (version != kVersion)
    return Status::not_supported("a cluster's birth in version {}; this program knows {}", version,
                                 kVersion);
  return kind;
}

}  // namespace

ByteBuffer encode_birth(const BirthMessage& message) {
  return std::visit([](const auto& body) { return encode(body); }, message);
}

Result<BirthMessage> decode_birth(Bytes bytes) {
  RecordReader reader(bytes);
  WL_ASSIGN_OR_RETURN(const Byte kind, read_kind(bytes, reader));
  std::optional<BirthMessage> message = read_body(static_cast<BirthKind>(kind), reader);
  if (!message) return Status::not_supported("message kind {} between seeds", kind);
  if (!reader.at_end())
    return Status::invalid_argument("{} bytes are no message of kind {}", bytes.size(), kind);
  return std::move(*message);
}

ByteBuffer encode_genesis(const Genesis& genesis) {
  ByteBuffer out = begin(BirthKind::kGenesis);
  put(out, genesis);
  return out;
}

Result<Genesis> decode_genesis(Bytes bytes) {
  RecordReader reader(bytes);
  WL_ASSIGN_OR_RETURN(const Byte kind, read_kind(bytes, reader));
  if (static_cast<BirthKind>(kind) != BirthKind::kGenesis)
    return Status::invalid_argument("bytes of kind {} are no genesis", kind);
  Genesis genesis = read_genesis(reader);
  if (!reader.at_end()) return Status::invalid_argument("{} bytes are no genesis", bytes.size());
  return genesis;
}

}  // namespace worldline::replication
