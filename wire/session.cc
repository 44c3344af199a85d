#include "wire/session.h"

#include <unistd.h>

#include <algorithm>

#include "wire/exchange.h"
#include "wire/greeting.h"
#include "wire/lane.h"
#include "wire/waiter.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::monotonic_now;
using base::MutexLock;
using base::Nanos;
using base::Result;

namespace {

constexpr uint32_t kLeastWindow = 256u << 10, kMostWindow = 1u << 30;
constexpr uint16_t kMostLanes = 256;
constexpr Nanos kFarewell = 200 * base::kMillisecond;  // for a peer that reads slowly
constexpr int kMostTries = 3;  // to connect, when this process was stopped meanwhile

base::Status check_windows(uint32_t window, uint32_t lane_window) {
  for (uint32_t size : {window, lane_window})
    if (size < kLeastWindow || size > kMostWindow)
      return fail(Code::kCorrupt, "the peer announces a window of " + std::to_string(size) +
                                      " bytes; from 262144 to 1073741824 are allowed");
  return {};
}

}  // namespace

Session::Session(Connector connector, SessionOptions options)
    : connector_(std::move(connector)), options_(std::move(options)), outbox_(options_.window) {}

Session::~Session() {
  if (fork_.in_child()) {
    // Locks and threads are in the state of some moment of the parent: leave all of it as it is.
    new std::shared_ptr<Connection>(std::move(connection_));
    return;
  }
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    wake_keeper();
  }
  if (keeper_ != nullptr) keeper_->join();
  delete keeper_;
}

base::Status Session::not_child() const {
  if (!fork_.in_child()) return {};
  return fail(Code::kUnavailable,
              "this process was forked; the session belongs to its parent, open another one");
}

Terms Session::terms() const {
  return {.version = options_.version,
          .features = options_.features,
          .session = id_,
          .key = key_,
          .epoch = epoch_,
          .received = received_,
          .window = options_.window,
          .lane_window = options_.lane_window};
}

Hello Session::make_hello() const {
  Hello hello{terms()};
  hello.lease = options_.lease;
  return hello;
}

Welcome Session::make_welcome(Bytes note) const {
  Welcome welcome{terms()};
  welcome.features = features_;
  welcome.lanes = lanes_;
  welcome.grace_ms = static_cast<uint32_t>(options_.grace / base::kMillisecond);
  welcome.note.assign(note.begin(), note.end());
  return welcome;
}

base::Status Session::take_terms(const Welcome& welcome) {
  FLEXAI_TRY(check_windows(welcome.window, welcome.lane_window));
  if (is_none(welcome.session) || welcome.lanes == 0 || welcome.lanes > kMostLanes)
    return fail(Code::kCorrupt, "a welcome without session or lanes");
  id_ = welcome.session;
  key_ = welcome.key;
  lanes_ = welcome.lanes;
  features_ = welcome.features & options_.features;
  note_ = welcome.note;
  peer_window_ = welcome.window;
  peer_lane_window_ = welcome.lane_window;
  options_.grace = welcome.grace_ms * base::kMillisecond;
  return {};
}

Result<std::unique_ptr<Session>> Session::connect(Connector connector, SessionOptions options) {
  std::unique_ptr<Session> session(new Session(std::move(connector), std::move(options)));
  MutexLock lock(session->mutex_);
  base::Status begun;
  for (int i = 0; i < kMostTries; ++i) {
    const Nanos begin = monotonic_now();
    begun = session->begin();
    // Closed after that long, the host had given us up: this process was stopped. Again.
    const bool stopped = !begun.ok() && begun.error().code == Code::kUnavailable &&
                         monotonic_now() - begin >= session->options_.handshake;
    if (!stopped) break;
  }
  FLEXAI_TRY(begun);
  session->start();
  return session;
}

base::Status Session::begin() {
  FLEXAI_TRY_ASSIGN(auto transport,
                    connector_(Purpose::kCommands, monotonic_now() + options_.handshake));
  peer_ = transport->peer();
  bool refused = false;
  FLEXAI_TRY_ASSIGN(Welcome welcome,
                    greet(*transport, make_hello(), monotonic_now() + options_.handshake, refused));
  FLEXAI_TRY(take_terms(welcome));
  lane_.resize(lanes_);
  return install(std::move(transport), welcome.received);
}

