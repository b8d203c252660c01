// tests/storage/insert_work_test.cc: the work of an insert does not grow with its table
// [S 04/R06 (b)].
//
// The idea: work is counted, not timed. While a snapshot is pinned, an insert clones exactly the
// nodes and pages it changes, and each clone is one operator new. So the calls behind a pin are the
// number of places an insert touches; only the depth of a tree may add to them.
#include "tests/storage/counted_new.h"
#include "tests/storage/storage_fixture.h"

namespace worldline::storage {
namespace {

// A node on each level of the index, perhaps split (one new node per level), and of the page list;
// root, record, index list, page, and what a transaction keeps.
constexpr uint64_t kTouchedMax = 30;
// Ten times the rows: at most two more levels of the index, each with a split, and of the page
// list.
constexpr uint64_t kDeeperMax = 6;

struct GrowthCase {
  const char* name;
  size_t text_bytes;  // Of the row's second column; decides how many rows share a page.
  uint64_t rows;      // Of the small table; the large one has ten times as many.
  bool ascending;     // Order of the keys.
};

class InsertWorkTest : public StorageTest, public testing::WithParamInterface<GrowthCase> {
 protected:
  InsertWorkTest()
      : table_(create(Define("t")
                          .column("id", number_type(TypeKind::kU64))
                          .column("text", AlgebraicType::string())
                          .primary_key(0))),
        text_(GetParam().text_bytes, 'x') {}

  Row next_row() {
    const uint64_t n = next_++;
    // An odd factor makes each number once, in an order that visits all of the tree.
    return Row().u64(GetParam().ascending ? n : n * 0x9e3779b97f4a7c15ULL).text(text_);
  }
  void insert_one() {
    const Row row = next_row();
    Transaction tx = begin();
    EXPECT_TRUE(tx.insert(table_, row).ok());
    tx.commit();
  }
  void grow_to(uint64_t rows) {
    Transaction tx = begin();
    while (next_ < rows) EXPECT_TRUE(tx.insert(table_, next_row()).ok());
    tx.commit();
  }
  // The most places one of fifty inserts touches.
  uint64_t touched_max() {
    uint64_t most = 0;
    for (int i = 0; i < 50; ++i) {
      const SnapshotPtr snapshot = db->pin();
      most = std::max(most, count_new_of([this] { insert_one(); }).calls);
    }
    return most;
  }

  const TableId table_;
  const std::string text_;
  uint64_t next_ = 0;
};

TEST_P(InsertWorkTest, TouchesAsManyPlacesInALargeTableAsInASmallOne) {
  grow_to(GetParam().rows);
  const uint64_t small = touched_max();
  EXPECT_LE(small, kTouchedMax);
  grow_to(10 * GetParam().rows);
  EXPECT_LE(touched_max(), small + kDeeperMax);
  check();
}

// A table full of holes: every page has one free slot, and each insert must find the lowest.
TEST_P(InsertWorkTest, TouchesAsManyPlacesAmongPagesWithHoles) {
  grow_to(GetParam().rows);
  const uint64_t small = touched_max();
  grow_to(10 * GetParam().rows);
  std::vector<RowRef> holes;
  uint32_t last_page = UINT32_MAX;
  for (const auto& [ref, row] : placed_rows(table(table_))) {
    if (ref.page != last_page) holes.push_back(ref);
    last_page = ref.page;
  }
  {
    Transaction tx = begin();
    for (const RowRef ref : holes) ASSERT_TRUE(tx.delete_row(table_, ref).ok());
    tx.commit();
  }
  EXPECT_LE(touched_max(), small + kDeeperMax);
  check();
}

const GrowthCase kCases[] = {
    {"ManyRowsPerPageAscending", 8, 20'000, true},   {"ManyRowsPerPageScattered", 8, 20'000, false},
    {"FewRowsPerPageAscending", 2400, 1'000, true},  // About 40 granules of 62 bytes [S 05/4.1].
    {"FewRowsPerPageScattered", 2400, 1'000, false}, {"RowsOutsideOfPages", 10'000, 200, true},
};
INSTANTIATE_TEST_SUITE_P(R06, InsertWorkTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace worldline::storage
