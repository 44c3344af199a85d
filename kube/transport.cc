#include "kube/transport.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>

namespace flexai::kube {
namespace {

using base::Code;

// Streams of the calls' connection that only urgent requests may take.
constexpr size_t kReserve = 4;
constexpr size_t kMostWatchConnections = 8;

}  // namespace

struct Transport::Flight final : Exchange, std::enable_shared_from_this<Flight> {
  Flight(Transport& owner, Id id, Request request, std::shared_ptr<Exchange> user)
      : owner(owner), id(id), request(std::move(request)), user(std::move(user)) {}

  void answered(int http, std::string_view retry_after) override {
    auto keep = shared_from_this();  // the user may cancel
    lane->backoff.reset();
    user->answered(http, retry_after);
  }
  bool data(std::string_view bytes) override {
    auto keep = shared_from_this();
    return user->data(bytes);
  }
  void ended(const Ending& ending) override {
    connection = nullptr;
    owner.over(id, ending);
  }

  Transport& owner;
  const Id id;
  Request request;
  std::shared_ptr<Exchange> user;
  LaneState* lane = nullptr;
  Connection* connection = nullptr;
  int32_t stream = 0;
};

base::Result<std::unique_ptr<Transport>> Transport::make(Credentials credentials,
                                                         TransportOptions options) {
  FLEXAI_TRY_ASSIGN(auto loop, base::Loop::make());
  std::unique_ptr<Transport> made(
      new Transport(std::move(credentials), std::move(options), std::move(loop)));
  made->thread_ = std::thread([transport = made.get()] {
    ::pthread_setname_np(::pthread_self(), "kube-io");
    // OpenSSL writes to sockets that may be gone; an error code is enough.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    transport->loop_->run();
  });
  return made;
}

Transport::Transport(Credentials credentials, TransportOptions options,
                     std::unique_ptr<base::Loop> loop)
    : credentials_(std::move(credentials)),
      options_(std::move(options)),
      loop_(std::move(loop)),
      token_(credentials_),
      calls_(options_),
      watches_(options_) {
  calls_.reserve = kReserve;
  watches_.most_connections = kMostWatchConnections;
}

Transport::~Transport() {
  loop_->post([this] {
    end_all();
    loop_->stop();
  });
  thread_.join();
  for (auto& resolver : resolvers_) resolver.join();
}

void Transport::end_all() {
  ending_ = true;
  while (!flights_.empty()) {
    Flight& flight = *flights_.begin()->second;
    if (flight.connection != nullptr) flight.connection->reset(flight.stream);
    over(flight.id, {Ending::How::kCut, "the client was closed", flight.connection == nullptr});
  }
  calls_.connections.clear();
  watches_.connections.clear();
}

Transport::Id Transport::open(Request request, std::shared_ptr<Exchange> exchange) {
  const Id id = next_++;
  auto flight = std::make_shared<Flight>(*this, id, std::move(request), std::move(exchange));
  flight->lane = flight->request.lane == Lane::kCalls ? &calls_ : &watches_;
  if (flight->request.deadline != 0) deadlines_.emplace(flight->request.deadline, id);
  flight->lane->waiting[static_cast<int>(flight->request.priority)].push_back(id);
  LaneState& lane = *flight->lane;
  flights_.emplace(id, std::move(flight));
  if (ending_) {
    // From a later task, as every other ending.
    loop_->post([this, id] { over(id, {Ending::How::kCut, "the client was closed", true}); });
    return id;
  }
  arm();
  pump(lane);
  return id;
}

void Transport::cancel(Id id) {
  auto it = flights_.find(id);
  if (it == flights_.end()) return;
  auto flight = std::move(it->second);
  flights_.erase(it);
  deadlines_.erase({flight->request.deadline, id});
  if (flight->connection != nullptr) flight->connection->reset(flight->stream);
}

void Transport::consumed(Id id, size_t bytes) {
  auto it = flights_.find(id);
  if (it != flights_.end() && it->second->connection != nullptr)
    it->second->connection->consumed(it->second->stream, bytes);
}

void Transport::over(Id id, const Ending& ending) {
  auto it = flights_.find(id);
  if (it == flights_.end()) return;
  auto flight = std::move(it->second);
  flights_.erase(it);
  deadlines_.erase({flight->request.deadline, id});
  flight->user->ended(ending);
}

Connection* Transport::with_room(LaneState& lane, Priority priority) {
  for (auto& connection : lane.connections)
    if (connection->room() > (priority == Priority::kUrgent ? 0 : lane.reserve))
      return connection.get();
  return nullptr;
}

// False when nobody waits or nobody has room.
bool Transport::send_next(LaneState& lane) {
  for (int priority = 0; priority < 3; ++priority) {
    auto& queue = lane.waiting[priority];
    while (!queue.empty() && flights_.count(queue.front()) == 0) queue.pop_front();
    if (queue.empty()) continue;
    Connection* connection = with_room(lane, static_cast<Priority>(priority));
    if (connection == nullptr) return false;
    auto flight = flights_[queue.front()];
    queue.pop_front();
    begin(*flight, *connection);
    return true;
  }
  return false;
}

void Transport::begin(Flight& flight, Connection& connection) {
  auto token = token_.current();
  if (!token.ok()) return over(flight.id, {Ending::How::kDenied, token.error().message, true});
  const auto& server = credentials_.server;
  RequestHead head{flight.request.method,
                   server.tls ? "https" : "http",
                   server.authority(),
                   server.prefix + flight.request.path,
                   {{"user-agent", options_.user_agent}, {"accept", flight.request.accept}}};
  if (!flight.request.content_type.empty())
    head.fields.emplace_back("content-type", flight.request.content_type);
  if (!token->empty()) head.fields.emplace_back("authorization", "Bearer " + *token);
  auto stream = connection.start(head, std::move(flight.request.body), &flight);
  if (!stream.ok()) return over(flight.id, {Ending::How::kCut, stream.error().message, true});
  flight.connection = &connection;
  flight.stream = *stream;
}

void Transport::pump(LaneState& lane) {
  while (send_next(lane)) {
  }
  // What the server has told to go away leaves when its last answer is there.
  for (size_t i = 0; i < lane.connections.size();) {
    auto& connection = lane.connections[i];
    if (connection->draining() && connection->active() == 0) {
      loop_->post([gone = std::shared_ptr<Connection>(std::move(connection))] {});
      lane.connections.erase(lane.connections.begin() + static_cast<ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  bool somebody = std::any_of(std::begin(lane.waiting), std::end(lane.waiting),
                              [](const auto& queue) { return !queue.empty(); });
  auto usable = std::count_if(lane.connections.begin(), lane.connections.end(),
                              [](const auto& c) { return !c->draining(); });
  if (somebody && !lane.dialing && static_cast<size_t>(usable) < lane.most_connections) dial(lane);
}

void Transport::dial(LaneState& lane) {
  base::Nanos now = base::monotonic_now();
  if (now < lane.not_before) {
    if (!std::exchange(lane.timer_set, true))
      loop_->at(lane.not_before, [this, &lane] {
        lane.timer_set = false;
        pump(lane);
      });
    return;
  }
  lane.dialing = true;
  NetStream::Peer peer;
  peer.name = credentials_.server.authority();
  if (credentials_.server.tls) {
    auto material = load_tls(credentials_);
    if (!material.ok()) return dial_failed(lane, material.error());
    peer.tls = std::move(*material);
  }
  if (!is_numeric(credentials_.server.host)) return look_up_and_dial(lane, std::move(peer));
  auto addresses = look_up(credentials_.server.host, credentials_.server.port);
  if (!addresses.ok()) return dial_failed(lane, addresses.error());
  peer.addresses = std::move(*addresses);
  dial_to(lane, std::move(peer));
}

// A name server may take long, and the loop has other things to do.
void Transport::look_up_and_dial(LaneState& lane, NetStream::Peer peer) {
  if (resolvers_.size() >= 2) {  // one a lane is under way at most: the oldest has ended
    resolvers_.front().join();
    resolvers_.erase(resolvers_.begin());
  }
  resolvers_.emplace_back([this, &lane, peer = std::move(peer)]() mutable {
    auto addresses = look_up(credentials_.server.host, credentials_.server.port);
    loop_->post([this, &lane, peer = std::move(peer), addresses = std::move(addresses)]() mutable {
      if (ending_) return;
      if (!addresses.ok()) return dial_failed(lane, addresses.error());
      peer.addresses = std::move(*addresses);
      dial_to(lane, std::move(peer));
    });
  });
}

void Transport::dial_to(LaneState& lane, NetStream::Peer peer) {
  auto place = std::make_shared<Connection*>(nullptr);
  auto room = [this, &lane] {
    lane.dialing = std::any_of(lane.connections.begin(), lane.connections.end(),
                               [](const auto& c) { return !c->was_open(); });
    pump(lane);
  };
  auto closed_now = [this, &lane, place](const base::Error& why) { closed(lane, *place, why); };
  lane.connections.push_back(std::make_unique<Connection>(*loop_, std::move(peer), options_.limits,
                                                          options_.liveness,
                                                          Connection::Events{room, closed_now}));
  *place = lane.connections.back().get();
  (*place)->dial();
}

void Transport::closed(LaneState& lane, Connection* connection, const base::Error& why) {
  auto it = std::find_if(lane.connections.begin(), lane.connections.end(),
                         [connection](const auto& c) { return c.get() == connection; });
  if (it == lane.connections.end()) return;
  // It is on the stack right now.
  loop_->post([gone = std::shared_ptr<Connection>(std::move(*it))] {});
  lane.connections.erase(it);
  if (!connection->was_open()) return dial_failed(lane, why);
  lane.not_before = base::monotonic_now() + (lane.backoff.tried() == 0 ? 0 : lane.backoff.next());
  if (lane.backoff.tried() == 0) lane.backoff.next();  // reset by the next answer
  pump(lane);
}

void Transport::dial_failed(LaneState& lane, const base::Error& why) {
  lane.dialing = false;
  lane.not_before = base::monotonic_now() + lane.backoff.next();
  bool hopeless =
      why.code == Code::kDenied || why.code == Code::kInvalid || why.code == Code::kUnsupported;
  Ending ending{hopeless ? Ending::How::kDenied : Ending::How::kCut, why.message, true};
  for (auto& queue : lane.waiting)
    for (Id id : std::exchange(queue, {})) over(id, ending);
}

void Transport::arm() {
  base::Nanos first = deadlines_.empty() ? 0 : deadlines_.begin()->first;
  if (first == 0 || (timer_ != 0 && armed_ <= first)) return;
  loop_->cancel(timer_);
  armed_ = first;
  timer_ = loop_->at(first, [this] {
    timer_ = 0;
    expire();
    arm();
  });
}

void Transport::expire() {
  base::Nanos now = base::monotonic_now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    auto it = flights_.find(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    if (it == flights_.end()) continue;
    Flight& flight = *it->second;
    const bool sent = flight.connection != nullptr;
    if (sent) {
      flight.connection->reset(flight.stream);
      flight.connection->suspect();
    }
    over(flight.id, {Ending::How::kTimeout, "no answer in time", !sent});
  }
}

}  // namespace flexai::kube
