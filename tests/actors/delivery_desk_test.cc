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
    if (reads_at_once_) run_reads();
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

  OneOffItem one_off(SessionId session, uint32_t request_id, std::string query) {
    return {session, {}, request_id, std::move(query), database_.pin()};
  }
  SqlReadItem sql(const std::string& text) {
    return {*query::SqlStatement::parse(text),
            {},
            database_.pin(),
            clock_.steady(),
            [this](Result<SqlReply> reply) { replies_.push_back(std::move(reply)); }};
  }
  std::string one_off_error(size_t position) {
    const auto& answer = ada_->message<protocol::OneOffQueryResult>(position);
    const auto* error = std::get_if<std::string_view>(&answer.result);
    return error == nullptr ? "no error" : std::string(*error);
  }
  void run_reads() {
    while (const auto read = readers_.run_one()) desk_.on_read(*read);
  }

  ItemDatabase database_;
  FakeClock clock_;
  ManualReaders readers_;
  ReadLimits limits_{std::chrono::milliseconds(500), 64 * limits::KiB, 2 * limits::KiB};
  DeliveryDesk desk_{{&readers_, &clock_, limits_}};
  std::vector<Result<SqlReply>> replies_;
  std::shared_ptr<RecordingSink> ada_ = std::make_shared<RecordingSink>();
  std::shared_ptr<RecordingSink> bob_ = std::make_shared<RecordingSink>();
  uint64_t sequence_ = 0;
  bool reads_at_once_ = true;
};

// The reads wait until the test runs them.
class SlowReadTest : public DeliveryDeskTest {
 protected:
  SlowReadTest() { reads_at_once_ = false; }

