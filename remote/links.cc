#include "remote/links.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "wire/exchange.h"
#include "wire/tls_context.h"

namespace flexai::remote {

using base::Code;
using base::fail;
using base::monotonic_now;
using base::MutexLock;
using base::Nanos;

namespace {

constexpr size_t kPiece = 1u << 20;
constexpr Nanos kIdle = 366 * 24 * 3600 * base::kSecond;  // as long as the session likes

// In pieces, so that slow is not late.
base::Status send_pieces(wire::Transport& to, wire::Bytes bytes) {
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), kPiece);
    FLEXAI_TRY(wire::send_all(to, bytes.first(size), monotonic_now() + Links::kPatience));
    bytes = bytes.subspan(size);
  }
  return {};
}

base::Status receive_pieces(wire::Transport& from, std::span<std::byte> into) {
  while (!into.empty()) {
    const size_t size = std::min(into.size(), kPiece);
    FLEXAI_TRY(wire::receive_all(from, into.first(size), monotonic_now() + Links::kPatience));
    into = into.subspan(size);
  }
  return {};
}

// Bytes that nobody expects.
base::Status drop_bytes(wire::Transport& from, uint64_t size) {
  std::vector<std::byte> nowhere(std::min<uint64_t>(size, kPiece));
  while (size != 0) {
    const size_t part = std::min<uint64_t>(size, nowhere.size());
    FLEXAI_TRY(receive_pieces(from, std::span(nowhere).first(part)));
    size -= part;
  }
  return {};
}

}  // namespace

// The bytes go on one thread while another hears what became of those before.
struct Links::Out {
  explicit Out(std::unique_ptr<wire::Transport> to) : transport(std::move(to)) {}
  void fail_all(const base::Status& why) {
    if (!broken.exchange(true))
      base::log(base::Level::kInfo, "links", "a link is cut", {{"why", why.error().message}});
    transport->shutdown();
  }
  void hear(const Sent& sent) {
    std::byte answer{};
    base::Status heard = wire::receive_all(*transport, {&answer, 1}, monotonic_now() + kAnswer);
    if (heard.ok() && answer != kTaken && answer != kNotTaken)
      heard = fail(Code::kCorrupt, "an answer that is none");
    if (!heard.ok()) fail_all(heard);
    if (heard.ok() && answer == kNotTaken) heard = fail(Code::kDenied, "a ticket is not taken");
    sent(heard);
  }

  const std::unique_ptr<wire::Transport> transport;
  std::atomic<bool> broken{false};
  Runner answers, sender;  // the sender posts to the other, so it ends first
};

Links::~Links() {
  cut();
  std::list<In> in;
  std::map<std::string, std::shared_ptr<Out>> out;
  {
    MutexLock lock(mutex_);
    in.swap(in_);
    out.swap(out_);
  }
  for (In& each : in)
    if (each.thread.joinable()) each.thread.join();
}

void Links::cut() {
  MutexLock lock(mutex_);
  cut_ = true;
  keys_.clear();
  for (In& each : in_) each.transport->shutdown();
  for (auto& [name, each] : out_) {
    each->broken = true;
    each->transport->shutdown();
  }
}

void Links::forget_old() {
  const Nanos now = monotonic_now();
  std::erase_if(keys_, [now](const auto& each) { return each.second.until < now; });
  for (In& each : in_)
    if (each.over) each.thread.join();
  in_.remove_if([](const In& each) { return each.over; });
}

base::Status Links::allow(const wire::SharedKey& key) {
  FLEXAI_TRY_ASSIGN(std::string name, wire::name_of(key));
  MutexLock lock(mutex_);
  forget_old();
  if (cut_ || keys_.size() >= kMostKeys || in_.size() >= kMostLinks)
    return fail(Code::kExhausted, "no more links to this worker");
  keys_.insert_or_assign(std::move(name), Key{key, monotonic_now() + key_life_});
  return {};
}

std::optional<wire::SharedKey> Links::key_named(const std::string& name) {
  MutexLock lock(mutex_);
  const auto found = keys_.find(name);
  if (found == keys_.end() || found->second.until < monotonic_now()) return std::nullopt;
  return found->second.key;
}

base::Status Links::take_in(std::unique_ptr<wire::Transport> transport) {
  MutexLock lock(mutex_);
  const auto found = keys_.find(transport->peer().key);
  const bool known = found != keys_.end() && found->second.until >= monotonic_now();
  if (found != keys_.end()) keys_.erase(found);
  if (cut_ || !known)
    return fail(Code::kDenied, transport->peer().name + " shows a key that is used or too old");
  if (in_.size() >= kMostLinks) return fail(Code::kExhausted, "no more links to this worker");
  In& in = in_.emplace_back();
  in.transport = std::move(transport);
  in.thread = std::thread([this, &in] { serve(in); });
  return {};
}

