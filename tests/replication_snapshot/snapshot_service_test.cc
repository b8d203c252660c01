// Whole transfers between the services of nodes: real stores on disks in memory, real bytes over
// the network in memory, cores played by the test [S 08/3.8, 1.11].
#include "replication/snapshot/snapshot_service.h"

#include <functional>
#include <memory>
#include <set>

#include <gtest/gtest.h>

#include "replication/snapshot/snapshot_codec.h"
#include "replication/transport/memory_transport.h"
#include "storage/log/memory_disk.h"
#include "tests/replication_snapshot/snapshot_fixture.h"

namespace worldline::replication {
namespace {

constexpr GroupId kOtherGroup{8};
constexpr size_t kPageBytes = 4 * limits::KiB;
constexpr size_t kPages = 100;
constexpr LogIndex kAt{100};

Membership members() {
  Membership config;
  config.voters = {kLeaderNode, kTarget, kDelegate};
  for (const ReplicaId replica : config.voters)
    config.members.push_back({replica, NodeId{replica.value}, {}});
  return config;
}

// The disk's side of one node: answers when run() is called.
class TestStore final : public SnapshotStore {
 public:
  explicit TestStore(std::shared_ptr<storage::MemoryDisk> disk) : store_(disk->open()) {}

  void load(const OutgoingTransfers::Load& load,
            std::optional<storage::CheckpointId> manifest) override {
    work_.emplace_back([this, load, manifest] {
      const GroupId group = load.key.group;
      Result<ByteBuffer> image = manifest ? store_.load_manifest_bytes(group, *manifest)
                                          : store_.load_page(group, load.hash);
      service->loaded(load, image.ok()
                                ? std::make_shared<const ByteBuffer>(std::move(image).value())
                                : nullptr);
    });
  }
  void find(IncomingTransfers::Find find) override {
    work_.emplace_back([this, find = std::move(find)] {
      const auto present = begun(find.group).find_received(find.hashes);
      ASSERT_TRUE(present.ok());
      service->found(find.ticket, *present);
    });
  }
  void store(IncomingTransfers::Store page) override {
    work_.emplace_back([this, page = std::move(page)] {
      ASSERT_TRUE(begun(page.group).put_received(page.page.hash, *page.page.image).ok());
      service->stored(page.ticket, page.page.hash);
    });
  }
  void commit(IncomingTransfers::Commit commit) override {
    work_.emplace_back(
        [this, commit = std::make_shared<IncomingTransfers::Commit>(std::move(commit))] {
          auto received = begun(commit->group).store_received(std::move(commit->checkpoint));
          ASSERT_TRUE(received.ok()) << received.status().message();
          service->committed(commit->ticket, commit->group, std::move(received).value());
        });
  }
  void activate(GroupId group) override {
    work_.emplace_back([this, group] { ASSERT_TRUE(begun(group).activate_received().ok()); });
  }
  void discard(GroupId group) override {
    ++discards;
    work_.emplace_back([this, group] { ASSERT_TRUE(begun(group).discard_received().ok()); });
  }

  // As the node's own checkpointer would.
  HeldCheckpoint write(const FakeCheckpoint& fake, GroupId group) {
    storage::Checkpoint checkpoint = fake.manifest;
    checkpoint.state.group = group;
    EXPECT_TRUE(store_.begin(group, checkpoint.id).ok());
    for (const auto& [hash, page] : fake.pages)
      EXPECT_TRUE(store_.add_page(group, hash, *page).ok());
    EXPECT_TRUE(store_.commit(checkpoint).ok());
    HeldCheckpoint held;
    held.ref = {checkpoint.id, checkpoint.manifest_hash};
    held.boundary = {{checkpoint.term, checkpoint.index}, checkpoint.chain, members(), LogIndex{1}};
    held.total_bytes = kPages * kPageBytes;
    return held;
  }
  bool run() {
    if (work_.empty()) return false;
    for (const auto& one : std::exchange(work_, {})) one();
    return true;
  }
  const storage::CheckpointStore& checkpoints() const { return store_; }

  SnapshotService* service = nullptr;
  size_t discards = 0;

