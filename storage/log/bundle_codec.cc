#include "storage/log/bundle_codec.h"

#include <algorithm>
#include <cstring>

#include "base/record_reader.h"

namespace worldline::storage {
namespace {

constexpr uint8_t kBundleTimesIncrease = 1;
constexpr uint8_t kTxConsumedOffset = 1;
constexpr uint32_t kTableTruncated = 1;
constexpr uint32_t kTableEphemeral = 2;
constexpr size_t kRefBytes = 6;  // page u32, slot u16.
constexpr size_t kReducerBytesMax = UINT16_MAX;

// The fixed parts as they lie in the record: packed by field order, no padding.
struct BundleHead {
  uint8_t version;
  uint8_t flags;
  uint16_t reserved;
  uint32_t transaction_count;
};
static_assert(sizeof(BundleHead) == 8);

struct TxHead {
  uint64_t offset;
  int64_t timestamp_micros;
  std::array<Byte, 32> caller;
  std::array<Byte, 16> connection_id;
  uint32_t body_bytes;  // Of everything after this head.
  uint32_t args_bytes;
  uint32_t table_count;
  uint16_t reducer_bytes;
  uint8_t flags;
  uint8_t reserved;
};
static_assert(sizeof(TxHead) == 80);

struct TableHead {
  uint32_t table;
  uint32_t flags;
  uint32_t insert_count;
  uint32_t insert_bytes;
  uint32_t delete_count;
  uint32_t delete_bytes;
};
static_assert(sizeof(TableHead) == 24);

const RowList kNoRows;

const RowList& logged_deletes(const TableDelta& delta) {
  return delta.truncated ? kNoRows : delta.deletes;
}

size_t list_bytes(const RowList& list) {
  return list.size() * (sizeof(uint32_t) + kRefBytes) + list.rows.size();
}

size_t reducer_bytes(const TxData& tx) {
  return std::min(tx.reducer.size(), kReducerBytesMax);
}

size_t body_bytes(const TxData& tx) {
  size_t sum = reducer_bytes(tx) + tx.args.size();
  for (const TableDelta& delta : tx.tables)
    sum += sizeof(TableHead) + list_bytes(delta.inserts) + list_bytes(logged_deletes(delta));
  return sum;
}

// Writes into memory that was sized before; the caller proves the end with a check.
class RawWriter {
 public:
  explicit RawWriter(Byte* at) : at_(at) {}
  template <typename T>
  void value(const T& value) {
    store_le(at_, value);
    at_ += sizeof value;
  }
  void copy(const void* from, size_t count) {
    if (count == 0) return;
    std::memcpy(at_, from, count);
    at_ += count;
  }
  void list(const RowList& list) {
    copy(list.ends.data(), list.ends.size_bytes());
    for (const RowRef& ref : list.refs) {
      value(ref.page);
      value(ref.slot);
    }
    copy(list.rows.data(), list.rows.size());
  }
  const Byte* at() const { return at_; }

 private:
  Byte* at_;
};

void write_table(RawWriter& writer, const TableDelta& delta) {
  const RowList& deletes = logged_deletes(delta);
  TableHead head{};
  head.table = delta.table.value;
  head.flags = (delta.truncated ? kTableTruncated : 0) | (delta.is_ephemeral ? kTableEphemeral : 0);
  head.insert_count = static_cast<uint32_t>(delta.inserts.size());
  head.insert_bytes = static_cast<uint32_t>(delta.inserts.rows.size());
  head.delete_count = static_cast<uint32_t>(deletes.size());
  head.delete_bytes = static_cast<uint32_t>(deletes.rows.size());
  writer.value(head);
  writer.list(delta.inserts);
  writer.list(deletes);
}

// The parts of one list, still unchecked against each other.
struct ListParts {
  Bytes ends, refs, rows;
};

ListParts take_list(RecordReader& reader, uint32_t count, uint32_t bytes) {
  ListParts parts;
  parts.ends = reader.take(uint64_t{count} * sizeof(uint32_t));
  parts.refs = reader.take(uint64_t{count} * kRefBytes);
  parts.rows = reader.take(bytes);
  return parts;
}

// Hands each row of a list to `add(ref, row)`; false if the ends contradict the bytes.
template <typename Add>
bool for_each_row(const ListParts& parts, uint32_t count, Add add) {
  uint32_t begin = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const auto end = load_le<uint32_t>(parts.ends.data() + i * sizeof(uint32_t));
    if (end < begin || end > parts.rows.size()) return false;
    const Byte* at = parts.refs.data() + i * kRefBytes;
    add(RowRef{load_le<uint32_t>(at), load_le<uint16_t>(at + 4)},
        parts.rows.subspan(begin, end - begin));
    begin = end;
  }
  return begin == parts.rows.size();
}

class BundleDecoder {
 public:
  BundleDecoder(Bytes payload, EphemeralRows ephemeral) : reader_(payload), ephemeral_(ephemeral) {}

