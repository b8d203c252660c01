#include "query/level_cursor.h"

#include <algorithm>
#include <bit>

namespace worldline::query {

using storage::IndexView;

LevelCursor::LevelCursor(const PlanLevel& level, const storage::ReadView& view, ReadBudget* budget)
    : level_(level), budget_(budget) {
  if (level.is_event) return;
  table_ = view.find_table(level.table);
  if (table_ == nullptr) return;
  const bool indexed =
      level.access.kind == Access::Kind::kPoint || level.access.kind == Access::Kind::kRange;
  if (indexed) index_ = table_->index(level.access.index);
  valid_ = !indexed || index_ != nullptr;
}

void LevelCursor::open(const Bytes* rows) {
  done_ = table_ == nullptr;
  if (done_) return;
  switch (level_.access.kind) {
    case Access::Kind::kScan:
      scan_.emplace(table_->scan());
      return;
    case Access::Kind::kPoint:
      open_point(rows);
      return;
    case Access::Kind::kRange:
      open_range(rows);
      return;
    case Access::Kind::kHash:
      break;
  }
  if (!hash_built_) build_hash();
  if (budget_ != nullptr && budget_->spent()) {
    done_ = true;
    return;
  }
  hash_ = 0;
  for (size_t i = 0; i < level_.access.key.size(); ++i)
    hash_ =
        hash_ * 31 + hash_scalar(level_.access.own_scalars[i], part(level_.access.key[i], rows));
  entry_ = buckets_.empty() ? kNone : buckets_[hash_ & (buckets_.size() - 1)];
}

void LevelCursor::open_point(const Bytes* rows) {
  values_.clear();
  for (const KeyPart& key : level_.access.key) values_.push_back(part(key, rows));
  index_->make_values_key(values_, key_);
  if (level_.access.unique) {
    single_ = index_->find_unique(key_);
  } else {
    index_cursor_ = index_->point(key_);
  }
}

void LevelCursor::open_range(const Bytes* rows) {
  const Access& access = level_.access;
  values_.clear();
  for (const KeyPart& key : access.key) values_.push_back(part(key, rows));
  upper_values_ = values_;
  std::optional<IndexView::ValueBound> from, to;
  if (access.lower) values_.push_back(access.lower->constant);
  if (access.upper) upper_values_.push_back(access.upper->constant);
  if (!values_.empty())
    from = IndexView::ValueBound{values_, access.lower ? access.lower->inclusive : true};
  if (!upper_values_.empty())
    to = IndexView::ValueBound{upper_values_, access.upper ? access.upper->inclusive : true};
  index_cursor_ = index_->range_of_values(from, to);
}

void LevelCursor::build_hash() {
  hash_built_ = true;
  std::vector<Bytes> rows(size_t{level_.relation} + 1);  // The local terms read only this one.
  for (storage::RowCursor cursor = table_->scan(); cursor.next();) {
    if (!charge()) break;
    const Bytes row = cursor.row();
    rows[level_.relation] = row;
    if (!level_.local.matches(rows.data())) continue;
    uint64_t hash = 0;
    for (size_t i = 0; i < level_.access.own.size(); ++i)
      hash =
          hash * 31 + hash_scalar(level_.access.own_scalars[i], level_.access.own[i].read_row(row));
    entries_.push_back({row, hash, kNone});
  }
  if (entries_.empty()) return;
  buckets_.assign(std::bit_ceil(entries_.size() * 2), kNone);
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    uint32_t& bucket = buckets_[entries_[i].hash & (buckets_.size() - 1)];
    entries_[i].next = bucket;
    bucket = i;
  }
}

bool LevelCursor::advance(Bytes& row) {
  switch (level_.access.kind) {
    case Access::Kind::kScan:
      if (!scan_->next()) return false;
      ref_ = scan_->ref();
      row = scan_->row();
      return true;
    case Access::Kind::kPoint:
      if (level_.access.unique) {
        if (!single_) return false;
        ref_ = *single_;
        single_.reset();
        row = table_->row(ref_);
        return true;
      }
      [[fallthrough]];
    case Access::Kind::kRange:
      if (!index_cursor_.next()) return false;
      ref_ = index_cursor_.ref();
      row = index_cursor_.row();
      return true;
    case Access::Kind::kHash:
      break;
  }
  while (entry_ != kNone && entries_[entry_].hash != hash_) entry_ = entries_[entry_].next;
  if (entry_ == kNone) return false;
  row = entries_[entry_].row;
  entry_ = entries_[entry_].next;
  return true;
}

bool LevelCursor::next(Bytes* rows) {
  Bytes row;
  while (!done_) {
    if (!advance(row)) {
      done_ = true;
      break;
    }
    if (!charge()) {
      done_ = true;
      break;
    }
    rows[level_.relation] = row;
    if (level_.residual.matches(rows)) return true;
  }
  return false;
}

Status stale_plan() {
  return Status::failed_precondition("the query was compiled for an older schema");
}

}  // namespace worldline::query
