// DeliveryDesk: order, sharing and the rule that nothing uncommitted is shown [S 02/10].
#include "actors/delivery_desk.h"

#include "actors/confirmation_wait.h"
#include "tests/actors/actors_fixture.h"

namespace worldline::actors {
namespace {

constexpr SessionId kAda{1};
constexpr SessionId kBob{2};

class DeliveryDeskTest : public testing::Test {
 protected:
  DeliveryDeskTest() {
    run(ProposalSeq{0}, {SessionOpenedItem{kAda, ada_}, SessionOpenedItem{kBob, bob_}});
  }

  void run(ProposalSeq depends_on, std::vector<ExecutedItem> items) {
    ExecutedBatch batch;
    batch.depends_on = depends_on;
    batch.items = std::move(items);
    desk_.execute(batch);
  }
  SubscribeItem subscribe(SessionId session, uint32_t query_set_id, std::string query) {
    SubscribeItem item;
    item.session = session;
    item.request_id = 10 + query_set_id;
    item.query_set_id = query_set_id;
    item.queries = {std::move(query)};
    item.state = database_.pin();
    item.sequence = ++sequence_;
    return item;
  }
  TxItem transaction(TxDataPtr tx, std::optional<CallerRef> caller = {}) {
    TxItem item;
    item.tx = std::move(tx);
    item.caller = caller;
    item.timestamp = Timestamp{5};
    return item;
  }

  ItemDatabase database_;
  DeliveryDesk desk_;
  std::shared_ptr<RecordingSink> ada_ = std::make_shared<RecordingSink>();
  std::shared_ptr<RecordingSink> bob_ = std::make_shared<RecordingSink>();
  uint64_t sequence_ = 0;
};

TEST_F(DeliveryDeskTest, HoldsEverythingBackUntilItsEntryIsCommitted) {
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  ASSERT_EQ(ada_->messages.size(), 1u);
  run(ProposalSeq{5}, {transaction(database_.insert(1, "one"))});
  run(ProposalSeq{6}, {transaction(database_.insert(2, "two"))});
  desk_.committed(ProposalSeq{4});
  EXPECT_EQ(ada_->messages.size(), 1u) << "entry 5 is not committed";
  desk_.committed(ProposalSeq{5});
  EXPECT_EQ(ada_->messages.size(), 2u);
  desk_.committed(ProposalSeq{9});
  EXPECT_EQ(ada_->messages.size(), 3u);
}

TEST_F(DeliveryDeskTest, ReleasesAtOnceWhatDependsOnCommittedEntries) {
  desk_.committed(ProposalSeq{8});
  run(ProposalSeq{8}, {subscribe(kAda, 1, "SELECT * FROM item")});
  EXPECT_EQ(ada_->messages.size(), 1u);
}

TEST_F(DeliveryDeskTest, GivesTheCallerItsRowsInsideTheResultAndOthersAnUpdate) {
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item"),
                       subscribe(kBob, 4, "SELECT * FROM item WHERE id = 3")});
  run(ProposalSeq{0}, {transaction(database_.insert(3, "x"), CallerRef{kAda, 77})});
  const auto& result = ada_->message<protocol::ReducerResult>(1);
  EXPECT_EQ(result.request_id, 77u);
  const auto* ok = std::get_if<protocol::ReducerOk>(&result.outcome);
  ASSERT_NE(ok, nullptr);
  ASSERT_EQ(ok->update.query_sets.size(), 1u);
  EXPECT_EQ(ok->update.query_sets[0].query_set_id, 1u);
  const auto& update = bob_->message<protocol::TransactionUpdate>(1);
  ASSERT_EQ(update.query_sets.size(), 1u);
  EXPECT_EQ(update.query_sets[0].query_set_id, 4u);
  EXPECT_TRUE(equal(update.query_sets[0].tables[0].rows[0].inserts[0], ItemDatabase::row(3, "x")));
}

TEST_F(DeliveryDeskTest, SendsNothingToSessionsThatAreNotConcerned) {
  run(ProposalSeq{0}, {subscribe(kBob, 1, "SELECT * FROM item WHERE id = 4")});
  run(ProposalSeq{0}, {transaction(database_.insert(3, "x"), CallerRef{kAda, 1})});
  EXPECT_EQ(bob_->messages.size(), 1u);
  EXPECT_EQ(ada_->messages.size(), 1u) << "the caller hears of its call all the same";
}

