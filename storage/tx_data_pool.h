// storage/tx_data_pool.h
//
// TxDataPool: change sets that nobody reads any more, kept with their buffers for the transactions
// to come, so that a small commit allocates nothing [architecture 8].
//
// The idea: the owner takes from lists of its own. Readers on other threads put what they let go
// on a list whose head is one atomic; the owner takes that one as a whole, so nobody ever removes a
// single element that others look at. What came back last is taken first, since it may still be in
// a cache: a burst long ago must not make every transaction walk through cold memory. The control
// block of the shared_ptr has its place inside the pooled object.
//
// Invariants: what is idle is empty but for buffers of at most kIdleBlockBytes and
// kIdleTablesMax; about kIdleMax at most are idle on each of three lists, the others are freed.
// Ownership: change sets may outlive the pool. Thread: take() by the owner; release by any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "storage/tx_data.h"

namespace worldline::storage {

class TxDataPool {
 public:
  // Small transactions that wait for their commit notice: 10 ms at 100,000 per second. With the
  // limits below less than 6 MiB.
  static constexpr uint32_t kIdleMax = 1024;
  static constexpr size_t kIdleBlockBytes = 1024;
  static constexpr size_t kIdleTablesMax = 4;

  TxDataPool();
  ~TxDataPool();
  TxDataPool(const TxDataPool&) = delete;
  TxDataPool& operator=(const TxDataPool&) = delete;

  std::shared_ptr<TxData> take();  // An empty one, perhaps with buffers.

 private:
  struct Node;
  struct Shelf;
  struct Return;
  template <typename T>
  struct PlaceInNode;
  Node* take_returned();
  static void give_back(Node* node);
  static void destroy(Node* list);

  const std::shared_ptr<Shelf> shelf_;  // Shared with the change sets.
  // Lists of the owner's thread; owned.
  Node* idle_ = nullptr;
  Node* older_ = nullptr;  // Came back before those in idle_.
};

}  // namespace worldline::storage
