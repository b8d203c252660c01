// NodeService: what a publish becomes, and which fault is told first [S 02/3.4, 04/1.1].
#include "actors/node_service.h"

#include <deque>

#include <gtest/gtest.h>

#include "storage/catalog/catalog_state.h"

namespace worldline::actors {
namespace {

schema::Identity identity_of(const char* subject) {
  return schema::Identity::from_claims("test", subject).value();
}

// Runs changes at once on a catalog in memory and shows them on the board.
class InstantCatalog final : public CatalogRunner {
 public:
  explicit InstantCatalog(CatalogBoard& board)
      : board_(board), state_(storage::DatabaseState::bootstrap({GroupId(1)})) {
    EXPECT_TRUE(state_.prepare(Timestamp{1}).ok());
  }

  void run(CatalogDesk::Change change, Callback<Status> done) override {
    const Status outcome = change(state_, Timestamp{2});
    auto index = std::make_shared<CatalogIndex>();
    for (auto& record : state_.databases()) index->databases.emplace(record.database, record);
    for (auto& record : state_.names()) index->names.emplace(record.name, record);
    board_.publish(std::move(index));
    done(outcome);
  }

 private:
  CatalogBoard& board_;
  storage::CatalogState state_;
};

// Databases that start at once and take work nobody does.
class InstantLauncher final : public DatabaseLauncher {
 public:
  void create(const storage::DatabaseRecord& record, const PublishRequest& /*request*/,
              Callback<Result<DatabaseHandlePtr>> done) override {
    if (before_done) before_done();
    auto handle = std::make_shared<DatabaseHandle>();
    handle->database = record.database;
    handle->group = record.group;
    handle->queue = std::make_shared<WorkQueue>(1'000'000);
    handle->queue->set_wake([] {});
    handle->counters = std::make_shared<DatabaseCounters>();
    created.push_back(record.database);
    done(DatabaseHandlePtr(std::move(handle)));
  }
  void destroy(DatabaseHandlePtr /*handle*/, CloseReason /*reason*/,
               std::function<void()> done) override {
    done();
  }
  void discard(GroupId group, std::function<void()> done) override {
    discarded.push_back(group);
    done();
  }

  std::function<void()> before_done;
  std::vector<schema::Identity> created;
  std::vector<GroupId> discarded;
};

class NodeServiceTest : public testing::Test {
 protected:
  NodeServiceTest()
      : catalog_(board_),
        service_({&board_, &catalog_, &directory_, &launcher_, &guard_, &disk_, &clock_}) {}

  static PublishRequest request(std::optional<std::string> name, const schema::Identity& caller) {
    PublishRequest made;
    if (name) made.database = DatabaseRef{std::nullopt, *std::move(name)};
    made.caller.identity = caller;
    made.program = std::make_shared<const ByteBuffer>(ByteBuffer{1});
    return made;
  }

  // The outcome as one line: `created shop`, or the code and text of the refusal; `none` while the
  // database has not answered.
  std::string publish(PublishRequest request) {
    const auto outcome = std::make_shared<std::string>("none");
    service_.publish(std::move(request), [outcome](const Result<PublishReply>& reply) {
      EXPECT_EQ(*outcome, "none") << "answered twice";
      *outcome = text_of(reply);
    });
    return *outcome;
  }
  static std::string text_of(const Result<PublishReply>& reply) {
    if (!reply.ok())
      return std::string(status_code_name(reply.status().code())) + ": " + reply.status().message();
    const char* op = reply->op == PublishOp::kCreated   ? "created "
                     : reply->op == PublishOp::kUpdated ? "updated "
                                                        : "denied ";
    return op + reply->domain.value_or("-");
  }

  // Answers the update that waits at the database, as its host would.
  void answer_update(const char* name, const Status& outcome) {
    const auto record = board_.index()->resolve({std::nullopt, name});
    ASSERT_TRUE(record.ok());
    auto works = directory_.find(record->database)->queue->take({});
    ASSERT_EQ(works.size(), 1u);
    auto* const update = std::get_if<UpdateWork>(&works[0]);
    ASSERT_NE(update, nullptr);
    update->done(outcome);
  }

  void remove(const char* name, const schema::Identity& caller) {
    service_.remove({std::nullopt, name}, {caller, ""},
                    [](const Status& status) { EXPECT_TRUE(status.ok()) << status.message(); });
  }