 private:
  storage::CheckpointWriter& begun(GroupId group) {
    auto& writer = writers_[group];
    if (writer == nullptr) {
      storage::CheckpointWriter::Known known;
      known.last_id = storage::CheckpointId{1'000};
      writer = std::make_unique<storage::CheckpointWriter>(store_, group, std::move(known));
    }
    EXPECT_TRUE(writer->begin_received().ok());
    return *writer;
  }

  storage::CheckpointStore store_;
  std::map<GroupId, std::unique_ptr<storage::CheckpointWriter>> writers_;
  std::vector<std::function<void()>> work_;
};

class TestNode final : public SnapshotHost, private TransportListener {
 public:
  TestNode(MemoryNetwork& network, NodeId node, uint64_t incarnation,
           std::shared_ptr<storage::MemoryDisk> disk, const SnapshotServiceLimits& limits_in)
      : self(node), life(incarnation), store(std::move(disk)), service(limits_in, *this, store) {
    NodeIdentity identity;
    identity.cluster.fill(0xC1);
    identity.uuid.fill(static_cast<Byte>(node.value));
    identity.node = node;
    identity.incarnation = incarnation;
    store.service = &service;
    transport = std::make_unique<MemoryTransport>(network, identity,
                                                  static_cast<TransportListener&>(*this));
    std::vector<PeerInfo> peers(3);
    for (size_t i = 0; i < peers.size(); ++i) {
      peers[i].node = NodeId{i + 1};
      peers[i].uuid.fill(static_cast<Byte>(i + 1));
      peers[i].addresses = {"memory:1"};
    }
    EXPECT_TRUE(transport->set_peers(std::move(peers)).ok());
  }

  // --- SnapshotHost
  std::optional<SnapshotView> find(GroupId group) const override {
    if (group != kFirstGroup && group != kOtherGroup) return std::nullopt;
    SnapshotView view;
    view.self = {self, life, ReplicaId{self.value}};
    view.leader = kLeaderNode;
    view.term = Term{5};
    view.commit = commit;
    view.config = &config;
    view.is_leader = view.self.replica == kLeaderNode && leads;
    view.is_installing = installing.contains(group);
    if (view.is_leader) view.caught_up = caught_up;
    return view;
  }
  void send(NodeId to, WireMessage message) override {
    const TrafficClass cls = traffic_class_of(message);
    transport->send(to, cls, make_batch({std::move(message)})).ignore("may be lost");
  }
  void snapshot_staged(GroupId group, const SnapshotMeta& meta) override {
    staged.push_back(meta);
    if (installs) installing.insert(group);
  }
  void snapshot_result(GroupId, ReplicaId, SnapshotOutcome outcome) override {
    results.push_back(outcome);
  }
  void snapshot_pinned(GroupId, ReplicaId, LogIndex index) override { pins.push_back(index); }
  void need_checkpoint(GroupId, LogIndex) override { ++needed; }

  const NodeId self;
  const uint64_t life;
  Membership config = members();
  LogIndex commit;
  bool leads = true;
  bool installs = true;
  std::vector<ReplicaId> caught_up;
  std::set<GroupId> installing;
  std::vector<SnapshotMeta> staged;
  std::vector<SnapshotOutcome> results;
  std::vector<LogIndex> pins;
  size_t needed = 0;
  size_t pieces_to_damage = 0;
  TestStore store;
  SnapshotService service;
  std::unique_ptr<MemoryTransport> transport;

