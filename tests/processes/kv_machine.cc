#include "tests/processes/kv_machine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace worldline::kv {

using replication::ApplyEntry;
using replication::GroupReplica;
using replication::Refusal;

namespace {

// Entries of one call; the rest follows with the next.
constexpr size_t kProposalsMax = 512;

std::string refusal_text(const replication::ProposeResult& result, const GroupReplica& replica) {
  switch (result.refusal) {
    case Refusal::kNotLeader: {
      const auto* leader = replica.core().log().config().find(result.leader_hint);
      return fmt::format("NOT_LEADER {}", leader != nullptr ? leader->node.value : 0);
    }
    case Refusal::kBusy:
    case Refusal::kTransferring:
    case Refusal::kDiskFull:
      return "BUSY";
    default:
      return fmt::format("ERR refusal {}", static_cast<int>(result.refusal));
  }
}

}  // namespace

void KvMachine::write(Command command, Reply reply) {
  writes_.push_back({encode_command(command), std::move(reply)});
}

void KvMachine::read(std::string key, Reply reply) {
  reads_.push_back({std::move(key), std::move(reply)});
}

void KvMachine::settle(GroupReplica& replica) {
  propose(replica);
  begin_reads(replica);
  while (install_staged(replica) || apply_entries(replica)) {
  }
  answer_reads(replica);
}

void KvMachine::propose(GroupReplica& replica) {
  std::vector<Write> writes = std::exchange(writes_, {});
  for (size_t begin = 0; begin < writes.size(); begin += kProposalsMax) {
    const size_t end = std::min(writes.size(), begin + kProposalsMax);
    std::vector<replication::Proposal> proposals;
    for (size_t i = begin; i < end; ++i)
      proposals.push_back(
          {EntryKind::kBundle, std::make_shared<const ByteBuffer>(std::move(writes[i].entry))});
    const replication::ProposeResult result = replica.propose(replica.core().term(), proposals);
    for (size_t i = begin; i < end; ++i) {
      if (result.ok()) {
        const LogIndex index{result.first.value + (i - begin)};
        proposed_.emplace(index, Proposed{result.term, std::move(writes[i].reply)});
      } else {
        writes[i].reply(refusal_text(result, replica));
      }
    }
  }
}

// All that came in since share one question to the majority.
void KvMachine::begin_reads(GroupReplica& replica) {
  if (reads_.empty()) return;
  const replication::ReadToken token{++last_token_};
  asked_[token] = std::exchange(reads_, {});
  if (!replica.read_barrier(token).ok()) failed_.push_back(token);
}

bool KvMachine::install_staged(GroupReplica& replica) {
  if (!install_) return false;
  const replication::SnapshotMeta meta = *std::exchange(install_, std::nullopt);
  Result<KvState> staged = load_staged_(meta);
  if (!staged.ok()) {  // It was verified before it was staged: this is a bug.
    std::fprintf(stderr, "install: %s\n", staged.status().message().c_str());
    std::abort();
  }
  state_ = std::move(staged).value();
  entries_.clear();
  ++counters_.installed;
  const LogIndex index = meta.boundary.id.index;
  while (!proposed_.empty() && proposed_.begin()->first <= index) {
    proposed_.begin()->second.reply("UNKNOWN");
    proposed_.erase(proposed_.begin());
  }
  replica.installed(index);
  return true;
}

bool KvMachine::apply_entries(GroupReplica& replica) {
  if (entries_.empty()) return false;
  const std::deque<ApplyEntry> entries = std::exchange(entries_, {});
  for (const ApplyEntry& one : entries) apply_one(one.entry);
  replica.applied(entries.back().entry.index);
  return true;
}

void KvMachine::apply_one(const replication::Entry& entry) {
  std::string answer = "FAILED";
  if (entry.kind == EntryKind::kBundle) {
    WL_CHECK(entry.payload != nullptr);
    const Result<Command> command = decode_command(*entry.payload);
    WL_CHECK(command.ok());
    const Applied applied = state_.apply(*command);
    ++counters_.applied;
    answer =
        fmt::format("{} {} {}", applied.done ? "OK" : "NO", applied.list.length, applied.list.hash);
  }
  const auto [begin, end] = proposed_.equal_range(entry.index);
  for (auto it = begin; it != end; ++it)
    it->second.reply(it->second.term == entry.term ? answer : "FAILED");
  proposed_.erase(begin, end);
}

void KvMachine::answer_reads(const GroupReplica& replica) {
  for (const replication::ReadToken token : std::exchange(failed_, {})) {
    for (const Read& one : asked_[token]) one.reply("NO_LEADER");
    asked_.erase(token);
  }
  for (const replication::ReadReady& read : std::exchange(ready_, {})) {
    const auto found = asked_.find(read.token);
    if (found == asked_.end()) continue;
    waiting_.emplace(read.index, std::move(found->second));
    asked_.erase(found);
  }
  while (!waiting_.empty() && waiting_.begin()->first <= replica.core().applied_index()) {
    for (const Read& one : waiting_.begin()->second) {
      const ListView list = state_.view(one.key);
      one.reply(fmt::format("OK {} {}", list.length, list.hash));
    }
    waiting_.erase(waiting_.begin());
  }
}

void KvMachine::role_changed(const replication::RoleChange& change) {
  if (change.role == replication::RoleKind::kLeader) ++counters_.became_leader;
}

void KvMachine::apply(std::vector<ApplyEntry> entries) {
  for (ApplyEntry& one : entries) entries_.push_back(std::move(one));
}

}  // namespace worldline::kv