  Result<Bundle> decode() {
    const auto head = reader_.number<BundleHead>();
    if (!reader_.ok()) return Status::corruption("bundle: no header");
    if (head.version != kBundleVersion || (head.flags & ~kBundleTimesIncrease) != 0 ||
        head.reserved != 0)
      return Status::not_supported("bundle: version {} flags {} is newer than {}", head.version,
                                   head.flags, kBundleVersion);
    // Each transaction needs its head, so the count cannot make us allocate more than was sent.
    if (head.transaction_count == 0 || head.transaction_count > reader_.left() / sizeof(TxHead))
      return Status::corruption("bundle: {} transactions in {} B", head.transaction_count,
                                reader_.left());
    Bundle bundle;
    bundle.transactions.reserve(head.transaction_count);
    for (uint32_t i = 0; i < head.transaction_count; ++i) {
      WL_RETURN_IF_ERROR(decode_transaction(bundle).with_context(fmt::format("transaction {}", i)));
    }
    bundle.trailer.digest = reader_.number<Digest128>();
    bundle.trailer.cluster_time_ns = reader_.number<uint64_t>();
    bundle.trailer.times_increase = (head.flags & kBundleTimesIncrease) != 0;
    if (!reader_.at_end()) return Status::corruption("bundle: trailer has the wrong length");
    return bundle;
  }

 private:
  Status decode_transaction(Bundle& bundle) {
    const auto head = reader_.number<TxHead>();
    RecordReader body(reader_.take(head.body_bytes));
    if (!reader_.ok()) return Status::corruption("bundle: cut short");
    if ((head.flags & ~kTxConsumedOffset) != 0 || head.reserved != 0)
      return Status::not_supported("bundle: unknown transaction flags {}", head.flags);
    const std::string_view reducer = as_text(body.take(head.reducer_bytes));
    const Bytes args = body.take(head.args_bytes);
    if (head.table_count > body.left() / sizeof(TableHead))
      return Status::corruption("bundle: {} tables in {} B", head.table_count, body.left());
    for (uint32_t i = 0; i < head.table_count; ++i) WL_RETURN_IF_ERROR(decode_table(body, i == 0));
    if (!body.at_end()) return Status::corruption("bundle: transaction has the wrong length");

    TxInfo info;
    info.timestamp = Timestamp{head.timestamp_micros};
    info.caller.le = head.caller;
    info.connection_id.le = head.connection_id;
    info.reducer = reducer;
    info.args = args;
    bundle.transactions.push_back(
        builder_.finish(info, TxOffset{head.offset}, (head.flags & kTxConsumedOffset) != 0));
    return Status::ok_status();
  }

  Status decode_table(RecordReader& body, bool is_first) {
    const auto head = body.number<TableHead>();
    const ListParts inserts = take_list(body, head.insert_count, head.insert_bytes);
    const ListParts deletes = take_list(body, head.delete_count, head.delete_bytes);
    if (!body.ok()) return Status::corruption("bundle: table {} is cut short", head.table);
    if ((head.flags & ~(kTableTruncated | kTableEphemeral)) != 0)
      return Status::not_supported("bundle: table {}: unknown flags {}", head.table, head.flags);
    if (!is_first && head.table <= last_table_)
      return Status::corruption("bundle: table {} after table {}", head.table, last_table_);
    last_table_ = head.table;

    const bool truncated = (head.flags & kTableTruncated) != 0;
    if (truncated && (head.insert_count != 0 || head.delete_count != 0))
      return Status::corruption("bundle: truncated table {} has rows", head.table);
    const bool is_ephemeral = (head.flags & kTableEphemeral) != 0;
    if (is_ephemeral && ephemeral_ == EphemeralRows::kSkip) return Status::ok_status();

    builder_.begin_table(TableId{head.table}, nullptr);
    builder_.set_truncated(truncated);
    builder_.set_ephemeral(is_ephemeral);
    const bool is_consistent =
        for_each_row(inserts, head.insert_count,
                     [this](RowRef ref, Bytes row) { builder_.add_insert(ref, row); }) &&
        for_each_row(deletes, head.delete_count,
                     [this](RowRef ref, Bytes row) { builder_.add_delete(ref, row); });
    if (!is_consistent)
      return Status::corruption("bundle: table {}: row ends do not fit the rows", head.table);
    return Status::ok_status();
  }

