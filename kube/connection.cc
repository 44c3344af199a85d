#include "kube/connection.h"

#include <algorithm>

namespace flexai::kube {
namespace {

using base::Code;

constexpr size_t kMostUnsent = 64 << 10;
// After we were stopped ourselves, what the server sent meanwhile must be read first.
constexpr base::Nanos kLastChance = 100 * base::kMillisecond;

}  // namespace

Connection::Connection(base::Loop& loop, NetStream::Peer peer, const H2Limits& limits,
                       const Liveness& liveness, Events events)
    : loop_(loop),
      name_(peer.name),
      liveness_(liveness),
      events_(std::move(events)),
      stream_(
          loop, std::move(peer), liveness.dial,
          {[this, limits] { opened(limits); }, [this](std::string_view bytes) { received(bytes); },
           [this] {
             full_ = false;
             flush();
           },
           [this](const base::Error& why) { close(why); }}),
      flushing_(std::make_shared<bool>(false)) {}

Connection::~Connection() {
  loop_.cancel(timer_);
  *flushing_ = false;
}

void Connection::dial() { stream_.dial(); }

void Connection::opened(const H2Limits& limits) {
  auto session = H2Session::make(limits);
  if (!session.ok()) return close(session.error());
  session_ = std::move(*session);
  state_ = State::kOpen;
  heard_ = base::monotonic_now();
  events_.room();
  flush();
}

base::Result<int32_t> Connection::start(const RequestHead& head, std::string body,
                                        Exchange* exchange) {
  auto id = session_->start(head, std::move(body), exchange);
  flush_soon();
  if (timer_ == 0) check_at(std::max(heard_ + liveness_.quiet, base::monotonic_now()));
  return id;
}

void Connection::reset(int32_t stream) {
  if (!open()) return;
  session_->reset(stream);
  flush_soon();
}

void Connection::consumed(int32_t stream, size_t bytes) {
  if (!open()) return;
  session_->consumed(stream, bytes);
  flush_soon();
}

void Connection::suspect() {
  if (!open() || asked_ != 0) return;
  session_->ping();
  asked_ = base::monotonic_now();
  doubted_ = false;
  flush_soon();
  check_at(asked_ + liveness_.patience);
}

void Connection::received(std::string_view bytes) {
  heard_ = base::monotonic_now();
  asked_ = 0;
  auto status = session_->feed(bytes);
  flush();  // also what nghttp2 has to say about an error
  if (!status.ok())
    return close(base::fail(status.error().code, name_ + ": " + status.error().message));
  if (open() && session_->over())
    return close(base::fail(Code::kUnavailable, name_ + " ended the HTTP/2 session"));
  if (open()) events_.room();
}

// One write for everything that is asked in one turn of the loop.
void Connection::flush_soon() {
  if (*flushing_) return;
  *flushing_ = true;
  loop_.post([this, posted = flushing_] {
    if (*posted) flush();
  });
}

void Connection::flush() {
  *flushing_ = false;
  if (!open()) return;
  while (!full_) {
    while (out_.size() < kMostUnsent) {
      std::string_view more = session_->output();
      if (more.empty()) break;
      out_ += more;
    }
    if (out_sent_ == out_.size()) break;
    out_sent_ += stream_.write(std::string_view(out_).substr(out_sent_));
    full_ = out_sent_ < out_.size();
    if (!full_) {
      out_.clear();
      out_sent_ = 0;
    }
  }
}

void Connection::check_at(base::Nanos when) {
  loop_.cancel(timer_);
  timer_ = loop_.at(when, [this] {
    timer_ = 0;
    check();
  });
}

void Connection::check() {
  if (!open()) return;
  base::Nanos now = base::monotonic_now();
  if (asked_ != 0 && now >= asked_ + liveness_.patience) {
    if (doubted_) return close(base::fail(Code::kUnavailable, name_ + " does not answer any more"));
    doubted_ = true;
    return check_at(now + kLastChance);
  }
  if (asked_ != 0) return check_at(asked_ + liveness_.patience);
  if (session_->active() == 0) return;  // nobody waits; the next start() looks again
  if (now < heard_ + liveness_.quiet) return check_at(heard_ + liveness_.quiet);
  suspect();
}

void Connection::close(const base::Error& why) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  loop_.cancel(timer_);
  timer_ = 0;
  *flushing_ = false;
  if (session_ != nullptr) session_->end({Ending::How::kCut, why.message, false});
  events_.closed(why);
}

}  // namespace flexai::kube