void Links::land(LinkLanding landing) {
  MutexLock lock(mutex_);
  landing_ = std::move(landing);
}

// One thread takes bytes in while another has those before made the object's and says so.
void Links::serve(In& in) {
  say(in, kTaken);
  base::Status status;
  while (status.ok()) status = serve_one(in);
  in.transport->shutdown();
  base::log(base::Level::kInfo, "links", "a link has ended", {{"why", status.error().message}});
  MutexLock lock(mutex_);
  in.over = true;
}

void Links::say(In& in, std::byte answer) {
  // One that hears nothing is cut; then nothing comes from it either.
  if (!wire::send_all(*in.transport, {&answer, 1}, monotonic_now() + kPatience).ok())
    in.transport->shutdown();
}

base::Status Links::serve_one(In& in) {
  wire::Transport& from = *in.transport;
  std::byte bytes[kMoveHead];
  FLEXAI_TRY(wire::receive_all(from, bytes, monotonic_now() + kIdle));
  FLEXAI_TRY_ASSIGN(const MoveHead head, decode_move_head(bytes));
  std::optional<LinkLanding> landing;
  {
    MutexLock lock(mutex_);
    landing = landing_;
  }
  const auto place =
      landing ? landing->open(head.ticket, head.size)
              : base::Result<std::span<std::byte>>(fail(Code::kDenied, "nobody is there"));
  const base::Status came = place.ok() ? receive_pieces(from, *place) : drop_bytes(from, head.size);
  in.closer.post([&in, landing, ticket = head.ticket, opened = place.ok(), there = came.ok()] {
    const bool taken = opened && landing->close(ticket, there).ok();
    if (there) say(in, taken ? kTaken : kNotTaken);
  });
  return came;
}

base::Status Links::open(base::Fd socket, const LinkOrder& order, Nanos deadline) {
  FLEXAI_TRY_ASSIGN(const auto tls, wire::TlsContext::with_key(order.key));
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags >= 0) ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK);
  FLEXAI_TRY_ASSIGN(auto transport, tls->secure(std::move(socket), "", deadline, order.name));
  // The host says that it has taken the key: it may have been used meanwhile.
  std::byte taken{};
  FLEXAI_TRY(wire::receive_all(*transport, {&taken, 1}, deadline));
  if (taken != kTaken) return fail(Code::kDenied, "the other worker does not take the link");
  const std::string name = transport->peer().key;
  std::vector<std::shared_ptr<Out>> old;  // ends without the lock
  MutexLock lock(mutex_);
  for (auto each = out_.begin(); each != out_.end();) {
    if (each->second->broken) old.push_back(each->second);
    each = each->second->broken ? out_.erase(each) : std::next(each);
  }
  if (cut_ || out_.size() >= kMostLinks)
    return fail(Code::kExhausted, "no more links from this worker");
  out_.insert_or_assign(name, std::make_shared<Out>(std::move(transport)));
  return {};
}

void Links::send(const std::string& link, const MoveTicket& ticket, wire::Bytes bytes, Sent sent) {
  std::shared_ptr<Out> out;
  {
    MutexLock lock(mutex_);
    const auto found = out_.find(link);
    if (found != out_.end()) out = found->second;
  }
  if (out == nullptr || bytes.size() > kMostMove)
    return sent(fail(Code::kNotFound, "there is no such link"));
  Out* raw = out.get();  // whose end waits for its tasks
  raw->sender.post([raw, ticket, bytes, sent = std::move(sent)] {
    base::Status gone =
        raw->broken ? base::Status(fail(Code::kUnavailable, "the link is cut")) : base::Status();
    if (gone.ok()) {
      const auto head = encode(MoveHead{ticket, bytes.size()});
      gone = wire::send_all(*raw->transport, head, monotonic_now() + kPatience);
      if (gone.ok()) gone = send_pieces(*raw->transport, bytes);
      if (!gone.ok()) raw->fail_all(gone);
    }
    raw->answers.post([raw, gone, sent] {
      if (!gone.ok()) return sent(gone);
      if (raw->broken) return sent(fail(Code::kUnavailable, "the link is cut"));
      raw->hear(sent);
    });
  });
}

}  // namespace flexai::remote