Result<std::unique_ptr<Session>> Session::prepare(const Peer& peer, const Hello& hello,
                                                  SessionOptions options) {
  FLEXAI_TRY(check_windows(hello.window, hello.lane_window));
  std::unique_ptr<Session> session(new Session({}, std::move(options)));
  FLEXAI_TRY_ASSIGN(session->id_, random_session());
  FLEXAI_TRY_ASSIGN(session->key_, random_key());
  session->peer_ = peer;
  session->lanes_ = std::min(session->options_.lanes, kMostLanes);
  session->features_ = hello.features & session->options_.features;
  session->peer_window_ = hello.window;
  session->peer_lane_window_ = hello.lane_window;
  MutexLock lock(session->mutex_);
  session->lane_.resize(session->lanes_);
  session->epoch_ = hello.epoch;
  return session;
}

base::Status Session::open(std::unique_ptr<Transport> transport, const Hello& hello, Bytes note) {
  MutexLock lock(mutex_);
  Writer writer;
  encode(make_welcome(note), writer);
  FLEXAI_TRY(send_frame(*transport, FrameType::kWelcome, writer.bytes(),
                        monotonic_now() + options_.handshake));
  FLEXAI_TRY(install(std::move(transport), hello.received));
  start();
  return {};
}

base::Status Session::check_again(const Hello& hello, const Peer& peer) {
  if (over_) return fail(Code::kNotFound, "session " + text_of(id_) + " has ended");
  if (!equal_secret(hello.key, key_) || peer.identity != peer_.identity)
    return fail(Code::kDenied, "session " + text_of(id_) + " belongs to somebody else");
  if (hello.epoch <= epoch_)
    return fail(Code::kConflict, "a later connection of session " + text_of(id_) + " was first");
  if (hello.received > outbox_.last())
    return fail(Code::kCorrupt, "the hello names frames that were never sent");
  return {};
}

base::Status Session::resume(std::unique_ptr<Transport>& transport, const Hello& hello) {
  MutexLock lock(mutex_);
  FLEXAI_TRY(check_again(hello, transport->peer()));
  if (passed_on_) return send_on(*transport);
  epoch_ = hello.epoch;
  // From here on nothing of the earlier connection is taken in, so `received_` stands.
  if (connection_ != nullptr)
    drop(*connection_, fail(Code::kUnavailable, "the peer connected anew"));
  Writer writer;
  encode(make_welcome({}), writer);
  mutex_.unlock();
  auto sent = send_frame(*transport, FrameType::kWelcome, writer.bytes(),
                         monotonic_now() + options_.handshake);
  mutex_.lock();
  FLEXAI_TRY(sent);
  if (over_ || epoch_ != hello.epoch) return fail(Code::kConflict, "overtaken");
  auto installed = install(std::move(transport), hello.received);
  if (!installed.ok()) finish(installed.error());
  if (installed.ok() && passed_on_) bid_farewell(FrameType::kMoved, place_);  // meanwhile
  return installed;
}

base::Status Session::install(std::unique_ptr<Transport> transport, uint64_t received) {
  // Its writer still looks at frames that the rewind may free.
  while (retired_ != nullptr && retired_->writing) {
    mutex_.unlock();
    ::usleep(20);
    mutex_.lock();
  }
  retired_.reset();
  FLEXAI_TRY(outbox_.rewind(received));
  connection_ = std::make_shared<Connection>(std::move(transport), options_.silence, !connector_);
  if (!outbox_.empty()) connection_->silence.owe(monotonic_now());
  unanswered_ = 0;
  attempts_ = 0;
  cut_since_ = 0;
  credits_due_ = all_credits_due_ = true;
  if (keeper_ != nullptr) ++resumes_;
  write_out(connection_);
  wake_all();
  wake_keeper();
  return {};
}

void Session::start() {
  keeper_ = new std::thread([this] { keep(); });
}

Lane& Session::lane_of(uint16_t id) {
  auto& lane = lane_[id];
  if (lane == nullptr) lane.reset(new Lane(*this, id, peer_lane_window_, options_.lane_window));
  return *lane;
}

Result<Lane*> Session::lane(uint16_t id) {
  FLEXAI_TRY(not_child());
  if (id >= lanes_)
    return fail(Code::kInvalid,
                "lane " + std::to_string(id) + "; there are " + std::to_string(lanes_));
  MutexLock lock(mutex_);
  return &lane_of(id);
}

