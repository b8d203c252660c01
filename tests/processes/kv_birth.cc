#include "tests/processes/kv_birth.h"

#include <cstdio>
#include <utility>

#include "storage/log/checkpoint_store.h"

namespace worldline::kv {

using replication::BirthMessage;
using replication::BirthOutput;
using replication::BootTime;

uint64_t hash_of_token(const std::string& token) {
  if (token.empty()) return 0;
  const auto digest = storage::content_hash(as_bytes(token));
  return std::max<uint64_t>(1, load_le<uint64_t>(reinterpret_cast<const Byte*>(&digest)));
}

KvBirth::KvBirth(Parts parts) : parts_(std::move(parts)), birth_(parts_.config) {}

KvBirth::~KvBirth() {
  if (link_ != nullptr) link_->stop();
}

Result<std::unique_ptr<KvBirth>> KvBirth::start(Parts parts, Timestamp now) {
  WL_RETURN_IF_ERROR(replication::ClusterBirth::validate(parts.config));
  std::unique_ptr<KvBirth> birth(new KvBirth(std::move(parts)));
  WL_ASSIGN_OR_RETURN(birth->link_, replication::GrpcBirth::start(
                                        birth->parts_.transport, birth->parts_.config.address,
                                        static_cast<replication::BirthListener&>(*birth), now));
  return birth;
}

void KvBirth::on_time(BootTime now) {
  now_ = now;
  birth_.on_time(now);
  act();
  if (std::string text = birth_.status_text(now); text != last_text_) {
    std::fprintf(stderr, "birth: %s\n", text.c_str());
    last_text_ = std::move(text);
  }
}

void KvBirth::act() {
  BirthOutput output = birth_.take_output();
  for (const auto& [to, message] : output.send) {
    link_->send(to, message);
    note_sent(message);
  }
  if (!output.store) return;
  parts_.reached("store");
  parts_.store(*output.store);
  parts_.reached("stored");
  birth_.stored();
  act();  // It hands out no second genesis.
}

void KvBirth::note_sent(const BirthMessage& message) {
  struct Step {
    const char* operator()(const replication::SeedHello&) const { return "hello"; }
    const char* operator()(const replication::PledgeRequest&) const { return "ballot"; }
    const char* operator()(const replication::Pledge& pledge) const {
      return pledge.granted ? "pledge" : "refusal";
    }
    const char* operator()(const replication::GenesisOffer&) const { return "offer"; }
  };
  parts_.reached(std::visit(Step{}, message));
}

// --- From the library's threads ------------------------------------------------------------------

Status KvBirth::on_birth(const std::string& from, BirthMessage message) {
  if (waiting_.fetch_add(1) >= kSeedMessagesMax) {
    waiting_.fetch_sub(1);
    return Status::overloaded("{} messages of seeds wait", kSeedMessagesMax);
  }
  parts_.loop->post([this, from, message = std::move(message)] {
    waiting_.fetch_sub(1);
    birth_.recv(from, message, now_);
    act();
  });
  return {};
}

void KvBirth::on_undelivered(const std::string& to, const Status& why) {
  parts_.loop->post([to, text = why.message()] {
    std::fprintf(stderr, "birth: to %s: %s\n", to.c_str(), text.c_str());
  });
}

}  // namespace worldline::kv