TEST_F(DeliveryDeskTest, GroupsSeveralSetsOfOneSessionIntoOneMessage) {
  run(ProposalSeq{0}, {subscribe(kAda, 2, "SELECT * FROM item"),
                       subscribe(kAda, 1, "SELECT * FROM item WHERE id = 9")});
  run(ProposalSeq{0}, {transaction(database_.insert(9, "n"))});
  const auto& update = ada_->message<protocol::TransactionUpdate>(2);
  ASSERT_EQ(update.query_sets.size(), 2u);
  EXPECT_EQ(update.query_sets[0].query_set_id, 1u);
  EXPECT_EQ(update.query_sets[1].query_set_id, 2u);
}

TEST_F(DeliveryDeskTest, SharesOneBatchBetweenSessionsThatGetTheSameBytes) {
  run(ProposalSeq{0},
      {subscribe(kAda, 1, "SELECT * FROM item"), subscribe(kBob, 1, "SELECT * FROM item")});
  run(ProposalSeq{0},
      {transaction(database_.insert(1, "a")), transaction(database_.insert(2, "b"))});
  ASSERT_EQ(ada_->batches.size(), 2u);
  EXPECT_EQ(ada_->batches[1].get(), bob_->batches[1].get());
  EXPECT_EQ(ada_->messages.size(), 3u) << "one message for each transaction";
}

TEST_F(DeliveryDeskTest, TellsFailuresOfCallsToTheCallerOnly) {
  TxItem refused;
  refused.caller = CallerRef{kAda, 5};
  refused.verdict = Verdict::kUserError;
  refused.text = "no";
  TxItem broken = refused;
  broken.verdict = Verdict::kInternalError;
  run(ProposalSeq{0}, {std::move(refused), std::move(broken)});
  const auto& first = ada_->message<protocol::ReducerResult>(0);
  ASSERT_TRUE(std::holds_alternative<protocol::ReducerErr>(first.outcome));
  EXPECT_EQ(protocol::reducer_error_text(std::get<protocol::ReducerErr>(first.outcome)), "no");
  EXPECT_TRUE(std::holds_alternative<protocol::ReducerInternalError>(
      ada_->message<protocol::ReducerResult>(1).outcome));
  EXPECT_TRUE(bob_->messages.empty());
}

TEST_F(DeliveryDeskTest, AnswersABadQueryWithAnErrorAndKeepsNothing) {
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM nowhere")});
  const auto& error = ada_->message<protocol::SubscriptionError>(0);
  EXPECT_EQ(error.request_id, 11u);
  EXPECT_EQ(error.query_set_id, 1u);
  EXPECT_EQ(desk_.query_set_count(), 0u);
}

TEST_F(DeliveryDeskTest, UnsubscribesWithTheRowsThatWereThere) {
  database_.insert(1, "a");
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  run(ProposalSeq{0}, {UnsubscribeItem{kAda, 3, 1, true, database_.pin()}});
  const auto& applied = ada_->message<protocol::UnsubscribeApplied>(1);
  ASSERT_TRUE(applied.rows);
  ASSERT_EQ(applied.rows->size(), 1u);
  EXPECT_EQ((*applied.rows)[0].rows.size(), 1u);
  run(ProposalSeq{0}, {transaction(database_.insert(2, "b"))});
  EXPECT_EQ(ada_->messages.size(), 2u);
}

TEST_F(DeliveryDeskTest, ForgetsASessionThatClosed) {
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  run(ProposalSeq{0}, {SessionClosedItem{kAda}, transaction(database_.insert(1, "a"))});
  EXPECT_EQ(ada_->messages.size(), 1u);
  EXPECT_EQ(desk_.session_count(), 1u);
  EXPECT_EQ(desk_.query_set_count(), 0u);
}

