// How seeds speak before there is a cluster, and with those that are late [S 08/3.9, S 09/1.6].
#include "replication/transport/grpc_birth.h"

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <proto/replication.grpc.pb.h>

#include "replication/node/birth_codec.h"
#include "replication/transport/grpc_credentials.h"
#include "tests/replication/transport/transport_fixture.h"

namespace worldline::replication::testing {
namespace {

Uuid uuid_of(Byte first) {
  Uuid uuid{};
  uuid[0] = first;
  return uuid;
}

BirthMessage pledge(uint64_t ballot) {
  return Pledge{uuid_of(1), uuid_of(2), ballot, true};
}

class RecordingSeed final : public BirthListener {
 public:
  struct Heard {
    std::string from;
    uint64_t ballot = 0;  // Of the pledge.
  };

  Status on_birth(const std::string& from, BirthMessage message) override {
    const std::lock_guard lock(mutex_);
    if (!verdict_.ok()) return verdict_;
    heard_.push_back({from, std::get<Pledge>(message).ballot});
    changed_.notify_all();
    return {};
  }
  void on_undelivered(const std::string& to, const Status& why) override {
    const std::lock_guard lock(mutex_);
    undelivered_.push_back(to + ": " + why.message());
    changed_.notify_all();
  }

  void set_verdict(Status verdict) {
    const std::lock_guard lock(mutex_);
    verdict_ = std::move(verdict);
  }
  std::vector<Heard> wait_heard(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kDeadline, [&] { return heard_.size() >= count; });
    return heard_;
  }
  // Of what was not delivered, something says this.
  bool wait_undelivered(const std::string& part) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline, [&] {
      return std::any_of(undelivered_.begin(), undelivered_.end(), [&](const std::string& text) {
        return text.find(part) != std::string::npos;
      });
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Heard> heard_;
  std::vector<std::string> undelivered_;
  Status verdict_;
};

std::string address_at(uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

// A seed has no identity yet.
TransportConfig seed_config(uint64_t id, std::optional<TlsMaterial> tls = {}) {
  TransportConfig config = config_of(id);
  config.identity = {};
  config.tls = std::move(tls);
  return config;
}

struct TestSeed {
  explicit TestSeed(TransportConfig seed_config) : config(std::move(seed_config)) {
    // The port is known after the start; what others are told is the name of this seed only.
    auto started = GrpcBirth::start(config, "127.0.0.1:1", listener, test_now());
    EXPECT_TRUE(started.ok()) << started.status().message();
    birth = std::move(started).value();
  }
  std::string address() const { return address_at(birth->port()); }

  TransportConfig config;
  RecordingSeed listener;
  std::unique_ptr<GrpcBirth> birth;
};

TEST(GrpcBirthTest, CarriesMessagesInOrderBothWays) {
  TestSeed a(seed_config(1)), b(seed_config(2));
  for (uint64_t i = 1; i <= kSeedQueueMax; ++i) {
    a.birth->send(b.address(), pledge(i));
    b.birth->send(a.address(), pledge(100 + i));
  }
  for (const auto& [seed, base] : {std::pair{&b, 0u}, std::pair{&a, 100u}}) {
    const auto heard = seed->listener.wait_heard(kSeedQueueMax);
    ASSERT_EQ(heard.size(), kSeedQueueMax);
    for (uint64_t i = 0; i < heard.size(); ++i) {
      EXPECT_EQ(heard[i].ballot, base + i + 1);
      EXPECT_EQ(heard[i].from, "127.0.0.1:1");
    }
  }
}

// Nobody is there yet: what is said is lost, not kept; later words arrive.
TEST(GrpcBirthTest, SaysWhatIsLostAndFindsASeedThatComesLater) {
  uint16_t port = 0;
  {
    TestSeed gone(seed_config(2));
    port = gone.birth->port();
  }
  TestSeed a(seed_config(1));
  a.birth->send(address_at(port), pledge(1));
  EXPECT_TRUE(a.listener.wait_undelivered(address_at(port)));
  TransportConfig config = seed_config(2);
  config.listen_address = address_at(port);
  TestSeed b(config);
  // Each try that fails is told; the one that arrives ends the wait.
  std::vector<RecordingSeed::Heard> heard;
  const auto end = std::chrono::steady_clock::now() + kDeadline;
  for (uint64_t i = 2; heard.empty() && std::chrono::steady_clock::now() < end; ++i) {
    a.birth->send(address_at(port), pledge(i));
    std::this_thread::yield();
    heard = b.listener.wait_heard(0);
  }
  ASSERT_FALSE(heard.empty());
  EXPECT_GT(heard[0].ballot, 1u);
}

TEST(GrpcBirthTest, AVerdictOfTheListenerGoesBack) {
  TestSeed a(seed_config(1)), b(seed_config(2));
  b.listener.set_verdict(Status::overloaded("257 messages wait; the limit is 256"));
  a.birth->send(b.address(), pledge(1));
  EXPECT_TRUE(a.listener.wait_undelivered("257 messages wait"));
}

struct BadCallCase {
  const char* name;
  std::string from;
  std::string message;
  const char* says;
};

TEST(GrpcBirthTest, RefusesWhatIsNoMessageOfASeed) {
  const ByteBuffer good = encode_birth(pledge(1));
  const std::string bytes(good.begin(), good.end());
  const BadCallCase cases[] = {
      {"Empty", "a:1", "", "0 bytes"},
      {"Cut", "a:1", bytes.substr(0, 7), "7 bytes"},
      {"NewerVersion", "a:1", "\x02" + bytes.substr(1), "version 2"},
      {"UnknownKind", "a:1", "\x01\x09", "kind 9"},
      {"AStoredGenesis", "a:1", "\x01\x05", "kind 5"},
      {"NoAddress", "", bytes, "host:port"},
      {"NoPort", "nowhere", bytes, "host:port"},
      {"TooLarge", "a:1", std::string(64'000, 'x'), ""},
  };
  TestSeed seed(seed_config(1));
  const auto stub =
      v1::Birth::NewStub(grpc::CreateChannel(seed.address(), grpc::InsecureChannelCredentials()));
  for (const BadCallCase& c : cases) {
    SCOPED_TRACE(c.name);
    grpc::ClientContext context;
    v1::SeedMessage request;
    request.set_from_address(c.from);
    request.set_message(c.message);
    v1::SeedReceipt receipt;
    const grpc::Status status = stub->Tell(&context, request, &receipt);
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.error_message().find(c.says), std::string::npos) << status.error_message();
  }
  EXPECT_TRUE(seed.listener.wait_heard(0).empty());
}

// The certificate says which node speaks: by its URI, or the host of its address.
TEST(GrpcBirthTest, BelievesCertificatesOfThisClusterOnly) {
  TestAuthority authority("ca"), strange("ca");
  TestSeed listener(seed_config(2, authority.issue(leaf_of_node("n2"))));
  LeafOptions other_name = leaf_of_node("n1");
  other_name.uris = {"worldline://other/node/n1", "worldline://test/node/own"};
  TransportConfig impostor = seed_config(1, authority.issue(other_name));
  impostor.node_name = "own";
  {
    TestSeed own(impostor);
    own.birth->send(listener.address(), pledge(7));
    EXPECT_EQ(listener.listener.wait_heard(1).size(), 1u) << "it is who it says";
  }
  const auto stub_of = [&](const TlsMaterial& material) {
    GrpcCredentials credentials(material);
    return v1::Birth::NewStub(grpc::CreateChannel(listener.address(), credentials.for_dialling()));
  };
  const auto tell = [](v1::Birth::Stub& stub, const std::string& name) {
    grpc::ClientContext context;
    v1::SeedMessage request;
    const ByteBuffer bytes = encode_birth(pledge(9));
    request.set_from_address("10.1.1.1:7");
    request.set_from_name(name);
    request.set_message(bytes.data(), bytes.size());
    v1::SeedReceipt receipt;
    return stub.Tell(&context, request, &receipt).error_code();
  };
  const auto sound = stub_of(authority.issue(other_name));
  EXPECT_EQ(tell(*sound, "n1"), grpc::StatusCode::PERMISSION_DENIED) << "of another cluster";
  EXPECT_EQ(tell(*sound, "n3"), grpc::StatusCode::PERMISSION_DENIED) << "of another node";
  EXPECT_EQ(tell(*sound, ""), grpc::StatusCode::PERMISSION_DENIED) << "of nobody";
  EXPECT_EQ(tell(*sound, "own"), grpc::StatusCode::OK);
  const auto stranger = stub_of(strange.issue(leaf_of_node("n1")));
  EXPECT_EQ(tell(*stranger, "n1"), grpc::StatusCode::UNAVAILABLE) << "no handshake";
  TestSeed open(seed_config(3));
  open.birth->send(listener.address(), pledge(1));
  EXPECT_TRUE(open.listener.wait_undelivered(listener.address())) << "in the clear";
  EXPECT_EQ(listener.listener.wait_heard(2).size(), 2u);
}

// After the birth: the same address, the same listener, behind the streams of the cluster.
TEST(GrpcBirthTest, TheTransportTakesTheAddressOver) {
  TestSeed born(seed_config(1)), late(seed_config(2));
  const std::string address = born.address();
  late.birth->send(address, pledge(1));
  ASSERT_EQ(born.listener.wait_heard(1).size(), 1u);
  born.birth->stop_listening();
  TransportConfig config = config_of(1);
  config.listen_address = address;
  RecordingListener streams;
  auto transport = GrpcTransport::start(config, streams, test_now(), &born.listener);
  ASSERT_TRUE(transport.ok()) << transport.status().message();
  const auto end = std::chrono::steady_clock::now() + kDeadline;
  for (uint64_t i = 2; born.listener.wait_heard(0).size() < 2; ++i) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    late.birth->send(address, pledge(i));  // The first ones may meet the connection's end.
    std::this_thread::yield();
  }
  born.birth->send(late.address(), pledge(9));
  EXPECT_EQ(late.listener.wait_heard(1).size(), 1u) << "it still speaks";
  // Streams work beside it.
  TestNode other(config_of(2));
  PeerInfo peer = other.info();
  ASSERT_TRUE((*transport)->set_peers({peer}).ok());
  PeerInfo self;
  self.node = config.identity.node;
  self.uuid = config.identity.uuid;
  self.name = config.node_name;
  self.addresses = {address};
  ASSERT_TRUE(other.transport().set_peers({self}).ok());
  EXPECT_TRUE(other.wait_up(self.node));
}

TEST(GrpcBirthTest, ATransportWithoutAListenerSaysSo) {
  TestNode node(config_of(1));
  TestSeed seed(seed_config(2));
  seed.birth->send(address_at(node.port()), pledge(1));
  EXPECT_TRUE(seed.listener.wait_undelivered(address_at(node.port())));
}

TEST(GrpcBirthTest, NothingIsSaidAfterStop) {
  TestSeed a(seed_config(1)), b(seed_config(2));
  for (uint64_t i = 0; i < 3 * kSeedQueueMax; ++i) a.birth->send(b.address(), pledge(i));
  a.birth->stop();
  const size_t heard = b.listener.wait_heard(0).size();
  a.birth->send(b.address(), pledge(1'000));
  a.birth->stop();
  EXPECT_LE(heard, 3 * kSeedQueueMax);
  for (const auto& one : b.listener.wait_heard(0)) EXPECT_NE(one.ballot, 1'000u);
}

TEST(GrpcBirthTest, RefusesAConfigurationThatCannotListen) {
  RecordingSeed listener;
  TransportConfig config = seed_config(1);
  config.listen_address = "0.0.0.0:0";
  EXPECT_EQ(GrpcBirth::start(config, "a:1", listener, test_now()).status().code(),
            StatusCode::kInvalidArgument);
  TestSeed taken(seed_config(1));
  config.listen_address = taken.address();
  EXPECT_EQ(GrpcBirth::start(config, "a:1", listener, test_now()).status().code(),
            StatusCode::kIoError);
}

}  // namespace
}  // namespace worldline::replication::testing
