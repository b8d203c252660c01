#include "actors/row_share.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "storage/snapshot.h"

namespace worldline::actors {
namespace {

// How soon a waiting reader notices that its own client has gone.
constexpr std::chrono::milliseconds kLook{20};

// A version of a table has one address as long as a snapshot holds it.
bool same_tables(const query::Query& query, const storage::ReadView& a,
                 const storage::ReadView& b) {
  return std::all_of(query.levels.begin(), query.levels.end(), [&](const query::PlanLevel& level) {
    return level.is_event || a.find_table(level.table) == b.find_table(level.table);
  });
}

}  // namespace

Result<std::vector<query::RowBlock>> RowShare::first_rows(std::span<const query::QueryPtr> queries,
                                                          const SnapshotPtr& state,
                                                          query::ReadBudget& budget) {
  std::vector<query::RowBlock> blocks;
  for (const auto& query : queries) {
    if (query::reads_empty_table(*query, *state)) continue;
    WL_ASSIGN_OR_RETURN(query::RowBlock block, rows(query, state, budget));
    blocks.push_back(std::move(block));
  }
  return blocks;
}

Result<query::RowBlock> RowShare::rows(const query::QueryPtr& query, const SnapshotPtr& state,
                                       query::ReadBudget& budget) {
  EntryPtr entry;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      const EntryPtr known = find(*query, *state);
      if (known == nullptr) break;
      if (known->ready) {
        WL_RETURN_IF_ERROR(budget.add_bytes(known->block.encoded->size()));
        return known->block;
      }
      settled_.wait_for(lock, kLook);
      if (!budget.look_at(0)) return budget.status();
    }
    entry = std::make_shared<Entry>(Entry{query, state, false, {}});
    entries_.push_back(entry);
  }
  auto block = query::current_rows(*query, *state, budget);
  settle(entry, block);
  return block;
}

RowShare::EntryPtr RowShare::find(const query::Query& query, const storage::ReadView& state) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const EntryPtr& entry) {
    return entry->query->key == query.key && same_tables(query, *entry->state, state);
  });
  return found == entries_.end() ? nullptr : *found;
}

void RowShare::settle(const EntryPtr& entry, const Result<query::RowBlock>& block) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (block.ok()) {
      entry->block = *block;
      entry->ready = true;
      bytes_ += block->encoded->size();
    } else {
      entries_.erase(std::find(entries_.begin(), entries_.end(), entry));
    }
    // One entry may be larger than all that is kept: those who wait for it get it all the same.
    for (auto old = entries_.begin();
         old != entries_.end() && (bytes_ > bytes_max_ || entries_.size() > kEntriesMax);) {
      if (!(*old)->ready || *old == entry) {
        ++old;
        continue;
      }
      bytes_ -= (*old)->block.encoded->size();
      old = entries_.erase(old);
    }
  }
  settled_.notify_all();
}

}  // namespace worldline::actors