 private:
  void on_messages(ReceivedBatchPtr batch) override {
    for (const WireMessage& message : batch->messages) {
      if (const auto* envelope = std::get_if<Envelope>(&message)) {
        service.offered(envelope->group, std::get<SnapOffer>(envelope->body).meta);
      } else {
        hear(batch->from.node, std::get<SnapBytes>(message));
      }
    }
  }
  void hear(NodeId from, const SnapBytes& bytes) {
    SnapMessage message = decode_snap_message(*bytes.payload).value();
    auto* piece = std::get_if<SnapPiece>(&message.body);
    if (piece == nullptr || piece->total_bytes != kPageBytes || pieces_to_damage == 0) {
      EXPECT_TRUE(service.recv(from, bytes).ok());
      return;
    }
    --pieces_to_damage;
    ByteBuffer damaged = *piece->bytes;
    damaged[17] ^= 1;
    piece->bytes = std::make_shared<const ByteBuffer>(std::move(damaged));
    const SnapBytes wrong{std::make_shared<const ByteBuffer>(encode_snap_message(message))};
    EXPECT_TRUE(service.recv(from, wrong).ok());
  }
  void on_stream_up(const StreamUp& stream) override { service.on_connected(stream.peer.node); }
  void on_stream_down(NodeId peer, TrafficClass cls, const StreamEnd&) override {
    if (cls == TrafficClass::kBulk) service.on_disconnected(peer);
  }
  void on_dropped(NodeId, TrafficClass, std::vector<MessageBatch>) override {}
  void on_goodbye(const NodeLife&, GoodbyeReason) override {}
  void on_note(const TransportNote&) override {}
};

class SnapshotServiceTest : public ::testing::Test {
 protected:
  SnapshotServiceTest() : network_(7) {
    limits_.outgoing.bytes_per_second = kPages * kPageBytes;  // Ten pages a tick.
    for (const uint64_t node : {1u, 2u, 3u}) {
      disks_[node] = std::make_shared<storage::MemoryDisk>();
      start(node, 1);
    }
    Prng rng(20261129);
    checkpoint_ = make_checkpoint(rng, kAt.value, std::vector<size_t>(kPages, kPageBytes));
  }
  void start(uint64_t node, uint64_t life) {
    nodes_.erase(node);
    nodes_[node] = std::make_unique<TestNode>(network_, NodeId{node}, life, disks_[node], limits_);
  }
  TestNode& leader() { return *nodes_.at(1); }
  TestNode& target() { return *nodes_.at(2); }
  void hold(GroupId group = kFirstGroup) {
    leader().service.checkpoint_counts(group, leader().store.write(checkpoint_, group));
  }
  void ticks(size_t count) {
    for (; count > 0; --count) {
      for (auto& [id, node] : nodes_) node->service.tick();
      for (int round = 0; round < 20; ++round) {
        network_.pump();
        for (auto& [id, node] : nodes_) {
          node->store.run();
          node->service.settle();
        }
      }
    }
  }
  void ticks_until_stored(uint64_t pages) {
    for (int i = 0; i < 50 && target().service.counters().pages_stored < pages; ++i) ticks(1);
    ASSERT_GE(target().service.counters().pages_stored, pages);
    ASSERT_LT(target().service.counters().pages_stored, kPages) << "it is not in the middle";
  }
  void expect_all_pages(uint64_t node, GroupId group = kFirstGroup) {
    const auto found =
        nodes_.at(node)->store.checkpoints().find_pages(group, checkpoint_.manifest.page_hashes);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(*found, std::vector<bool>(kPages, true));
  }
  uint64_t page_bytes_received() const { return nodes_.at(2)->service.counters().bytes_received; }
  uint64_t manifest_bytes() const { return checkpoint_.manifest_bytes->size(); }