  const schema::Identity ada_ = identity_of("ada");
  const schema::Identity bob_ = identity_of("bob");
  CatalogBoard board_;
  InstantCatalog catalog_;
  DatabaseDirectory directory_;
  InstantLauncher launcher_;
  PublishGuard guard_;
  DiskBoard disk_;
  FakeClock clock_;
  NodeService service_;
};

TEST_F(NodeServiceTest, ANewNameIsCreatedAndAKnownOneUpdated) {
  EXPECT_EQ(publish(request("shop", ada_)), "created shop");
  EXPECT_EQ(publish(request({}, ada_)), "created -");
  for (const auto& [answer, text] : {std::pair(Status(), "updated shop"),
                                     std::pair(Status::timeout("Database update failed: too late"),
                                               "timeout: Database update failed: too late")}) {
    std::string outcome;
    service_.publish(request("shop", ada_),
                     [&outcome](const auto& reply) { outcome = text_of(reply); });
    EXPECT_EQ(outcome, "") << "the database has not answered";
    answer_update("shop", answer);
    EXPECT_EQ(outcome, text);
  }
}

TEST_F(NodeServiceTest, AnIdentityWithoutDatabaseGetsOneOfExactlyThatIdentity) {
  PublishRequest by_identity = request({}, ada_);
  by_identity.database = DatabaseRef{identity_of("wanted"), ""};
  EXPECT_EQ(publish(std::move(by_identity)), "created -");
  EXPECT_EQ(launcher_.created, std::vector{identity_of("wanted")});
}

TEST_F(NodeServiceTest, ADatabaseOutOfServiceSaysWhyUntilItIsDeletedOrReplaced) {
  for (const bool replaced : {false, true}) {
    ASSERT_EQ(publish(request("shop", ada_)), "created shop");
    const auto record = board_.index()->resolve({std::nullopt, "shop"});
    const Outage outage{record->group, OutageKind::kQuarantined, "I-10: why"};
    const std::string text = outage_status(outage).message();
    directory_.take_out(record->database, {GroupId{999}, OutageKind::kStopped, "not this one"});
    EXPECT_EQ(directory_.outages().size(), 0u) << "another group runs";
    directory_.take_out(record->database, outage);
    EXPECT_EQ(publish(request("shop", ada_)), "corruption: " + text);
    service_.call({{std::nullopt, "shop"}, {ada_, ""}, "f", "[]"},
                  [&text](const CallReply& reply) { EXPECT_EQ(reply.text, text); });
    service_.find_database({std::nullopt, "shop"}, [&text](const Result<DatabaseInfo>& info) {
      EXPECT_FALSE(info->running);
      EXPECT_EQ(info->outage, text);
    });
    service_.logs({{std::nullopt, "shop"}, {ada_, ""}, {}, false}, nullptr,
                  [&text](const Status& status) { EXPECT_EQ(status.message(), text); });
    service_.open_session(
        {record->database, {ada_, ""}, {}, nullptr},
        [&text](const auto& session) { EXPECT_EQ(session.status().message(), text); });
    PublishRequest clear = request("shop", ada_);
    clear.clear = true;
    if (replaced)
      EXPECT_EQ(publish(std::move(clear)), "updated shop");
    else
      remove("shop", ada_);
    EXPECT_EQ(launcher_.discarded.back(), record->group);
    EXPECT_EQ(directory_.outages().size(), 0u);
  }
}

TEST_F(NodeServiceTest, ANameWhoseDatabaseIsGoneComesBackForItsOwnerOnly) {
  ASSERT_EQ(publish(request("shop", ada_)), "created shop");
  remove("shop", ada_);
  EXPECT_EQ(publish(request("shop", bob_)), "denied shop");
  EXPECT_EQ(launcher_.created.size(), 1u);
  EXPECT_EQ(publish(request("shop", ada_)), "created shop");
  ASSERT_EQ(launcher_.created.size(), 2u);
  EXPECT_EQ(launcher_.created[0], launcher_.created[1]) << "the old identity";
}

TEST_F(NodeServiceTest, TheSlowerOfTwoCreatorsOfOneNameIsToldSo) {
  launcher_.before_done = [this] {
    launcher_.before_done = nullptr;
    EXPECT_EQ(publish(request("shop", bob_)), "denied shop");
    EXPECT_EQ(publish(request("shop", ada_)).substr(0, 9), "internal:") << "still being created";
  };
  EXPECT_EQ(publish(request("shop", ada_)), "created shop");
}

// What a request says, on top of a plain publish.
struct FaultCase {
  const char* name;
  const char* database;  // `known` is ada's, `gone` was ada's, others are new; null: nameless.
  bool by_owner;
  void (*change)(PublishRequest&);
  const char* outcome;
};

void set_parent(PublishRequest& r, const char* name) {
  r.parent = DatabaseRef{std::nullopt, name};
}
void set_organization(PublishRequest& r, const char* name) {
  r.organization = DatabaseRef{std::nullopt, name};
}

const FaultCase kFaults[] = {
    {"ClearOfNothing", nullptr, true, [](PublishRequest& r) { r.clear = true; },
     "invalid argument: Clear database requires database name or identity"},
    {"ClearWithAParent", "known", false,
     [](PublishRequest& r) {
       r.clear = true;
       set_parent(r, "nobody");
     },
     "invalid argument: Setting the parent of an existing database is not supported"},
    {"ClearOfAStranger", "known", false, [](PublishRequest& r) { r.clear = true; },
     "permission denied: BOB is not authorized to perform action on database KNOWN: reset "
     "database"},
    {"ClearOfANewName", "fresh", true, [](PublishRequest& r) { r.clear = true; }, "created fresh"},
    {"ForeignNameBeforeParent", "gone", false, [](PublishRequest& r) { set_parent(r, "nobody"); },
     "denied gone"},
    {"UnknownParent", "fresh", true, [](PublishRequest& r) { set_parent(r, "nobody"); },
     "not found: `nobody` not found"},
    {"UnknownParentOfAnUpdate", "known", true, [](PublishRequest& r) { set_parent(r, "nobody"); },
     "not found: `nobody` not found"},
    {"UnknownOrganization", nullptr, true, [](PublishRequest& r) { set_organization(r, "nobody"); },
     "not found: `nobody` not found"},
    {"ParentBeforeOrganization", "fresh", true,
     [](PublishRequest& r) {
       set_parent(r, "no-parent");
       set_organization(r, "no-organization");
     },
     "not found: `no-parent` not found"},
    {"ParentBeforeReplicas", "fresh", true,
     [](PublishRequest& r) {
       set_parent(r, "nobody");
       r.replica_count = 256;
     },
     "not found: `nobody` not found"},
    {"ReplicasBeforeOwner", "known", false, [](PublishRequest& r) { r.replica_count = 256; },
     "invalid argument: Replication factor 256 out of bounds"},
    {"MostReplicas", "fresh", true, [](PublishRequest& r) { r.replica_count = 255; },
     "created fresh"},
    {"OwnerBeforePolicy", "known", false,
     [](PublishRequest& r) { r.policy = MigrationPolicy::kBreakClients; },
     "permission denied: BOB is not authorized to perform action on database KNOWN: update "
     "database"},
    {"BreakingWithoutToken", "fresh", true,
     [](PublishRequest& r) { r.policy = MigrationPolicy::kBreakClients; },
     "invalid argument: Migration policy is set to `BreakClients`, but no migration token was "
     "provided."},
    {"CreationByAForeignIssuer", "fresh", true, [](PublishRequest& r) { r.may_create = false; },
     "unauthenticated: To create a database, you must be logged in with a SpacetimeDB account."},
    {"UpdateByAForeignIssuer", "known", true, [](PublishRequest& r) { r.may_create = false; },
     "none"},
    {"KnownParent", "fresh", true, [](PublishRequest& r) { set_parent(r, "known"); },
     "not supported: creating a database with a parent is not supported"},
    {"ParentByIdentity", "fresh", true,
     [](PublishRequest& r) {
       r.parent = DatabaseRef{identity_of("anything"), ""};
     },
     "not supported: creating a database with a parent is not supported"},
    {"KnownOrganization", "fresh", true, [](PublishRequest& r) { set_organization(r, "gone"); },
     "not supported: creating a database for an organization is not supported"},
    {"KnownParentOfAnUpdate", "known", true, [](PublishRequest& r) { set_parent(r, "known"); },
     "none"},
};

class PublishFaultTest : public NodeServiceTest, public testing::WithParamInterface<FaultCase> {};

TEST_P(PublishFaultTest, IsToldInTheOrderOfDecisions) {
  const FaultCase& c = GetParam();
  ASSERT_EQ(publish(request("known", ada_)), "created known");
  ASSERT_EQ(publish(request("gone", ada_)), "created gone");
  remove("gone", ada_);
  const size_t created = launcher_.created.size();
  const size_t names = board_.index()->names.size();
  PublishRequest made =
      request(c.database == nullptr ? std::nullopt : std::optional<std::string>(c.database),
              c.by_owner ? ada_ : bob_);
  c.change(made);
  std::string outcome = publish(std::move(made));
  const auto shorten = [&outcome](const std::string& hex, const char* name) {
    if (const size_t at = outcome.find(hex); at != std::string::npos)
      outcome.replace(at, hex.size(), name);
  };
  shorten(bob_.to_hex(), "BOB");
  shorten(board_.index()->resolve({std::nullopt, "known"})->database.to_hex(), "KNOWN");
  EXPECT_EQ(outcome, c.outcome);
  if (outcome.starts_with("created")) return;
  EXPECT_EQ(launcher_.created.size(), created);
  EXPECT_EQ(board_.index()->names.size(), names) << "a refused publish registers no name";
}
INSTANTIATE_TEST_SUITE_P(S02, PublishFaultTest, testing::ValuesIn(kFaults),
                         [](const auto& test) { return test.param.name; });

TEST_F(NodeServiceTest, AModuleThatDoesNotRunIsAnInternalError) {
  ASSERT_EQ(publish(request("shop", ada_)), "created shop");
  const schema::Identity shop = board_.index()->resolve({std::nullopt, "shop"})->database;
  directory_.remove(shop);
  EXPECT_EQ(publish(request("shop", ada_)), "internal: no such module");
  bool running = true;
  service_.find_database({std::nullopt, "shop"},
                         [&running](const auto& info) { running = info->running; });
  EXPECT_FALSE(running);
  service_.resolve_database({shop, ""}, [shop](const auto& found) { EXPECT_EQ(*found, shop); });
  service_.resolve_database({std::nullopt, "nope"}, [](const auto& found) {
    EXPECT_EQ(found.status().message(), "`nope` not found");
  });
}

}  // namespace
}  // namespace worldline::actors
