// Wires the rescue of a group from the rooms that know how: logs and checkpoints, members, the
// catalog.
#include "cli/recover_group.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "base/clock.h"
#include "cli/exit_codes.h"
#include "replication/log_adapter.h"
#include "replication/membership.h"
#include "storage/catalog/catalog_state.h"
#include "storage/log/database_recovery.h"
#include "storage/log/group_appender.h"
#include "storage/log/group_rescue.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/rocksdb_store.h"

namespace worldline::cli {
namespace {

using replication::Membership;
using storage::SurvivingCopy;

constexpr ReplicaId kFirstReplica{1};
constexpr int kUsage = 2;
constexpr size_t kDirectoriesMax = 64;
constexpr size_t kStatementBytesMax = 4096;

// One directory of the inventory, locked for as long as this lives.
struct Directory {
  std::string path;
  std::unique_ptr<storage::DataDirectory> lock;
  std::unique_ptr<storage::LogStore> log;
  std::unique_ptr<storage::CheckpointStore> checkpoints;
};

// The catalog of a node that is its only member: it can be changed here and now.
struct OwnCatalog {
  storage::VerifiedGroup group;
  storage::GroupEnd end;
  TxOffset next_offset;  // Of the state as logged, as is the digest.
  storage::Digest128 digest{};
  std::unique_ptr<storage::CatalogState> state;
};

int exit_code_of(const Status& why) {
  switch (why.code()) {
    case StatusCode::kInvalidArgument:
      return kUsage;
    case StatusCode::kFailedPrecondition:
      return kExitDirectory;
    case StatusCode::kNotSupported:
      return kExitForeignDirectory;
    case StatusCode::kCorruption:
      return kExitCorruption;
    default:
      return kExitFailure;
  }
}

Status check_options(const RecoverGroupOptions& options) {
  if (options.data_dirs.empty() || options.data_dirs.size() > kDirectoriesMax)
    return Status::invalid_argument("name the data directories of all survivors, 1 to {}",
                                    kDirectoriesMax);
  if ((options.group == 0) == options.database.empty())
    return Status::invalid_argument("name one of --group and --database");
  if (GroupId{options.group} == storage::kCatalogGroup)
    return Status::invalid_argument(
        "group 1 is the catalog: every node knows it by that id, so it cannot begin anew under "
        "another. Restore a backup of it instead");
  if (options.data_loss.size() > kStatementBytesMax)
    return Status::invalid_argument("the statement has {} bytes, more than {}",
                                    options.data_loss.size(), kStatementBytesMax);
  if (options.dry_run) return {};
  if (!options.all_survivors)
    return Status::invalid_argument(
        "--all-survivors is missing: a copy that is left out may hold acknowledged data, and "
        "would never be used again. Look at the inventory with --dry-run first");
  if (options.data_loss.empty())
    return Status::invalid_argument(
        "--data-loss is missing: say what is lost and why, for whoever asks later");
  return {};
}

Result<std::unique_ptr<storage::KeyValueStore>> open_database(const std::filesystem::path& path,
                                                              storage::DatabaseRole role) {
  storage::RocksdbOptions options;
  options.role = role;
  options.path = path.string();
  return storage::open_rocksdb(options);
}

Result<Directory> open_directory(const std::string& path) {
  if (!std::filesystem::exists(std::filesystem::path(path) / "log"))
    return Status::not_found("{}: no node has lived here", path);
  Directory directory;
  directory.path = path;
  WL_ASSIGN_OR_RETURN(directory.lock, storage::DataDirectory::open(path));
  WL_ASSIGN_OR_RETURN(auto log, open_database(directory.lock->log(), storage::DatabaseRole::kLog));
  directory.log = std::make_unique<storage::LogStore>(std::move(log));
  WL_ASSIGN_OR_RETURN(
      auto pages, open_database(directory.lock->checkpoints(), storage::DatabaseRole::kCheckpoint));
  directory.checkpoints = std::make_unique<storage::CheckpointStore>(std::move(pages));
  return directory;
}

Result<std::vector<Directory>> open_all(const std::vector<std::string>& paths) {
  std::vector<Directory> all;
  for (const std::string& path : paths) {
    Result<Directory> opened = open_directory(path);
    if (!opened.ok()) return opened.status().with_context(path);
    all.push_back(std::move(opened).value());
  }
  return all;
}

// Members as the log of this copy has them at its end.
Result<Membership> members_of(const storage::LogStore& log, const storage::VerifiedGroup& group) {
  WL_ASSIGN_OR_RETURN(const replication::LogBoundary boundary,
                      replication::decode_log_boundary(group.boundary));
  Membership members = boundary.config;
  storage::EntryCursor entries = log.scan(group.group, boundary.id.index.next());
  for (;;) {
    WL_ASSIGN_OR_RETURN(const std::optional<storage::LogEntry> entry, entries.next());
    if (!entry) return members;
    if (entry->kind() != EntryKind::kConfig) continue;
    WL_ASSIGN_OR_RETURN(members, replication::decode_membership(*entry->payload));
  }
}

Result<std::optional<OwnCatalog>> open_catalog(const Directory& directory) {
  WL_ASSIGN_OR_RETURN(const SurvivingCopy copy,
                      storage::inspect_copy(*directory.log, storage::kCatalogGroup));
  if (!copy.whole) return std::optional<OwnCatalog>{};
  WL_ASSIGN_OR_RETURN(const Membership members, members_of(*directory.log, *copy.whole));
  if (members.members.size() != 1) return std::optional<OwnCatalog>{};
  WL_ASSIGN_OR_RETURN(auto found, storage::recover_database(*directory.log, *directory.checkpoints,
                                                            *copy.whole, storage::ReplayTo::kTail));
  OwnCatalog catalog;
  catalog.group = *copy.whole;
  catalog.end = storage::group_end(catalog.group, found);
  catalog.next_offset = found.state->next_offset();
  catalog.digest = found.state->digest();
  catalog.state = std::make_unique<storage::CatalogState>(std::move(found.state));
  catalog.state->continue_after(found.last_timestamp);
  WL_RETURN_IF_ERROR(catalog.state->prepare(SystemClock().now()));
  return std::optional<OwnCatalog>(std::move(catalog));
}

std::optional<storage::DatabaseRecord> find_database(const OwnCatalog& catalog,
                                                     const std::string& name) {
  if (const auto named = catalog.state->find_name(name))
    return catalog.state->find_database(named->database);
  for (const storage::DatabaseRecord& record : catalog.state->databases())
    if (record.database.to_hex() == name) return record;
  return std::nullopt;
}

class Rescue {
 public:
  Rescue(const RecoverGroupOptions& options, Console& console)
      : options_(options), console_(console), group_(options.group) {}

