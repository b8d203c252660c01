#include "storage/tx_data_pool.h"

#include <atomic>
#include <utility>

#include "base/check.h"

namespace worldline::storage {
namespace {

constexpr size_t kLineBytes = 64;

}  // namespace

struct TxDataPool::Node {
  explicit Node(std::shared_ptr<Shelf> home) : shelf(std::move(home)) {}

  TxData data;
  const std::shared_ptr<Shelf> shelf;
  Node* next = nullptr;  // While idle.
  alignas(std::max_align_t) std::byte control_block[64];
};

// Where the change sets outside come back to. Each of them keeps it, all their lives: a count that
// moved with each take and return would move between the caches of two threads.
struct TxDataPool::Shelf {
  std::atomic<Node*> returned{nullptr};
  std::atomic<uint32_t> returned_count{0};  // Since the owner last took them.

  // The end of the list once the pool is gone. Never followed.
  Node* closed() { return reinterpret_cast<Node*>(this); }
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
  destroy(shelf_->returned.exchange(shelf_->closed(), std::memory_order_acquire));
  destroy(idle_);
  destroy(older_);
}

void TxDataPool::destroy(Node* list) {
  while (list != nullptr) {
    const std::unique_ptr<Node> node(list);
    list = node->next;
  }
}

TxDataPool::Node* TxDataPool::take_returned() {
  if (shelf_->returned.load(std::memory_order_relaxed) == nullptr) return nullptr;
  // Whoever returns one between these two is not counted; so there may be some more of them.
  Node* const list = shelf_->returned.exchange(nullptr, std::memory_order_acquire);
  shelf_->returned_count.store(0, std::memory_order_relaxed);
  return list;
}

std::shared_ptr<TxData> TxDataPool::take() {
  if (idle_ == nullptr) {
    idle_ = take_returned();
    if (idle_ == nullptr) idle_ = std::exchange(older_, nullptr);
  } else if (older_ == nullptr) {
    if (Node* const warm = take_returned()) older_ = std::exchange(idle_, warm);
  }
  Node* node = idle_;
  if (node == nullptr) {
    node = std::make_unique<Node>(shelf_).release();
  } else {
    idle_ = node->next;
    if (idle_ != nullptr) {
      // It was last written by some reader's thread: let it arrive while this one is in use.
      const auto* const begin = reinterpret_cast<const std::byte*>(idle_);
      for (size_t at = 0; at < sizeof(Node); at += kLineBytes) __builtin_prefetch(begin + at, 1);
    }
  }
  return {&node->data, Return{}, PlaceInNode<TxData>(node)};
}

void TxDataPool::give_back(Node* node) {
  Shelf& shelf = *node->shelf;
  node->next = nullptr;
  if (shelf.returned_count.load(std::memory_order_relaxed) >= kIdleMax) return destroy(node);
  shelf.returned_count.fetch_add(1, std::memory_order_relaxed);
  Node* head = shelf.returned.load(std::memory_order_relaxed);
  do {
    if (head == shelf.closed()) {
      node->next = nullptr;
      return destroy(node);
    }
    node->next = head;
  } while (!shelf.returned.compare_exchange_weak(head, node, std::memory_order_release,
                                                 std::memory_order_relaxed));
}

}  // namespace worldline::storage