TEST_F(DeliveryDeskTest, ClosesEverySessionAfterWhatItWasStillOwed) {
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  run(ProposalSeq{3},
      {transaction(database_.insert(1, "a")), CloseAllItem{{1001, "module exited"}}});
  EXPECT_TRUE(ada_->closes.empty());
  desk_.committed(ProposalSeq{3});
  EXPECT_EQ(ada_->messages.size(), 2u);
  ASSERT_EQ(ada_->closes.size(), 1u);
  EXPECT_EQ(ada_->closes[0].code, 1001);
  EXPECT_EQ(bob_->closes.size(), 1u);
}

TEST_F(DeliveryDeskTest, CountsTheBytesOfEveryMessageByWhatItIsAbout) {
  run(ProposalSeq{0},
      {subscribe(kAda, 1, "SELECT * FROM item"), subscribe(kBob, 4, "SELECT * FROM item")});
  run(ProposalSeq{0}, {transaction(database_.insert(3, "x"), CallerRef{kAda, 77})});
  run(ProposalSeq{0}, {ProcedureErrorItem{{kBob, 5}, "No such procedure"},
                       OneOffItem{kAda, {}, 6, "SELECT * FROM item", database_.pin()},
                       UnsubscribeItem{kBob, 7, 4, true, database_.pin()}});
  const auto sent = [this](SentFor what) {
    return desk_.figures().sent_bytes[static_cast<size_t>(what)];
  };
  uint64_t sum = 0;
  for (size_t i = 0; i < kSentForCount; ++i) {
    EXPECT_GT(sent(static_cast<SentFor>(i)), 0u) << sent_for_name(static_cast<SentFor>(i));
    sum += sent(static_cast<SentFor>(i));
  }
  uint64_t received = 0;
  for (const auto& sink : {ada_, bob_})
    for (const auto& body : sink->bodies) received += body->size();
  EXPECT_EQ(sum, received);
  EXPECT_EQ(desk_.subscription_count(), 1u) << "one client, one query";
}

TEST_F(DeliveryDeskTest, GivesTheMarksOfCallsBackOnceTheyAreAnswered) {
  int figures = 0;  // Only its address is used.
  TxItem call = transaction(database_.insert(1, "one"), CallerRef{kAda, 1});
  call.answer.figures = reinterpret_cast<FunctionFigures*>(&figures);
  run(ProposalSeq{5}, {call, transaction(database_.insert(2, "two"), CallerRef{kBob, 1})});
  EXPECT_TRUE(desk_.take_answered().empty()) << "entry 5 is not committed";
  desk_.committed(ProposalSeq{5});
  const std::vector<AnswerMark> answered = desk_.take_answered();
  ASSERT_EQ(answered.size(), 1u) << "the other carries no mark";
  EXPECT_EQ(answered[0].figures, call.answer.figures);
  EXPECT_TRUE(desk_.take_answered().empty());
}

TEST(ConfirmationWaitTest, SaysThatTheTransactionWasCancelledIfNobodyCanAnswerAnyMore) {
  std::vector<Status> told;
  {
    DeliveryDesk desk;
    const auto wait = std::make_shared<ConfirmationWait>(
        [&told](const Status& status) { told.push_back(status); });
    ExecutedBatch batch;
    batch.depends_on = ProposalSeq{5};
    batch.items = {TimedReplyItem{
        [wait] { wait->answer({}); }, {}, [wait] { wait->answer(Status::timeout("late")); }}};
    desk.execute(batch);
    EXPECT_TRUE(told.empty());
  }
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].code(), StatusCode::kUnavailable);
  EXPECT_EQ(told[0].message(), "Database update failed: transaction was cancelled");
}

TEST(ConfirmationWaitTest, AnswersOnce) {
  std::vector<Status> told;
  auto wait =
      std::make_shared<ConfirmationWait>([&told](const Status& status) { told.push_back(status); });
  wait->answer(Status());
  wait->answer(Status::timeout("late"));
  wait.reset();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].ok());
}

class ImpatientTest : public DeliveryDeskTest {
 protected:
  TimedReplyItem reply(std::string name, int deadline_seconds) {
    return {[this, name] { told_.push_back(name + " committed"); }, at(deadline_seconds),
            [this, name] { told_.push_back(name + " expired"); }};
  }
  static std::chrono::steady_clock::time_point at(int seconds) {
    return std::chrono::steady_clock::time_point(std::chrono::seconds(seconds));
  }
  std::vector<std::string> told_;
};

