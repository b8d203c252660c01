#include "replication/node/birth_codec.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace worldline::replication {
namespace {

constexpr Byte kVersion = 1;
enum class BirthKind : Byte { kHello = 1, kPledgeRequest = 2, kPledge = 3, kOffer = 4 };

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
  put(out, hello.address);
  put(out, hello.token_hash);
  put(out, hello.is_empty);
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
  put(out, offer.genesis);
  return out;
}

// --- Reading: once something is missing, everything after it is too ------------------------------

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  bool take(size_t count, Bytes& out) {
    is_good_ = is_good_ && count <= bytes_.size();
    if (!is_good_) return false;
    out = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return true;
  }
  template <typename T>
  T number() {
    Bytes from;
    return take(sizeof(T), from) ? load_le<T>(from.data()) : T{};
  }
  Uuid uuid() {
    Uuid out{};
    Bytes from;
    if (take(out.size(), from)) std::copy(from.begin(), from.end(), out.begin());
    return out;
  }
  bool flag() {
    const auto value = number<Byte>();
    is_good_ = is_good_ && value <= 1;
    return value == 1;
  }
  std::string text() {
    const auto count = number<uint16_t>();
    is_good_ = is_good_ && count <= kNodeAddressBytesMax;
    Bytes from;
    return take(count, from) ? std::string(as_text(from)) : std::string();
  }
  Genesis genesis() {
    Genesis out;
    out.cluster = uuid();
    out.token_hash = number<uint64_t>();
    const auto count = number<uint16_t>();
    is_good_ = is_good_ && count <= kSeedsMax;
    for (uint16_t i = 0; i < count && is_good_; ++i) {
      GenesisSeed seed;
      seed.uuid = uuid();
      seed.node = NodeId{number<uint64_t>()};
      seed.replica = ReplicaId{number<uint64_t>()};
      seed.address = text();
      out.seeds.push_back(std::move(seed));
    }
    return out;
  }
  bool is_done() const { return is_good_ && bytes_.empty(); }

 private:
  Bytes bytes_;
  bool is_good_ = true;
};

SeedHello read_hello(Reader& reader) {
  SeedHello hello;
  hello.uuid = reader.uuid();
  hello.address = reader.text();
  hello.token_hash = reader.number<uint64_t>();
  hello.is_empty = reader.flag();
  if (reader.flag()) hello.cluster = reader.uuid();
  return hello;
}

PledgeRequest read_request(Reader& reader) {
  PledgeRequest request;
  request.writer = reader.uuid();
  request.ballot = reader.number<uint64_t>();
  request.token_hash = reader.number<uint64_t>();
  request.seeds_hash = reader.number<uint64_t>();
  return request;
}

Pledge read_pledge(Reader& reader) {
  Pledge pledge;
  pledge.uuid = reader.uuid();
  pledge.writer = reader.uuid();
  pledge.ballot = reader.number<uint64_t>();
  pledge.granted = reader.flag();
  return pledge;
}

// nullopt: a kind this program does not know.
std::optional<BirthMessage> read_body(BirthKind kind, Reader& reader) {
  switch (kind) {
    case BirthKind::kHello:
      return read_hello(reader);
    case BirthKind::kPledgeRequest:
      return read_request(reader);
    case BirthKind::kPledge:
      return read_pledge(reader);
    case BirthKind::kOffer:
      return GenesisOffer{reader.genesis()};
  }
  return std::nullopt;
}

}  // namespace

ByteBuffer encode_birth(const BirthMessage& message) {
  return std::visit([](const auto& body) { return encode(body); }, message);
}

Result<BirthMessage> decode_birth(Bytes bytes) {
  if (bytes.size() > kBirthMessageBytesMax)
    return Status::invalid_argument("{} bytes between seeds; the limit is {}", bytes.size(),
                                    kBirthMessageBytesMax);
  Reader reader(bytes);
  const auto version = reader.number<Byte>();
  const auto kind = reader.number<Byte>();
  if (version != kVersion && !bytes.empty())
    return Status::not_supported("seeds speak version {}; this program knows {}", version,
                                 kVersion);
  std::optional<BirthMessage> message = read_body(static_cast<BirthKind>(kind), reader);
  if (!message) return Status::not_supported("message kind {} between seeds", kind);
  if (!reader.is_done())
    return Status::invalid_argument("{} bytes are no message of kind {}", bytes.size(), kind);
  return std::move(*message);
}

ByteBuffer encode_genesis(const Genesis& genesis) {
  return encode(GenesisOffer{genesis});
}

Result<Genesis> decode_genesis(Bytes bytes) {
  WL_ASSIGN_OR_RETURN(BirthMessage message, decode_birth(bytes));
  auto* offer = std::get_if<GenesisOffer>(&message);
  if (offer == nullptr) return Status::invalid_argument("the bytes are no genesis");
  return std::move(offer->genesis);
}

}  // namespace worldline::replication
