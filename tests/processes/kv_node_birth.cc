// How a KvNode that was given seeds becomes a member of a cluster [S 08/3.9].
#include <cctype>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <unistd.h>

#include "base/secure_random.h"
#include "tests/processes/kv_node.h"

namespace worldline::kv {

using replication::Genesis;

namespace {

constexpr std::chrono::milliseconds kBirthTurn{10};

// Null: this node is none of them.
const replication::GenesisSeed* find_seed(const Genesis& genesis, const storage::RandomId& uuid) {
  for (const replication::GenesisSeed& seed : genesis.seeds)
    if (seed.uuid == uuid) return &seed;
  return nullptr;
}

}  // namespace

Result<storage::RandomId> parse_uuid(const std::string& text) {
  storage::RandomId uuid{};
  bool is_hex = text.size() == 2 * uuid.size();
  for (size_t i = 0; is_hex && i < uuid.size(); ++i) {
    char* end = nullptr;
    const std::string digits = text.substr(2 * i, 2);
    uuid[i] = static_cast<Byte>(std::strtoul(digits.c_str(), &end, 16));
    is_hex = std::isxdigit(static_cast<unsigned char>(digits[0])) != 0 && *end == '\0';
  }
  if (!is_hex) return Status::invalid_argument("'{}' is no uuid of 32 hexadecimal digits", text);
  return uuid;
}

// For tests: the process ends here, as it does when the machine takes it away.
void KvNode::reached(const char* step) {
  if (options_.die_at != step) return;
  std::fprintf(stderr, "birth: killed at %s\n", step);
  std::fflush(stderr);
  ::kill(::getpid(), SIGKILL);
}

Status KvNode::start_birth() {
  const storage::OpenedNode& opened = log_->opened();
  KvBirth::Parts parts;
  parts.loop = &loop_;
  parts.store = [this](const Genesis& genesis) {
    const Status done = enter_genesis(genesis);
    if (done.ok()) return;
    std::fprintf(stderr, "exit %d: %s\n", kExitDisk, done.message().c_str());
    std::fflush(stderr);
    std::_Exit(kExitDisk);
  };
  parts.reached = [this](const char* step) { reached(step); };
  replication::BirthConfig& config = parts.config;
  config.uuid = opened.record.uuid;
  config.life = opened.record.incarnation;
  config.address = options_.listen;
  config.seeds = options_.seeds;
  config.token_hash = hash_of_token(options_.token);
  config.is_empty = opened.groups.empty() && opened.record.cluster == storage::RandomId{};
  config.fresh_cluster = random_bytes<16>();
  WL_ASSIGN_OR_RETURN(const std::optional<ByteBuffer> stored, log_->store().genesis());
  if (stored) {
    WL_ASSIGN_OR_RETURN(config.born, replication::decode_genesis(*stored));
  }
  WL_ASSIGN_OR_RETURN(parts.transport, transport_config(options_, opened.record));
  WL_ASSIGN_OR_RETURN(birth_, KvBirth::start(std::move(parts), clock_.now()));
  return {};
}

Status KvNode::enter_genesis(const Genesis& genesis) {
  const auto* self = find_seed(genesis, log_->opened().record.uuid);
  if (self == nullptr) return Status::internal("a genesis without this node");
  return log_->enter({genesis.cluster, self->node, replication::encode_genesis(genesis)});
}

// Whoever was born takes its place from the genesis, at every start.
Status KvNode::take_genesis(const Genesis& genesis) {
  const auto* self = find_seed(genesis, log_->opened().record.uuid);
  if (self == nullptr || self->node != log_->opened().record.node)
    return Status::corruption("the genesis on this disk is not that of its node");
  options_.node = self->node;
  options_.replica = self->replica;
  for (const replication::GenesisSeed& seed : genesis.seeds) {
    options_.peers[seed.node] = seed.address;
    options_.uuids[seed.node] = seed.uuid;
  }
  return {};
}

void KvNode::birth_turn() {
  for (const Work& work : loop_.take(kBirthTurn)) work();
  birth_->on_time(now());
  if (birth_->is_born()) {
    if (const Status started = start_group(); !started.ok()) {
      std::fprintf(stderr, "start: %s\n", started.message().c_str());
      std::fflush(stderr);
      std::_Exit(started.code() == StatusCode::kCorruption ? kExitDamaged : 1);
    }
  }
  clients_->flush();
}

}  // namespace worldline::kv