  SnapshotServiceLimits limits_;
  MemoryNetwork network_;
  std::map<uint64_t, std::shared_ptr<storage::MemoryDisk>> disks_;
  std::map<uint64_t, std::unique_ptr<TestNode>> nodes_;
  FakeCheckpoint checkpoint_;
};

TEST_F(SnapshotServiceTest, MovesACheckpoint) {
  hold();
  leader().service.send(kFirstGroup, kTarget);
  ticks(30);
  ASSERT_EQ(target().staged.size(), 1u);
  EXPECT_EQ(target().staged[0].boundary.id.index, kAt);
  EXPECT_EQ(leader().results, std::vector{SnapshotOutcome::kOk});
  EXPECT_EQ(leader().pins, std::vector{kAt});
  EXPECT_EQ(page_bytes_received(), kPages * kPageBytes + manifest_bytes());
  expect_all_pages(2);
  const storage::Boundary* boundary = target().service.staged(kFirstGroup);
  ASSERT_NE(boundary, nullptr);
  EXPECT_EQ(boundary->index, kAt);
  const storage::CheckpointId id = boundary->checkpoint.id;

  target().installing.clear();
  target().commit = kAt;
  target().service.installed(kFirstGroup);
  EXPECT_EQ(target().service.staged(kFirstGroup), nullptr);
  ticks(2);
  EXPECT_TRUE(target().store.checkpoints().load_manifest(kFirstGroup, id).ok());
  EXPECT_EQ(target().store.discards, 0u);
  EXPECT_EQ(leader().service.running() + target().service.running(), 0u);
}

TEST_F(SnapshotServiceTest, SendsNoPageTwiceToAReceiverThatDied) {
  hold();
  leader().service.send(kFirstGroup, kTarget);
  ticks_until_stored(30);
  const SnapshotCounters first = target().service.counters();
  disks_[2]->kill();
  start(2, 2);
  ticks(40);
  const SnapshotCounters second = target().service.counters();
  ASSERT_EQ(target().staged.size(), 1u);
  EXPECT_EQ(second.pages_found, first.pages_stored);
  EXPECT_EQ(second.pages_stored, kPages - first.pages_stored);
  // What the first life had asked for may still come.
  EXPECT_LE(second.bytes_received,
            (second.pages_stored + kTransferWindow) * kPageBytes + manifest_bytes());
  EXPECT_EQ(leader().results, std::vector{SnapshotOutcome::kOk});
  expect_all_pages(2);
}

TEST_F(SnapshotServiceTest, GoesOnAfterTheLinkWasCut) {
  hold();
  leader().service.send(kFirstGroup, kTarget);
  ticks_until_stored(30);
  network_.cut_both(NodeId{1}, NodeId{2});
  ticks(20);
  network_.heal_all();
  ticks(60);
  ASSERT_EQ(target().staged.size(), 1u);
  EXPECT_EQ(target().service.counters().pages_stored, kPages);
  // What was under way is lost, no more.
  EXPECT_LE(leader().service.counters().bytes_sent,
            (kPages + kTransferWindow) * kPageBytes + manifest_bytes());
}

TEST_F(SnapshotServiceTest, GoesOnAfterALongCutWithANewOffer) {
  hold();
  leader().service.send(kFirstGroup, kTarget);
  ticks_until_stored(30);
  network_.cut_both(NodeId{1}, NodeId{2});
  ticks(kSilenceTicksMax + 20);
  ASSERT_EQ(leader().results, std::vector{SnapshotOutcome::kFailed});
  network_.heal_all();
  leader().service.send(kFirstGroup, kTarget);  // As the core would.
  ticks(60);
  ASSERT_EQ(target().staged.size(), 1u);
  EXPECT_EQ(target().service.counters().pages_stored, kPages);
  EXPECT_EQ(leader().results.back(), SnapshotOutcome::kOk);
}

TEST_F(SnapshotServiceTest, AsksAgainForADamagedPiece) {
  hold();
  target().pieces_to_damage = 2;
  leader().service.send(kFirstGroup, kTarget);
  ticks(40);
  ASSERT_EQ(target().staged.size(), 1u);
  EXPECT_EQ(target().pieces_to_damage, 0u);
  EXPECT_EQ(page_bytes_received(), (kPages + 2) * kPageBytes + manifest_bytes());
  expect_all_pages(2);
}

TEST_F(SnapshotServiceTest, ABusyReceiverTakesOneAfterTheOther) {
  limits_.incoming.slots.open = 1;
  limits_.incoming.slots.reserved = 0;
  start(2, 2);
  hold(kFirstGroup);
  hold(kOtherGroup);
  leader().caught_up = {kTarget, kDelegate};
  leader().service.send(kFirstGroup, kTarget);
  leader().service.send(kOtherGroup, kTarget);
  ticks(5);
  EXPECT_LE(target().service.running(), 1u);
  for (int i = 0; i < 80 && target().staged.size() < 2; ++i) {
    ticks(1);
    for (const GroupId group : std::exchange(target().installing, {}))
      target().service.installed(group);
  }
  EXPECT_EQ(target().staged.size(), 2u);
  ticks(1);
  EXPECT_EQ(leader().results, std::vector(2, SnapshotOutcome::kOk)) << "busy is no failure";
  EXPECT_GT(leader().service.counters().offered, 2u) << "nobody was busy";
}

TEST_F(SnapshotServiceTest, ADelegateSendsWhatItHas) {
  hold();
  nodes_.at(3)->store.write(checkpoint_, kFirstGroup);
  leader().caught_up = {kDelegate};
  leader().service.send(kFirstGroup, kTarget);
  ticks(40);
  ASSERT_EQ(target().staged.size(), 1u);
  EXPECT_EQ(nodes_.at(3)->service.counters().bytes_sent, kPages * kPageBytes);
  EXPECT_EQ(leader().service.counters().bytes_sent, manifest_bytes());
}

TEST_F(SnapshotServiceTest, WaitsForACheckpointThatFits) {
  leader().service.send(kFirstGroup, kTarget);
  ticks(20);
  EXPECT_GE(leader().needed, 20u);
  EXPECT_TRUE(leader().results.empty());
  hold();
  ticks(30);
  EXPECT_EQ(target().staged.size(), 1u);
}

TEST_F(SnapshotServiceTest, FailsWithoutACheckpoint) {
  leader().service.send(kFirstGroup, kTarget);
  ticks(105);
  EXPECT_EQ(leader().results, std::vector{SnapshotOutcome::kFailed});
  EXPECT_EQ(leader().service.counters().offered, 0u);
}

TEST_F(SnapshotServiceTest, DropsWhatBecameUseless) {
  hold();
  leader().service.send(kFirstGroup, kTarget);
  ticks_until_stored(20);
  target().commit = kAt;  // The log came after all.
  ticks(5);
  EXPECT_EQ(target().store.discards, 1u);
  EXPECT_EQ(target().service.running(), 0u);
  EXPECT_TRUE(target().staged.empty());
}

TEST_F(SnapshotServiceTest, DiscardsWhatTheCoreDoesNotInstall) {
  hold();
  target().installs = false;
  leader().service.send(kFirstGroup, kTarget);
  ticks(30);
  EXPECT_EQ(target().staged.size(), 1u);
  EXPECT_EQ(target().service.staged(kFirstGroup), nullptr);
  EXPECT_EQ(target().store.discards, 1u);
}

TEST_F(SnapshotServiceTest, ADeposedLeaderEndsItsTransfers) {
  hold();
  leader().service.send(kFirstGroup, kTarget);
  ticks_until_stored(20);
  leader().leads = false;
  ticks(2);
  EXPECT_EQ(target().service.running(), 0u);
  // What was still asked for it serves as a delegate would, until the receiver is silent.
  ticks(kSilenceTicksMax + 2);
  EXPECT_EQ(leader().service.running(), 0u);
  EXPECT_TRUE(leader().results.empty());
  EXPECT_TRUE(target().staged.empty());
}

TEST_F(SnapshotServiceTest, RefusesWhatNobodySends) {
  const auto bytes = [](const SnapMessage& message) {
    return SnapBytes{std::make_shared<const ByteBuffer>(encode_snap_message(message))};
  };
  SnapshotService& service = target().service;
  const SnapMessage sound{SnapshotId{1}, kFirstGroup, kLeaderNode, kTarget, SnapBegin{}};
  EXPECT_TRUE(service.recv(NodeId{1}, bytes(sound)).ok());
  const SnapBytes garbage{std::make_shared<const ByteBuffer>(ByteBuffer{1, 2, 3})};
  EXPECT_EQ(service.recv(NodeId{1}, garbage).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(service.recv(NodeId{3}, bytes(sound)).code(), StatusCode::kInvalidArgument)
      << "in another's name";
  SnapMessage other = sound;
  other.to = kDelegate;
  EXPECT_EQ(service.recv(NodeId{1}, bytes(other)).code(), StatusCode::kNotFound);
  other = sound;
  other.group = GroupId{99};
  EXPECT_EQ(service.recv(NodeId{1}, bytes(other)).code(), StatusCode::kNotFound);
  EXPECT_EQ(service.counters().refused, 4u);
}

}  // namespace
}  // namespace worldline::replication
