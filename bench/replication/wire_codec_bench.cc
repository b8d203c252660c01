// What an Append costs on its way: our codec beside protobuf's generated classes, which do the same
// work with two copies of each payload each way. Instruction counts do not depend on the load of
// the machine: valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*encode_ours*',
// divided by the iterations that the benchmark prints.
#include <benchmark/benchmark.h>
#include <proto/replication.pb.h>

#include "base/crc32c.h"
#include "replication/transport/wire_codec.h"

namespace worldline::replication {
namespace {

namespace pb = worldline::replication::v1;

constexpr NodeLife kFrom{NodeId{1}, 9};
constexpr NodeId kTo{2};

WireMessage append_of(size_t entry_count, size_t payload_bytes) {
  Append body;
  body.prev = {Term{7}, LogIndex{100'000}};
  body.prev_chain = Chain{0x1234567890ABCDEF};
  body.commit = LogIndex{99'990};
  body.seq = 4000;
  for (size_t i = 0; i < entry_count; ++i) {
    Entry entry;
    entry.index = LogIndex{100'001 + i};
    entry.term = Term{7};
    entry.kind = EntryKind::kBundle;
    entry.chain = Chain{0xFEDCBA0987654321 + i};
    entry.payload = std::make_shared<const ByteBuffer>(payload_bytes, Byte{0x5A});
    entry.payload_bytes = static_cast<uint32_t>(payload_bytes);
    body.entries.push_back(std::move(entry));
  }
  return Envelope{GroupId{12},
                  {kFrom.node, kFrom.incarnation, ReplicaId{31}},
                  {kTo, 0, ReplicaId{32}},
                  Term{7},
                  LogIndex{3},
                  std::move(body)};
}

__attribute__((noinline)) EncodedFrame encode_ours(FrameEncoder& encoder,
                                                   const WireMessage* message) {
  return encoder.encode({&message, 1});
}

__attribute__((noinline)) std::string encode_generated(const WireMessage* message) {
  const auto& envelope = std::get<Envelope>(*message);
  const auto& body = std::get<Append>(envelope.body);
  pb::Frame frame;
  frame.set_wire_version(kWireVersion);
  pb::Envelope* out = frame.mutable_envelopes()->add_envelopes();
  out->set_group(envelope.group.value);
  out->set_from_replica(envelope.from.replica.value);
  out->set_to_replica(envelope.to.replica.value);
  out->set_term(envelope.term.value);
  out->set_config_index(envelope.config_index.value);
  pb::Append* append = out->mutable_append();
  append->mutable_prev()->set_term(body.prev.term.value);
  append->mutable_prev()->set_index(body.prev.index.value);
  append->set_prev_chain(body.prev_chain.value);
  append->set_commit(body.commit.value);
  append->set_seq(body.seq);
  for (const Entry& entry : body.entries) {
    pb::Entry* one = append->add_entries();
    one->set_term(entry.term.value);
    one->set_kind(static_cast<uint32_t>(entry.kind));
    one->set_chain(entry.chain.value);
    one->set_payload(entry.payload->data(), entry.payload->size());
  }
  std::string bytes(5, '\x0D');
  frame.AppendToString(&bytes);
  store_le(reinterpret_cast<Byte*>(bytes.data()) + 1,
           crc32c(0, as_bytes(std::string_view(bytes).substr(5))));
  return bytes;
}

__attribute__((noinline)) Result<DecodedFrame> decode_ours(Bytes bytes) {
  return decode_frame({&bytes, 1}, {kFrom, kTo, TrafficClass::kLog});
}

// Without any validation, which the other one does.
__attribute__((noinline)) Append decode_generated(Bytes bytes) {
  benchmark::DoNotOptimize(crc32c(0, bytes.subspan(5)));
  pb::Frame frame;
  frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  const pb::Append& append = frame.envelopes().envelopes(0).append();
  Append body;
  body.prev = {Term{append.prev().term()}, LogIndex{append.prev().index()}};
  uint64_t index = body.prev.index.value;
  for (const pb::Entry& one : append.entries()) {
    Entry entry;
    entry.index = LogIndex{++index};
    entry.term = Term{one.term()};
    entry.kind = static_cast<EntryKind>(one.kind());
    entry.chain = Chain{one.chain()};
    entry.payload = std::make_shared<const ByteBuffer>(one.payload().begin(), one.payload().end());
    body.entries.push_back(std::move(entry));
  }
  return body;
}

WireMessage argument(const benchmark::State& state) {
  return append_of(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)));
}

void EncodeOurs(benchmark::State& state) {
  const WireMessage message = argument(state);
  FrameEncoder encoder;
  for (auto _ : state) benchmark::DoNotOptimize(encode_ours(encoder, &message));
}
void EncodeGenerated(benchmark::State& state) {
  const WireMessage message = argument(state);
  for (auto _ : state) benchmark::DoNotOptimize(encode_generated(&message));
}
void DecodeOurs(benchmark::State& state) {
  const WireMessage message = argument(state);
  const std::string bytes = encode_generated(&message);
  for (auto _ : state) benchmark::DoNotOptimize(decode_ours(as_bytes(bytes)));
}
void DecodeGenerated(benchmark::State& state) {
  const WireMessage message = argument(state);
  const std::string bytes = encode_generated(&message);
  for (auto _ : state) benchmark::DoNotOptimize(decode_generated(as_bytes(bytes)));
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->Args({1, 200})->Args({10, 200})->Args({1, 64 * 1024});
}
BENCHMARK(EncodeOurs)->Apply(sizes);
BENCHMARK(EncodeGenerated)->Apply(sizes);
BENCHMARK(DecodeOurs)->Apply(sizes);
BENCHMARK(DecodeGenerated)->Apply(sizes);

}  // namespace
}  // namespace worldline::replication