  Status run() {
    WL_RETURN_IF_ERROR(check_options(options_));
    WL_ASSIGN_OR_RETURN(directories_, open_all(options_.data_dirs));
    if (group_.value == 0) WL_RETURN_IF_ERROR(look_up());
    for (const Directory& directory : directories_) {
      WL_ASSIGN_OR_RETURN(SurvivingCopy copy, storage::inspect_copy(*directory.log, group_));
      copies_.push_back(std::move(copy));
    }
    show_inventory();
    WL_ASSIGN_OR_RETURN(chosen_, storage::choose_copy(copies_));
    WL_RETURN_IF_ERROR(check_majority());
    WL_ASSIGN_OR_RETURN(catalog_, open_catalog(directories_[chosen_]));
    WL_RETURN_IF_ERROR(choose_new_group());
    say(fmt::format("The new group {} goes on from {}, behind term {} index {}.\n",
                    new_group_.value, directories_[chosen_].path, end().term.value,
                    end().last.value));
    if (options_.dry_run) {
      say("Dry run: nothing was changed.\n");
      return {};
    }
    return carry_out();
  }

 private:
  void say(const std::string& text) { console_.out(text); }
  const storage::TailRow& end() const { return copies_[chosen_].whole->tail; }

  Status look_up() {
    for (const Directory& directory : directories_) {
      WL_ASSIGN_OR_RETURN(const std::optional<OwnCatalog> catalog, open_catalog(directory));
      if (!catalog) continue;
      const auto record = find_database(*catalog, options_.database);
      if (!record) continue;
      group_ = record->group;
      return {};
    }
    return Status::not_found(
        "no catalog in these directories knows the database {}; name its group with --group",
        options_.database);
  }

  void show_inventory() {
    say(fmt::format("Copies of group {}:\n", group_.value));
    for (size_t i = 0; i < copies_.size(); ++i) {
      const SurvivingCopy& copy = copies_[i];
      const std::string state =
          copy.whole ? fmt::format("whole, ends at term {} index {}", copy.whole->tail.term.value,
                                   copy.whole->tail.last.value)
                     : copy.fault;
      say(fmt::format("  {}  node {}  replica {}: {}\n", directories_[i].path, copy.node.node.value,
                      copy.replica.value, state));
    }
  }

  // A group that can still elect a leader must not be begun anew.
  Status check_majority() {
    WL_ASSIGN_OR_RETURN(const Membership members,
                        members_of(*directories_[chosen_].log, *copies_[chosen_].whole));
    say("Its members, as that log has them:");
    for (const auto& member : members.members)
      say(fmt::format(" {} on node {}{}", member.replica.value, member.node.value,
                      is_here(member.replica) ? "" : " (missing)"));
    say("\n");
    if (!is_majority(members.voters) ||
        (!members.voters_outgoing.empty() && !is_majority(members.voters_outgoing)))
      return {};
    return Status::unavailable(
        "a majority of the voters is whole: nothing is lost. Start these nodes; the group elects "
        "a leader by itself");
  }

  bool is_here(ReplicaId replica) const {
    return std::any_of(copies_.begin(), copies_.end(), [replica](const SurvivingCopy& copy) {
      return copy.whole && copy.replica == replica;
    });
  }
  template <typename Voters>
  bool is_majority(const Voters& voters) const {
    const auto here = std::count_if(voters.begin(), voters.end(),
                                    [this](ReplicaId replica) { return is_here(replica); });
    return 2 * static_cast<size_t>(here) > voters.size();
  }

