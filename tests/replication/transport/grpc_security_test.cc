// Who may speak with whom: clusters, nodes, certificates, and their exchange [S 08/3.1, S 09/1.6].
#include <gtest/gtest.h>

#include "tests/replication/transport/transport_fixture.h"

namespace worldline::replication::testing {
namespace {

TransportConfig secure_config(uint64_t id, const TlsMaterial& material) {
  TransportConfig config = config_of(id);
  config.tls = material;
  return config;
}

bool is_rejected(TestNode& node, NodeId peer, const std::string& part) {
  return node.listener().wait([&](const Heard& heard) {
    return std::any_of(heard.downs.begin(), heard.downs.end(), [&](const DownEvent& down) {
      return down.peer == peer && down.end.reason == EndReason::kRejected &&
             down.end.text.find(part) != std::string::npos;
    });
  });
}

uint64_t refused_handshakes(TestNode& node) {
  uint64_t count = 0;
  for (const ClassCounters& counters : node.transport().counters())
    count += counters.handshakes_refused;
  return count;
}

// ---- Handshakes ---------------------------------------------------------------------------------

struct RefusalCase {
  const char* name;
  void (*change)(TransportConfig& dialler);
  const char* says;
};
constexpr RefusalCase kRefusals[] = {
    {"OtherCluster", [](TransportConfig& c) { c.identity.cluster.fill(0xEE); }, "is not ours"},
    {"OtherUuid", [](TransportConfig& c) { c.identity.uuid.fill(0xEE); }, "has uuid"},
    {"UnknownNode", [](TransportConfig& c) { c.identity.node = NodeId{77}; }, "is not known here"},
};

TEST(GrpcSecurityTest, RefusesDiallersThatAreNotWhoTheyShouldBe) {
  for (const RefusalCase& c : kRefusals) {
    TestNode listener(config_of(2));
    const TestNode expected(config_of(1));
    TransportConfig config = config_of(1);
    c.change(config);
    TestNode dialler(config);
    listener.meet({&expected});
    dialler.meet({&listener});
    EXPECT_TRUE(is_rejected(dialler, NodeId{2}, c.says)) << c.name;
    EXPECT_TRUE(listener.listener().wait([&c](const Heard& heard) {
      return heard.has_note(TransportNoteKind::kHandshakeRefused, c.says);
    })) << c.name;
    EXPECT_GT(refused_handshakes(listener), 0u);
    EXPECT_TRUE(dialler.listener().heard().ups.empty()) << c.name;
  }
}

TEST(GrpcSecurityTest, RefusesListenersThatAreNotWhoTheyShouldBe) {
  TestNode dialler(config_of(1)), listener(config_of(2));
  listener.meet({&dialler});
  PeerInfo other_id = listener.info();
  other_id.node = NodeId{3};
  PeerInfo other_uuid = listener.info();
  other_uuid.uuid.fill(0xEE);
  ASSERT_TRUE(dialler.transport().set_peers({other_id}).ok());
  EXPECT_TRUE(is_rejected(dialler, NodeId{3}, "this is node 2, not node 3"));
  ASSERT_TRUE(dialler.transport().set_peers({other_uuid}).ok());
  EXPECT_TRUE(is_rejected(dialler, NodeId{2}, "in place of node 2"));
  EXPECT_TRUE(dialler.listener().heard().ups.empty());
}

// ---- Certificates -------------------------------------------------------------------------------

// Two nodes whose streams come up in both directions.
void expect_talk(TestNode& a, TestNode& b) {
  a.meet({&b});
  b.meet({&a});
  ASSERT_TRUE(a.wait_up(b.id()));
  ASSERT_TRUE(b.wait_up(a.id()));
  ASSERT_TRUE(a.send(b.id(), TrafficClass::kLog, 5, 100'000).ok());
  EXPECT_TRUE(b.listener().wait(
      [](const Heard& heard) { return heard.of(TrafficClass::kLog).size() == 1; }));
}

TEST(GrpcSecurityTest, AcceptsTheUriOrTheHostOfANode) {
  TestAuthority authority("ca");
  LeafOptions by_host;
  by_host.dns = {"localhost"};
  TransportConfig a = secure_config(1, authority.issue(leaf_of_node("n1")));
  TransportConfig b = secure_config(2, authority.issue(by_host));
  b.advertised_host = "localhost";
  TestNode first(a), second(b);
  PeerInfo peer = second.info();
  peer.addresses = {"localhost:" + std::to_string(second.port())};
  ASSERT_TRUE(first.transport().set_peers({peer}).ok());
  second.meet({&first});
  ASSERT_TRUE(first.wait_up(NodeId{2}));
}

TEST(GrpcSecurityTest, EncryptsAllClasses) {
  TestAuthority authority("ca");
  TestNode a(secure_config(1, authority.issue(leaf_of_node("n1"))));
  TestNode b(secure_config(2, authority.issue(leaf_of_node("n2"))));
  expect_talk(a, b);
  for (const TrafficClass cls : kTrafficClasses) {
    for (uint64_t i = 0; i < 100; ++i) {
      while (!a.send(b.id(), cls, i, 1000).ok()) std::this_thread::yield();
    }
    EXPECT_TRUE(b.listener().wait([cls](const Heard& heard) {
      return heard.of(cls).size() >= 100;
    })) << traffic_class_name(cls);
  }
}

// The certificate is sound, but it is another's: of a node, or of an operator.
TEST(GrpcSecurityTest, RefusesCertificatesOfOthers) {
  TestAuthority authority("ca");
  LeafOptions stolen = leaf_of_node("n1");
  stolen.uris.push_back("worldline://test/node/n3");
  for (const char* uri : {"worldline://test/node/n3", "worldline://test/role/admin/n1",
                          "worldline://other/node/n1"}) {
    LeafOptions options;
    options.uris = {uri, "worldline://test/node/own-name"};
    TransportConfig impostor = secure_config(1, authority.issue(options));
    impostor.node_name = "own-name";  // So that its own start accepts the certificate.
    TestNode dialler(impostor);
    TestNode listener(secure_config(2, authority.issue(leaf_of_node("n2"))));
    PeerInfo expected = dialler.info();
    expected.name = "n1";
    ASSERT_TRUE(listener.transport().set_peers({expected}).ok());
    dialler.meet({&listener});
    EXPECT_TRUE(is_rejected(dialler, NodeId{2}, "the certificate names neither")) << uri;
    EXPECT_TRUE(is_rejected(listener, NodeId{1}, "the certificate names neither")) << uri;
    EXPECT_TRUE(listener.listener().wait([](const Heard& heard) {
      return heard.has_note(TransportNoteKind::kHandshakeRefused, "worldline://test/node/n1");
    }));
    EXPECT_TRUE(dialler.listener().heard().ups.empty());
    EXPECT_TRUE(listener.listener().heard().ups.empty());
  }
}

// Attempts fail and no stream comes up; `attempts` of them are enough to believe it.
void expect_no_talk(TestNode& a, TestNode& b) {
  a.meet({&b});
  b.meet({&a});
  for (TestNode* node : {&a, &b})
    EXPECT_TRUE(node->listener().wait([](const Heard& heard) { return heard.downs.size() >= 6; }));
  EXPECT_TRUE(a.listener().heard().ups.empty());
  EXPECT_TRUE(b.listener().heard().ups.empty());
}

TEST(GrpcSecurityTest, RefusesCertificatesOfAnotherAuthority) {
  TestAuthority authority("ca"), other("ca");  // Even of the same name.
  TestNode a(secure_config(1, authority.issue(leaf_of_node("n1"))));
  TestNode b(secure_config(2, other.issue(leaf_of_node("n2"))));
  expect_no_talk(a, b);
}

TEST(GrpcSecurityTest, RefusesNodesWithoutCertificates) {
  TestAuthority authority("ca");
  TestNode a(config_of(1));
  TestNode b(secure_config(2, authority.issue(leaf_of_node("n2"))));
  expect_no_talk(a, b);
}

TEST(GrpcSecurityTest, StartsOnlyWithMaterialThatFits) {
  TestAuthority authority("ca");
  RecordingListener listener;
  const auto code = [&](const TlsMaterial& material) {
    return GrpcTransport::start(secure_config(1, material), listener, test_now()).status().code();
  };
  EXPECT_EQ(code(authority.issue(leaf_of_node("n1"))), StatusCode::kOk);
  EXPECT_EQ(code(authority.issue(leaf_of_node("n2"))), StatusCode::kPermissionDenied);
  EXPECT_EQ(code({}), StatusCode::kInvalidArgument);
}

// ---- Exchange -----------------------------------------------------------------------------------

// Sends numbers without a pause until told to stop, and knows how many were accepted.
class SteadySender {
 public:
  SteadySender(TestNode& from, NodeId to) : thread_([this, &from, to] { run(from, to); }) {}
  ~SteadySender() { finish(); }
  uint64_t finish() {
    is_over_ = true;
    if (thread_.joinable()) thread_.join();
    return sent_;
  }

 private:
  void run(TestNode& from, NodeId to) {
    while (!is_over_) {
      const Status status = from.send(to, TrafficClass::kLog, sent_);
      if (status.ok()) ++sent_;
      if (status.code() == StatusCode::kUnavailable) is_over_ = true;  // The stream was lost.
      std::this_thread::yield();
    }
  }
  std::atomic<bool> is_over_{false};
  uint64_t sent_ = 0;
  std::thread thread_;
};

bool is_sequence(const std::vector<uint64_t>& numbers) {
  for (uint64_t i = 0; i < numbers.size(); ++i)
    if (numbers[i] != i) return false;
  return true;
}

uint64_t streams_up(TestNode& node) {
  const TransportCounters counters = node.transport().counters();
  return counters[slot_of(TrafficClass::kControl)].streams_up +
         counters[slot_of(TrafficClass::kLog)].streams_up;
}

// Loads new material and waits until both eager streams were opened anew.
void exchange(TestNode& node, const TlsMaterial& material) {
  const uint64_t before = streams_up(node);
  const auto leaf = node.transport().reload_tls(material, test_now());
  ASSERT_TRUE(leaf.ok()) << leaf.status().message();
  const auto until = std::chrono::steady_clock::now() + kDeadline;
  while (streams_up(node) < before + 2 && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  ASSERT_EQ(streams_up(node), before + 2);
}

// A change of authority, as operators do it: trust both, exchange leaves, drop the old one.
TEST(GrpcSecurityTest, ExchangesCertificatesAndAuthoritiesWithoutLosingAnything) {
  TestAuthority first("first"), second("second");
  const std::string both = first.pem() + second.pem();
  TlsMaterial old_a = first.issue(leaf_of_node("n1")), old_b = first.issue(leaf_of_node("n2"));
  TlsMaterial new_a = second.issue(leaf_of_node("n1")), new_b = second.issue(leaf_of_node("n2"));
  TestNode a(secure_config(1, old_a)), b(secure_config(2, old_b));
  a.meet({&b});
  b.meet({&a});
  ASSERT_TRUE(a.wait_up(NodeId{2}));
  ASSERT_TRUE(b.wait_up(NodeId{1}));
  SteadySender sender(a, NodeId{2});
  old_a.authorities = old_b.authorities = both;
  exchange(a, old_a);
  exchange(b, old_b);
  TlsMaterial bridge_a = new_a, bridge_b = new_b;
  bridge_a.authorities = bridge_b.authorities = both;
  exchange(a, bridge_a);
  exchange(b, bridge_b);
  exchange(a, new_a);
  exchange(b, new_b);
  exchange(a, second.issue(leaf_of_node("n1")));
  const uint64_t sent = sender.finish();
  ASSERT_GT(sent, 0u);
  EXPECT_TRUE(b.listener().wait(
      [sent](const Heard& heard) { return heard.of(TrafficClass::kLog).size() == sent; }));
  EXPECT_TRUE(is_sequence(b.listener().heard().of(TrafficClass::kLog)));
  for (TestNode* node : {&a, &b}) {
    EXPECT_TRUE(node->listener().heard().downs.empty()) << "nobody need hear of an exchange";
    EXPECT_EQ(node->listener().heard().ups.size(), 2u);
  }
  // What only the old authority vouches for is out.
  TestNode stranger(secure_config(3, first.issue(leaf_of_node("n3"))));
  stranger.meet({&a});
  a.meet({&b, &stranger});
  EXPECT_TRUE(stranger.listener().wait([](const Heard& heard) { return heard.downs.size() > 2; }));
  EXPECT_TRUE(stranger.listener().heard().ups.empty());
}

TEST(GrpcSecurityTest, KeepsTheOldMaterialIfTheNewDoesNotPass) {
  TestAuthority authority("ca"), other("other");
  TestNode a(secure_config(1, authority.issue(leaf_of_node("n1"))));
  TestNode b(secure_config(2, authority.issue(leaf_of_node("n2"))));
  expect_talk(a, b);
  const uint64_t before = streams_up(a);
  LeafOptions expired = leaf_of_node("n1");
  expired.not_after_seconds = -10;
  EXPECT_FALSE(a.transport().reload_tls(authority.issue(expired), test_now()).ok());
  EXPECT_FALSE(a.transport().reload_tls(authority.issue(leaf_of_node("n2")), test_now()).ok());
  EXPECT_FALSE(a.transport().reload_tls({}, test_now()).ok());
  TlsMaterial mixed = authority.issue(leaf_of_node("n1"));
  mixed.authorities = other.pem();
  EXPECT_FALSE(a.transport().reload_tls(mixed, test_now()).ok());
  EXPECT_EQ(streams_up(a), before);
  b.restart(2);  // Its new connections meet the old material.
  b.meet({&a});
  EXPECT_TRUE(b.listener().wait([](const Heard& heard) { return heard.ups.size() >= 4; }));
}

TEST(GrpcSecurityTest, DoesNothingForTheMaterialItHas) {
  TestAuthority authority("ca");
  const TlsMaterial own = authority.issue(leaf_of_node("n1"));
  TestNode a(secure_config(1, own)), b(secure_config(2, authority.issue(leaf_of_node("n2"))));
  expect_talk(a, b);
  const uint64_t before = streams_up(a);
  EXPECT_TRUE(a.transport().reload_tls(own, test_now()).ok());
  EXPECT_EQ(streams_up(a), before);
}

}  // namespace
}  // namespace worldline::replication::testing
