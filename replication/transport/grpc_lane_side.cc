#include "replication/transport/grpc_lane_side.h"

#include <utility>

namespace worldline::replication {

GrpcLaneSide::GrpcLaneSide(const Shared& shared, TrafficClass cls,
                           std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : lane_(cls, std::move(queue)),
      context_{shared.config,      shared.listener, shared.directory,
               shared.credentials, lane_,           counters_},
      acceptor_(context_, shared.service, [this](const NodeLife& peer) {
        if (const LinkPtr link = find(peer.node)) link->on_reached_by(peer);
      }) {}

void GrpcLaneSide::start() {
  lane_.start();
  lane_.post_function([this] { acceptor_.start(); });
}

void GrpcLaneSide::abandon() {
  lane_.start();
  lane_.close();
  lane_.join();
}

GrpcLaneSide::LinkPtr GrpcLaneSide::find(NodeId node) const {
  const std::lock_guard lock(mutex_);
  const auto found = links_.find(node);
  return found == links_.end() ? nullptr : found->second;
}

Status GrpcLaneSide::push(NodeId to, MessageBatch batch, size_t bytes) {
  const LinkPtr link = find(to);
  if (link == nullptr) return Status::not_found("node {} is no peer", to.value);
  return link->push(std::move(batch), bytes);
}

void GrpcLaneSide::apply(const PeerChanges& changes) {
  for (const NodeId node : changes.removed) remove_link(node);
  for (const PeerInfo& peer : changes.added) add_link(peer);
  for (const PeerInfo& peer : changes.readdressed) {
    if (const LinkPtr link = find(peer.node))
      lane_.post_function([link, addresses = peer.addresses] { link->set_addresses(addresses); });
  }
}

void GrpcLaneSide::add_link(const PeerInfo& peer) {
  const auto link = std::make_shared<GrpcLink>(context_, peer);
  {
    const std::lock_guard lock(mutex_);
    links_[peer.node] = link;
  }
  lane_.post_function([link] { link->start(); });
}

void GrpcLaneSide::remove_link(NodeId node) {
  LinkPtr link;
  {
    const std::lock_guard lock(mutex_);
    const auto found = links_.find(node);
    if (found == links_.end()) return;
    link = std::move(found->second);
    links_.erase(found);
  }
  lane_.post_function([this, link, node] {
    close_link(link, EndReason::kRemoved);
    acceptor_.close_peer(node);
  });
}

void GrpcLaneSide::close_link(const LinkPtr& link, EndReason reason) {
  ++closing_links_;
  link->close(reason, [this, link] {  // Keeps the link until it is closed.
    --closing_links_;
    close_if_empty();
  });
}

bool GrpcLaneSide::refresh(NodeId node, GrpcLink::Done done) {
  const LinkPtr link = find(node);
  return link != nullptr && lane_.post_function([link, done] { link->refresh(done); });
}

void GrpcLaneSide::reject(const NodeLife& peer, const std::string& why) {
  lane_.post_function([this, peer, why] { acceptor_.reject(peer, why); });
}

void GrpcLaneSide::say_goodbye(GoodbyeReason reason, const GrpcLink::Done& done) {
  for (const NodeId node : peers()) {
    const LinkPtr link = find(node);
    if (link == nullptr ||
        !lane_.post_function([link, reason, done] { link->say_goodbye(reason, done); }))
      done();
  }
}

std::vector<NodeId> GrpcLaneSide::peers() const {
  const std::lock_guard lock(mutex_);
  std::vector<NodeId> nodes;
  for (const auto& [node, _] : links_) nodes.push_back(node);
  return nodes;
}

void GrpcLaneSide::begin_stop() {
  lane_.post_function([this] { stop_streams(); });
}

void GrpcLaneSide::stop_streams() {
  std::map<NodeId, LinkPtr> links;
  {
    const std::lock_guard lock(mutex_);
    links.swap(links_);
  }
  ++closing_links_;  // Until the loop is done.
  for (const auto& [_, link] : links) close_link(link, EndReason::kStopped);
  --closing_links_;
  acceptor_.stop([this] {
    is_acceptor_empty_ = true;
    close_if_empty();
  });
}

void GrpcLaneSide::finish_stop() {
  lane_.post_function([this] {
    may_close_ = true;
    close_if_empty();
  });
}

void GrpcLaneSide::close_if_empty() {
  if (may_close_ && is_acceptor_empty_ && closing_links_ == 0) lane_.close();
}

}  // namespace worldline::replication