  // Above every id that any directory has heard of: ids are never used twice [S 08/0.1].
  Status choose_new_group() {
    GroupId highest = group_;
    for (const Directory& directory : directories_) {
      WL_ASSIGN_OR_RETURN(const std::vector<GroupId> groups, directory.log->groups());
      if (!groups.empty()) highest = std::max(highest, groups.back());
    }
    new_group_ = GroupId{options_.new_group};
    if (new_group_.value != 0) {
      if (new_group_ > highest) return {};
      return Status::invalid_argument("--new-group {}: ids up to {} were used already",
                                      new_group_.value, highest.value);
    }
    if (!catalog_)
      return Status::invalid_argument(
          "the catalog has other members than this node, so it cannot be changed here: let the "
          "running catalog allocate an id for the new group, and name it with --new-group");
    while (new_group_ <= highest) {
      WL_ASSIGN_OR_RETURN(new_group_, catalog_->state->allocate_group(SystemClock().now()));
    }
    return {};
  }

  std::string statement() const {
    std::string lost = "group replaced by group " + std::to_string(new_group_.value) +
                       ", which goes on from " + directories_[chosen_].path +
                       fmt::format(
                           " behind term {} index {}; what was acknowledged later is lost."
                           " Operator: ",
                           end().term.value, end().last.value);
    return lost + options_.data_loss;
  }

  Status carry_out() {
    Directory& target = directories_[chosen_];
    Membership alone;
    alone.voters = {kFirstReplica};
    alone.members = {{kFirstReplica, copies_[chosen_].node.node, {}}};
    storage::RescueOrder order;
    order.birth =
        replication::group_birth(new_group_, kFirstReplica, alone,
                                 storage::DatabaseState::bootstrap({new_group_})->digest());
    replication::LogBoundary boundary;
    boundary.id = {end().term, end().last};
    boundary.chain = end().chain;
    boundary.config = alone;
    boundary.config_index = end().last;
    order.config = replication::encode_log_boundary(boundary, {}).config;
    WL_RETURN_IF_ERROR(
        storage::write_rescued(*target.log, *target.checkpoints, *copies_[chosen_].whole, order));
    WL_RETURN_IF_ERROR(write_statement(target));
    if (catalog_) WL_RETURN_IF_ERROR(switch_catalog(target));
    for (const Directory& directory : directories_)
      WL_RETURN_IF_ERROR(storage::bury_copy(*directory.log, group_, statement()));
    say(fmt::format("Group {} is over; its {} copies are marked and will not be used again.\n",
                    group_.value, copies_.size()));
    say(catalog_ ? "The catalog points to the new group: start the node.\n"
                 : "Now let the catalog point the database to the new group.\n");
    return {};
  }

  // For people; the mark of the old group has it too.
  Status write_statement(const Directory& target) const {
    const std::string text = statement() + "\n";
    return storage::write_file_atomically(
        target.lock->root() / fmt::format("data-loss-group-{}.txt", group_.value),
        target.lock->temporary(), as_bytes(text));
  }

  // One bundle behind the end of the catalog's log, in a term of its own.
  Status switch_catalog(Directory& target) {
    for (storage::DatabaseRecord record : catalog_->state->databases()) {
      if (record.group != group_) continue;
      record.group = new_group_;
      WL_RETURN_IF_ERROR(catalog_->state->replace_database(record, SystemClock().now()));
    }
    storage::DatabaseState& state = catalog_->state->state();
    const auto transactions = catalog_->state->take_committed();
    const auto now = SystemClock().steady();
    WL_RETURN_IF_ERROR(storage::adopt_group(*target.log, catalog_->group));
    storage::GroupAppender appender(catalog_->end, now);
    const storage::NodeRecord& node = copies_[chosen_].node;
    storage::LogJob job = appender.begin_term({{node.node, node.incarnation},
                                               catalog_->end.last_timestamp.value_or(Timestamp{}),
                                               now,
                                               catalog_->next_offset,
                                               catalog_->digest});
    for (const auto& tx : transactions) appender.add(*tx);
    for (storage::LogEntry& entry : appender.seal(state.digest(), now).entries)
      job.entries.push_back(std::move(entry));
    return target.log->write(job);
  }

  const RecoverGroupOptions& options_;
  Console& console_;
  GroupId group_;
  std::vector<Directory> directories_;
  std::vector<SurvivingCopy> copies_;  // As directories_.
  size_t chosen_ = 0;
  std::optional<OwnCatalog> catalog_;  // Of the chosen directory.
  GroupId new_group_;
};

}  // namespace

int run_recover_group(const RecoverGroupOptions& options, Console& console) {
  const Status outcome = Rescue(options, console).run();
  if (outcome.ok()) return 0;
  console.err("Error: " + outcome.message() + "\n");
  return exit_code_of(outcome);
}

}  // namespace worldline::cli
