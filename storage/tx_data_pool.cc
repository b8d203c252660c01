#include "storage/tx_data_pool.h"

#include <atomic>
#include <utility>

#include "base/check.h"

namespace worldline::storage {

struct TxDataPool::Node {
  TxData data;
  std::shared_ptr<Shelf> shelf;  // While outside.
  Node* next = nullptr;          // While idle.
  alignas(std::max_align_t) std::byte control_block[64];
};

// Where the change sets outside come back to.
struct TxDataPool::Shelf {
  std::atomic<Node*> returned{nullptr};
  std::atomic<uint32_t> idle_count{0};  // Of both lists.

  ~Shelf() { destroy(returned.load(std::memory_order_acquire)); }
};

// The last reader is gone.
struct TxDataPool::Return {
  void operator()(TxData* data) const { data->recycle(kIdleBlockBytes, kIdleTablesMax); }
};

// Gives the control block its place in the node. It dies last, so its end is the node's return.
template <typename T>
struct TxDataPool::PlaceInNode {
  using value_type = T;
  Node* node;  // Outlives the control block.

  explicit PlaceInNode(Node* of) : node(of) {}
  template <typename Other>
  PlaceInNode(const PlaceInNode<Other>& other)  // NOLINT(google-explicit-constructor): a rebind.
      : node(other.node) {}
  T* allocate(size_t count) {
    static_assert(sizeof(T) <= sizeof(Node::control_block));
    static_assert(alignof(T) <= alignof(std::max_align_t));
    WL_CHECK(count == 1);
    return reinterpret_cast<T*>(node->control_block);
  }
  void deallocate(T*, size_t) { give_back(node); }
  friend bool operator==(const PlaceInNode& a, const PlaceInNode& b) { return a.node == b.node; }
};

TxDataPool::TxDataPool() : shelf_(std::make_shared<Shelf>()) {}

TxDataPool::~TxDataPool() {
  destroy(idle_);
}

void TxDataPool::destroy(Node* list) {
  while (list != nullptr) {
    const std::unique_ptr<Node> node(list);
    list = node->next;
  }
}

std::shared_ptr<TxData> TxDataPool::take() {
  if (idle_ == nullptr) idle_ = shelf_->returned.exchange(nullptr, std::memory_order_acquire);
  Node* node = idle_;
  if (node == nullptr) {
    node = std::make_unique<Node>().release();
  } else {
    idle_ = node->next;
    shelf_->idle_count.fetch_sub(1, std::memory_order_relaxed);
  }
  node->shelf = shelf_;
  return {&node->data, Return{}, PlaceInNode<TxData>(node)};
}

void TxDataPool::give_back(Node* node) {
  const std::shared_ptr<Shelf> shelf = std::move(node->shelf);  // May be the last to hold it.
  if (shelf->idle_count.fetch_add(1, std::memory_order_relaxed) >= kIdleMax) {
    shelf->idle_count.fetch_sub(1, std::memory_order_relaxed);
    node->next = nullptr;
    return destroy(node);
  }
  node->next = shelf->returned.load(std::memory_order_relaxed);
  while (!shelf->returned.compare_exchange_weak(node->next, node, std::memory_order_release,
                                                std::memory_order_relaxed)) {
  }
}

}  // namespace worldline::storage