  std::string subscription_error(size_t position) {
    return std::string(ada_->message<protocol::SubscriptionError>(position).error);
  }
  // More than one answer may hold.
  void fill() { database_.insert(1, std::string(limits_.answer_bytes_max, 'x')); }
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
    ManualReaders readers;
    FakeClock clock;
    DeliveryDesk desk{{&readers, &clock, {}}};
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

// ---- Reads elsewhere: only their own session waits for them [S 02/10.1]
// ---------------------------

TEST_F(SlowReadTest, LetsNobodyElseWaitForAQuery) {
  run(ProposalSeq{0}, {subscribe(kBob, 1, "SELECT * FROM item")});
  run_reads();
  run(ProposalSeq{0}, {one_off(kAda, 1, "SELECT * FROM item"), sql("SELECT * FROM item")});
  run(ProposalSeq{0}, {transaction(database_.insert(1, "a"), CallerRef{kBob, 7})});
  EXPECT_EQ(bob_->message<protocol::ReducerResult>(1).request_id, 7u);
  EXPECT_TRUE(ada_->messages.empty());
  EXPECT_TRUE(replies_.empty());
  run_reads();
  EXPECT_EQ(ada_->messages.size(), 1u);
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_TRUE(replies_[0].ok());
}

TEST_F(SlowReadTest, KeepsTheOrderOfASessionAroundItsQueries) {
  run(ProposalSeq{0},
      {transaction(nullptr, CallerRef{kAda, 1}), one_off(kAda, 2, "SELECT * FROM item"),
       transaction(nullptr, CallerRef{kAda, 3}), one_off(kAda, 4, "nonsense"),
       transaction(nullptr, CallerRef{kAda, 5})});
  EXPECT_EQ(ada_->messages.size(), 1u) << "what stood before the query needs not wait";
  EXPECT_EQ(readers_.waiting.size(), 1u) << "queries of one session take turns";
  run_reads();
  ASSERT_EQ(ada_->messages.size(), 5u);
  EXPECT_EQ(ada_->message<protocol::ReducerResult>(0).request_id, 1u);
  EXPECT_EQ(ada_->message<protocol::OneOffQueryResult>(1).request_id, 2u);
  EXPECT_EQ(ada_->message<protocol::ReducerResult>(2).request_id, 3u);
  EXPECT_EQ(ada_->message<protocol::OneOffQueryResult>(3).request_id, 4u);
  EXPECT_EQ(ada_->message<protocol::ReducerResult>(4).request_id, 5u);
}

TEST_F(SlowReadTest, HoldsTheRowsOfAQueryUntilWhatTheyShowIsCommitted) {
  database_.insert(1, "a");
  run(ProposalSeq{4}, {one_off(kAda, 1, "SELECT * FROM item"), sql("SELECT * FROM item")});
  run_reads();
  EXPECT_TRUE(ada_->messages.empty());
  EXPECT_TRUE(replies_.empty());
  desk_.committed(ProposalSeq{4});
  EXPECT_EQ(ada_->messages.size(), 1u);
  EXPECT_EQ(replies_.size(), 1u);
}

TEST_F(SlowReadTest, ReadsTheStateOfTheQuestionNotOfTheAnswer) {
  database_.insert(1, "a");
  run(ProposalSeq{0}, {sql("SELECT * FROM item")});
  run(ProposalSeq{0}, {transaction(database_.insert(2, "b"))});
  run_reads();
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_NE(replies_[0]->json.find(R"("rows":[[1,"a"]])"), std::string::npos) << replies_[0]->json;
}

TEST_F(SlowReadTest, CancelsTheQueriesOfASessionThatCloses) {
  run(ProposalSeq{0},
      {one_off(kAda, 1, "SELECT * FROM item"), one_off(kAda, 2, "SELECT * FROM item")});
  ASSERT_EQ(readers_.waiting.size(), 1u);
  const PendingReadPtr read = readers_.waiting[0];
  run(ProposalSeq{0}, {SessionClosedItem{kAda}});
  EXPECT_EQ(read->check().code(), StatusCode::kUnavailable);
  run_reads();
  EXPECT_TRUE(readers_.waiting.empty()) << "the second one is not even begun";
}

TEST_F(SlowReadTest, EndsAQueryWhoseClientHasLeft) {
  const auto abandoned = std::make_shared<CancelFlag>();
  SqlReadItem item = sql("SELECT * FROM item");
  item.abandoned = abandoned;
  run(ProposalSeq{0}, {item});
  const PendingReadPtr read = readers_.waiting[0];
  abandoned->cancel();
  EXPECT_EQ(read->check().code(), StatusCode::kUnavailable);
  run_reads();
  EXPECT_EQ(replies_.size(), 1u) << "told all the same: callbacks run once";
}

TEST_F(SlowReadTest, EndsAQueryThatTakesTooLongWithAClearError) {
  run(ProposalSeq{0}, {sql("SELECT * FROM item")});
  const PendingReadPtr read = readers_.waiting[0];
  run_reads();
  EXPECT_TRUE(read->check().ok());
  clock_.advance(limits_.time_max);
  EXPECT_EQ(read->check().code(), StatusCode::kTooLarge);
  EXPECT_EQ(read->check().message(), "the query takes longer than 500 ms");
}

TEST_F(SlowReadTest, LimitsTheBytesOfOneAnswer) {
  database_.insert(1, std::string(limits_.answer_bytes_max, 'x'));
  run(ProposalSeq{0}, {one_off(kAda, 1, "SELECT * FROM item"), sql("SELECT * FROM item")});
  run_reads();
  EXPECT_EQ(one_off_error(0), "the answer is larger than 65536 bytes");
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_EQ(replies_[0].status().code(), StatusCode::kTooLarge);
}

TEST_F(SlowReadTest, BuildsNothingMoreForAClientUntilItTakesWhatWasBuilt) {
  run(ProposalSeq{0},
      {one_off(kAda, 1, "SELECT * FROM item"), one_off(kAda, 2, "SELECT * FROM item")});
  ada_->unsent = limits_.session_bytes_max + 1;
  run_reads();
  EXPECT_EQ(ada_->messages.size(), 1u);
  ASSERT_TRUE(desk_.next_deadline());
  clock_.advance(DeliveryDesk::kStallLook);
  desk_.expire(clock_.steady());
  run_reads();
  EXPECT_EQ(ada_->messages.size(), 1u) << "still too much";
  ada_->unsent = limits_.session_bytes_max;
  clock_.advance(DeliveryDesk::kStallLook);
  desk_.expire(clock_.steady());
  run_reads();
  EXPECT_EQ(ada_->messages.size(), 2u);
  EXPECT_FALSE(desk_.next_deadline());
  EXPECT_TRUE(ada_->closes.empty());
}

TEST_F(SlowReadTest, ClosesAClientThatTakesNothingForTooLong) {
  run(ProposalSeq{0},
      {one_off(kAda, 1, "SELECT * FROM item"), one_off(kAda, 2, "SELECT * FROM item")});
  ada_->unsent = limits_.session_bytes_max + 1;
  run_reads();
  clock_.advance(DeliveryDesk::kStallMax);
  desk_.expire(clock_.steady());
  ASSERT_EQ(ada_->closes.size(), 1u);
  EXPECT_EQ(ada_->closes[0].code, 0);
  run(ProposalSeq{0},
      {one_off(kAda, 3, "SELECT * FROM item"), transaction(nullptr, CallerRef{kAda, 4})});
  run_reads();
  EXPECT_EQ(ada_->messages.size(), 1u);
  EXPECT_EQ(ada_->closes.size(), 1u);
}

TEST_F(SlowReadTest, CountsAnswersThatWaitForTheirCommitAsBuilt) {
  database_.insert(1, std::string(limits_.session_bytes_max, 'x'));
  run(ProposalSeq{4},
      {one_off(kAda, 1, "SELECT * FROM item"), one_off(kAda, 2, "SELECT * FROM item")});
  run_reads();
  EXPECT_TRUE(desk_.next_deadline()) << "the second one is not begun";
  desk_.committed(ProposalSeq{4});
  clock_.advance(DeliveryDesk::kStallLook);
  desk_.expire(clock_.steady());
  run_reads();
  EXPECT_EQ(ada_->messages.size(), 2u);
}

TEST_F(SlowReadTest, ClosesASessionWithTooMuchBehindItsQuery) {
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  run(ProposalSeq{0},
      {transaction(database_.insert(1, std::string(limits_.session_bytes_max, 'x')))});
  ASSERT_EQ(ada_->closes.size(), 1u);
  EXPECT_EQ(ada_->closes[0].code, 0);
  run_reads();
  EXPECT_TRUE(ada_->messages.empty());
}

TEST_F(SlowReadTest, TellsInOrderThatNoReaderIsFree) {
  readers_.accepts = false;
  run(ProposalSeq{0}, {one_off(kAda, 1, "SELECT * FROM item"),
                       transaction(nullptr, CallerRef{kAda, 2}), sql("SELECT * FROM item")});
  ASSERT_EQ(ada_->messages.size(), 2u);
  EXPECT_EQ(one_off_error(0), "full");
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_EQ(replies_[0].status().code(), StatusCode::kOverloaded);
}

TEST_F(SlowReadTest, AnswersQueriesThatAreOutBeforeItClosesOrRetires) {
  run(ProposalSeq{0}, {one_off(kAda, 1, "SELECT * FROM item"), sql("SELECT * FROM item")});
  run(ProposalSeq{0}, {CloseAllItem{{1001, "module exited"}}});
  ASSERT_EQ(ada_->messages.size(), 1u);
  EXPECT_EQ(one_off_error(0), "module exited");
  EXPECT_EQ(ada_->closes.size(), 1u);
  EXPECT_TRUE(replies_.empty());
  desk_.retire();
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_EQ(replies_[0].status().code(), StatusCode::kUnavailable);
  run_reads();
  EXPECT_EQ(replies_.size(), 1u);
}

TEST_F(SlowReadTest, PutsFirstRowsOfTheirStateBeforeEveryLaterTransaction) {
  database_.insert(1, "a");
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  run(ProposalSeq{0}, {transaction(database_.insert(2, "b")),
                       transaction(database_.insert(3, "c"), CallerRef{kAda, 9})});
  EXPECT_TRUE(ada_->messages.empty());
  run_reads();
  ASSERT_EQ(ada_->messages.size(), 3u);
  const auto& applied = ada_->message<protocol::SubscribeApplied>(0);
  ASSERT_EQ(applied.rows.size(), 1u);
  EXPECT_EQ(applied.rows[0].rows.size(), 1u) << "the row of the subscribe's own state only";
  EXPECT_EQ(ada_->message<protocol::TransactionUpdate>(1).query_sets[0].query_set_id, 1u);
  EXPECT_EQ(ada_->message<protocol::ReducerResult>(2).request_id, 9u);
}

TEST_F(SlowReadTest, EncodesFirstRowsOfEqualQueriesOnceForAllClients) {
  database_.insert(1, "a");
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  run(ProposalSeq{0}, {subscribe(kBob, 4, "select * from item")});
  run_reads();
  ASSERT_EQ(ada_->batches.size(), 1u);
  ASSERT_EQ(bob_->batches.size(), 1u);
  EXPECT_EQ(ada_->batches[0]->pieces.back().bytes, bob_->batches[0]->pieces.back().bytes);
}

TEST_F(SlowReadTest, DoesNotShareFirstRowsOfAnotherState) {
  database_.insert(1, "a");
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  database_.insert(2, "b");
  run(ProposalSeq{0}, {subscribe(kBob, 1, "SELECT * FROM item")});
  run_reads();
  EXPECT_EQ(ada_->message<protocol::SubscribeApplied>(0).rows[0].rows.size(), 1u);
  EXPECT_EQ(bob_->message<protocol::SubscribeApplied>(0).rows[0].rows.size(), 2u);
}

TEST_F(SlowReadTest, TakesASetBackWhoseFirstRowsCannotBeRead) {
  fill();
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  run_reads();
  EXPECT_EQ(subscription_error(0), "Internal error evaluating queries");
  EXPECT_EQ(desk_.query_set_count(), 0u);
  run(ProposalSeq{0}, {transaction(database_.insert(2, "b"))});
  EXPECT_EQ(ada_->messages.size(), 1u);
  EXPECT_TRUE(ada_->closes.empty());
}

TEST_F(SlowReadTest, ClosesASessionWithUpdatesOfASetThatHasNoFirstRows) {
  fill();
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item")});
  run(ProposalSeq{0}, {transaction(database_.insert(2, "b"))});
  run_reads();
  ASSERT_EQ(ada_->messages.size(), 1u) << "rows the client cannot place are not sent";
  EXPECT_EQ(subscription_error(0), "Internal error evaluating queries");
  ASSERT_EQ(ada_->closes.size(), 1u);
  EXPECT_EQ(ada_->closes[0].code, 1011);
  EXPECT_EQ(desk_.query_set_count(), 0u);
}

TEST_F(SlowReadTest, KeepsASetThatTookTheIdOfOneThatFailed) {
  fill();
  run(ProposalSeq{0}, {subscribe(kAda, 1, "SELECT * FROM item"),
                       UnsubscribeItem{kAda, 3, 1, false, database_.pin()},
                       subscribe(kAda, 1, "SELECT * FROM item WHERE id = 7")});
  run_reads();
  EXPECT_EQ(desk_.query_set_count(), 1u);
  EXPECT_EQ(ada_->closes.size(), 1u) << "the answer to the unsubscribe would mislead";
}

class ImpatientTest : public DeliveryDeskTest {
 protected:
  TimedReplyItem reply(std::string name, int deadline_seconds) {
    return {[this, name] { told_.push_back(name + " committed"); }, at(deadline_seconds),
            [this, name] { told_.push_back(name + " expired"); }};
  }
  static std::chrono::steady_clock::time_point at(int second) {
    return std::chrono::steady_clock::time_point(std::chrono::seconds(second));
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
