#include "replication/transport/grpc_acceptor.h"

#include <utility>

namespace worldline::replication {

GrpcAcceptor::GrpcAcceptor(const GrpcContext& context, GrpcService& service, OnPeer on_peer)
    : context_(context), service_(service), on_peer_(std::move(on_peer)) {}

void GrpcAcceptor::start() {
  offer_next();
}

void GrpcAcceptor::offer_next() {
  auto stream = std::make_unique<AcceptedStream>(context_, service_,
                                                 static_cast<AcceptedStream::Owner&>(*this));
  AcceptedStream& offered = *stream;
  streams_.emplace(&offered, std::move(stream));
  offered.offer();
}

void GrpcAcceptor::on_arrived(AcceptedStream& stream) {
  if (is_stopping_)
    return stream.refuse(grpc::Status(grpc::StatusCode::UNAVAILABLE, "this node is stopping"));
  offer_next();
  if (streams_.size() <= context_.config.incoming_streams_max + 1) return stream.listen();
  add(context_.counters.handshakes_refused);
  stream.refuse(
      grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                   fmt::format("more than {} streams", context_.config.incoming_streams_max)));
}

void GrpcAcceptor::on_identified(AcceptedStream& stream) {
  AcceptedStream*& current = current_[stream.peer().node];
  if (current != nullptr) current->close();
  current = &stream;
  on_peer_(stream.peer());
}

void GrpcAcceptor::close_peer(NodeId node) {
  if (const auto found = current_.find(node); found != current_.end()) found->second->close();
}

void GrpcAcceptor::reject(const NodeLife& peer, const std::string& why) {
  const auto found = current_.find(peer.node);
  if (found != current_.end() && found->second->peer() == peer) found->second->reject(why);
}

void GrpcAcceptor::on_over(AcceptedStream& stream) {
  const auto found = current_.find(stream.peer().node);
  if (found != current_.end() && found->second == &stream) current_.erase(found);
  streams_.erase(&stream);
  if (streams_.empty() && on_empty_) on_empty_();
}

void GrpcAcceptor::stop(std::function<void()> on_empty) {
  is_stopping_ = true;
  on_empty_ = std::move(on_empty);
  for (const auto& [_, stream] : streams_) stream->close();
  if (streams_.empty()) on_empty_();
}

}  // namespace worldline::replication