base::Status Session::status() const {
  FLEXAI_TRY(not_child());
  MutexLock lock(mutex_);
  if (over_) return end_why_;
  return {};
}

SessionStats Session::stats() const {
  if (fork_.in_child()) return {};
  MutexLock lock(mutex_);
  return {.frames_sent = outbox_.last(),
          .frames_received = received_,
          .messages_sent = messages_.load(std::memory_order_relaxed),
          .resumes = resumes_,
          .unacknowledged = outbox_.held(),
          .connected = connection_ != nullptr};
}

Hello Session::bulk_hello(uint8_t stripe, uint32_t epoch) const {
  MutexLock lock(mutex_);
  Hello hello = make_hello();
  hello.purpose = Purpose::kBulk;
  hello.stripe = stripe;
  hello.epoch = epoch;
  hello.received = 0;
  hello.lease.clear();
  return hello;
}

void Session::set_bulk(BulkSink sink) {
  MutexLock lock(bulk_mutex_);
  bulk_ = std::move(sink);
}

base::Status Session::take_bulk(std::unique_ptr<Transport>& transport, const Hello& hello) {
  Welcome welcome;
  {
    MutexLock lock(mutex_);
    if (over_) return fail(Code::kNotFound, "session " + text_of(id_) + " has ended");
    if (passed_on_) return fail(Code::kConflict, "session " + text_of(id_) + " is elsewhere");
    if (!equal_secret(hello.key, key_) || transport->peer().identity != peer_.identity)
      return fail(Code::kDenied, "session " + text_of(id_) + " belongs to somebody else");
    welcome = make_welcome({});
  }
  MutexLock lock(bulk_mutex_);
  if (!bulk_) return fail(Code::kDenied, "this session carries no bulk data");
  Writer writer;
  encode(welcome, writer);
  FLEXAI_TRY(send_frame(*transport, FrameType::kWelcome, writer.bytes(),
                        monotonic_now() + options_.handshake));
  bulk_(std::move(transport), hello.stripe, hello.epoch);
  return {};
}

void Session::cut() {
  MutexLock lock(mutex_);
  if (connection_ != nullptr) drop(*connection_, fail(Code::kUnavailable, "cut on request"));
}

base::Status Session::drain(Nanos deadline) {
  FLEXAI_TRY(flush());
  MutexLock lock(mutex_);
  if (outbox_.empty()) return {};
  if (connection_ != nullptr) {
    connection_->want_ping = true;
    write_out(connection_);
  }
  Waiter waiter;
  return await([this]() FLEXAI_REQUIRES(mutex_) { return outbox_.empty(); }, waiter, deadline);
}

void Session::close(Nanos deadline) {
  if (!not_child().ok() || ended()) return;
  {
    MutexLock lock(mutex_);
    closing_ = true;
  }
  Block key(Bytes{key_});
  if (flush().ok() && post(FrameType::kGoodbye, nullptr, std::move(key), true, deadline).ok()) {
    [[maybe_unused]] auto sent = drain(deadline);
  }
  MutexLock lock(mutex_);
  if (!over_) finish(fail(Code::kUnavailable, "the session was closed"));
}

void Session::end(const Refusal& refusal) {
  if (!not_child().ok()) return;
  MutexLock lock(mutex_);
  if (over_) return;
  Writer writer;
  encode(refusal, writer);
  bid_farewell(FrameType::kDead, writer.bytes());
  finish(error_of(refusal));
}

// The last note of the present connection, if there is one; waits until it is under way.
void Session::bid_farewell(FrameType type, Bytes payload) {
  std::shared_ptr<Connection> last = connection_;
  if (last == nullptr) return;
  last->farewell_type = type;
  last->farewell.assign(payload.begin(), payload.end());
  const Nanos end = monotonic_now() + kFarewell;
  auto is_under_way = [&]() FLEXAI_REQUIRES(mutex_) {
    write_out(last);
    last->bids_farewell = !last->writing && last->farewell.empty() && last->parts.empty();
    return last->bids_farewell || last->unwritable || last != connection_;
  };
  while (!is_under_way() && monotonic_now() < end) {
    mutex_.unlock();
    ::usleep(500);
    mutex_.lock();
  }
}

}  // namespace flexai::wire
