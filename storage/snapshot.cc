// storage/snapshot.cc
#include "storage/snapshot.h"

#include "storage/database_root.h"

namespace worldline::storage {

Snapshot::Snapshot(const DatabaseRoot* root) : root_(root) {}
Snapshot::~Snapshot() {
  root_->release();
}

TxOffset Snapshot::next_offset() const {
  return root_->next_offset;
}
Digest128 Snapshot::digest() const {
  return digest_of_state(*root_, *root_->catalog);
}
uint64_t Snapshot::version() const {
  return root_->version;
}
GroupId Snapshot::group() const {
  return root_->group;
}
const Catalog& Snapshot::catalog() const {
  return *root_->catalog;
}
const TableView* Snapshot::table_at(uint32_t position) const {
  return &root_->tables.get(position)->view;
}

}  // namespace worldline::storage