TEST_F(ImpatientTest, IsAnsweredByTheCommitIfThatComesFirst) {
  run(ProposalSeq{5}, {reply("a", 10)});
  EXPECT_EQ(desk_.next_deadline(), at(10));
  desk_.expire(at(9));
  EXPECT_TRUE(told_.empty());
  desk_.committed(ProposalSeq{5});
  desk_.expire(at(11));
  EXPECT_EQ(told_, std::vector<std::string>{"a committed"});
  EXPECT_FALSE(desk_.next_deadline());
}

TEST_F(ImpatientTest, IsAnsweredOnceByItsDeadlineAndNotByTheCommitBehindIt) {
  run(ProposalSeq{5}, {reply("a", 10), ReplyItem{[this] { told_.emplace_back("patient"); }}});
  run(ProposalSeq{6},
      {reply("b", 20), transaction(database_.insert(1, "one"), CallerRef{kAda, 1})});
  desk_.expire(at(10));
  EXPECT_EQ(told_, std::vector<std::string>{"a expired"});
  EXPECT_EQ(desk_.next_deadline(), at(20));
  desk_.expire(at(15));
  desk_.committed(ProposalSeq{6});
  desk_.expire(at(25));
  EXPECT_EQ(told_, (std::vector<std::string>{"a expired", "patient", "b committed"}));
  EXPECT_EQ(ada_->messages.size(), 1u) << "what else the entry holds is delivered as ever";
}

TEST_F(ImpatientTest, IsToldWhenTheCommitNeverComesAndSoIsEverybodyElse) {
  const auto waits = [this](const std::string& name) {
    return ReplyItem{
        [this, name] { told_.push_back(name + " committed"); },
        [this, name](const Status& why) { told_.push_back(name + ": " + why.message()); }};
  };
  run(ProposalSeq{4}, {waits("early")});
  run(ProposalSeq{5}, {reply("a", 10), waits("b"), ReplyItem{[this] { told_.emplace_back("c"); }},
                       transaction(database_.insert(1, "one"), CallerRef{kAda, 1})});
  run(ProposalSeq{6}, {reply("late", 10), SessionClosedItem{kBob}});
  desk_.expire(at(10));
  desk_.committed(ProposalSeq{4});
  told_.clear();
  run(ProposalSeq{7}, {reply("d", 20)});
  desk_.fail(Status::corruption("the group is lost"));
  EXPECT_EQ(told_,
            (std::vector<std::string>{
                "b: it is not known if this request took effect: the group is lost", "d expired"}));
  EXPECT_TRUE(ada_->messages.empty()) << "nothing uncommitted is ever shown";
  ASSERT_EQ(ada_->closes.size(), 1u);
  EXPECT_EQ(ada_->closes[0].code, 1011);
  EXPECT_EQ(ada_->closes[0].reason, "the group is lost");
  EXPECT_TRUE(bob_->closes.empty()) << "it had left";
  EXPECT_EQ(desk_.session_count(), 0u);
  EXPECT_FALSE(desk_.next_deadline());
  run(ProposalSeq{0}, {ReplyItem{[this] { told_.emplace_back("goodbye"); }}});
  EXPECT_EQ(told_.back(), "goodbye");
}

TEST_F(ImpatientTest, WaitsForNothingWhenEverythingIsCommitted) {
  desk_.committed(ProposalSeq{5});
  run(ProposalSeq{5}, {reply("a", 0)});
  EXPECT_EQ(told_, std::vector<std::string>{"a committed"});
  EXPECT_FALSE(desk_.next_deadline());
}

TEST_F(DeliveryDeskTest, HintsTheTablesOfJoinsAfterEachSubscribe) {
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  const auto first = desk_.take_snapshot_hint();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->sequence, 1u);
  EXPECT_TRUE(first->tables.empty());
  run(ProposalSeq{0},
      {subscribe(kAda, 2, "SELECT a.* FROM item AS a JOIN item AS b ON a.id = b.id")});
  const auto second = desk_.take_snapshot_hint();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->tables.size(), 1u);
  EXPECT_FALSE(desk_.take_snapshot_hint());
}

}  // namespace
}  // namespace worldline::actors