  RecordReader reader_;
  TxDataBuilder builder_;
  uint32_t last_table_ = 0;
  const EphemeralRows ephemeral_;
};

struct BarrierRecord {
  uint64_t version;  // 1.
  uint64_t leader;
  uint64_t incarnation;
  int64_t wall_micros;
  uint64_t cluster_time_ns;
  uint64_t next_offset;
  Digest128 digest;
};
static_assert(sizeof(BarrierRecord) == 64);

}  // namespace

size_t BundleEncoder::encoded_bytes(const TxData& tx) {
  return sizeof(TxHead) + body_bytes(tx);
}

void BundleEncoder::append(const TxData& tx) {
  if (buffer_.empty()) {
    buffer_.reserve(std::max<size_t>(4 * limits::KiB, capacity_hint_ + capacity_hint_ / 4));
    buffer_.resize(sizeof(BundleHead));
  }
  const size_t body = body_bytes(tx);
  TxHead head{};
  head.offset = tx.offset.value;
  head.timestamp_micros = tx.timestamp.micros;
  head.caller = tx.caller.le;
  head.connection_id = tx.connection_id.le;
  head.body_bytes = static_cast<uint32_t>(body);
  head.args_bytes = static_cast<uint32_t>(tx.args.size());
  head.table_count = static_cast<uint32_t>(tx.tables.size());
  head.reducer_bytes = static_cast<uint16_t>(reducer_bytes(tx));
  head.flags = tx.consumed_offset ? kTxConsumedOffset : 0;

  const size_t begin = buffer_.size();
  buffer_.resize(begin + sizeof head + body);
  RawWriter writer(buffer_.data() + begin);
  writer.value(head);
  writer.copy(tx.reducer.data(), head.reducer_bytes);
  writer.copy(tx.args.data(), tx.args.size());
  for (const TableDelta& delta : tx.tables) write_table(writer, delta);
  WL_CHECK(writer.at() == buffer_.data() + buffer_.size());
  ++transactions_;
}

SharedBytes BundleEncoder::finish(const BundleTrailer& trailer) {
  WL_CHECK(transactions_ > 0);
  BundleHead head{};
  head.version = kBundleVersion;
  head.flags = trailer.times_increase ? kBundleTimesIncrease : 0;
  head.transaction_count = transactions_;
  store_le(buffer_.data(), head);
  append_le(buffer_, trailer.digest);
  append_le(buffer_, trailer.cluster_time_ns);
  WL_DCHECK(decode_bundle(buffer_, EphemeralRows::kKeep).ok());  // Pair: what we write, we accept.
  capacity_hint_ = buffer_.size();
  transactions_ = 0;
  auto payload = std::make_shared<const ByteBuffer>(std::move(buffer_));
  buffer_ = {};
  return payload;
}

Result<Bundle> decode_bundle(Bytes payload, EphemeralRows ephemeral) {
  return BundleDecoder(payload, ephemeral).decode();
}

SharedBytes encode_barrier(const Barrier& barrier) {
  BarrierRecord record{};
  record.version = 1;
  record.leader = barrier.leader.value;
  record.incarnation = barrier.incarnation;
  record.wall_micros = barrier.wall.micros;
  record.cluster_time_ns = barrier.cluster_time_ns;
  record.next_offset = barrier.next_offset.value;
  record.digest = barrier.digest;
  ByteBuffer bytes;
  append_le(bytes, record);
  return std::make_shared<const ByteBuffer>(std::move(bytes));
}

Result<Barrier> decode_barrier(Bytes payload) {
  if (payload.size() < sizeof(uint64_t))
    return Status::corruption("barrier of {} B", payload.size());
  if (const auto version = load_le<uint64_t>(payload.data()); version != 1)
    return Status::not_supported("barrier: version {} is newer than 1", version);
  if (payload.size() != sizeof(BarrierRecord))
    return Status::corruption("barrier of {} B", payload.size());
  const auto record = load_le<BarrierRecord>(payload.data());
  Barrier barrier;
  barrier.leader = NodeId{record.leader};
  barrier.incarnation = record.incarnation;
  barrier.wall = Timestamp{record.wall_micros};
  barrier.cluster_time_ns = record.cluster_time_ns;
  barrier.next_offset = TxOffset{record.next_offset};
  barrier.digest = record.digest;
  return barrier;
}

}  // namespace worldline::storage
