#include "wire/host.h"

#include "wire/exchange.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::MutexLock;
using base::Nanos;

base::Status Host::refuse(Transport& transport, RefusalCode code, const std::string& text) {
  Writer writer;
  encode(Refusal{.code = code, .text = text}, writer);
  Nanos deadline = base::monotonic_now() + options_.session.handshake;
  FLEXAI_TRY(send_frame(transport, FrameType::kRefuse, writer.bytes(), deadline));
  return error_of({.code = code, .text = text});
}

base::Status turn_away(Transport& transport, const Refusal& refusal, Nanos deadline) {
  FLEXAI_TRY_ASSIGN([[maybe_unused]] Frame asked, receive_frame(transport, kMaxGreeting, deadline));
  Writer writer;
  encode(refusal, writer);
  return send_frame(transport, FrameType::kRefuse, writer.bytes(), deadline);
}

base::Status Host::serve(std::unique_ptr<Transport> transport) {
  Nanos deadline = base::monotonic_now() + options_.session.handshake;
  FLEXAI_TRY_ASSIGN(Frame frame, receive_frame(*transport, kMaxGreeting, deadline));
  if (frame.header.type == FrameType::kAdopt && options_.on_adopt)
    return options_.on_adopt(std::move(transport), frame.payload);
  if (frame.header.type != FrameType::kHello)
    return refuse(*transport, RefusalCode::kBroken, "a connection begins with a hello");
  auto hello = decode_hello(frame.payload);
  if (!hello.ok()) return refuse(*transport, RefusalCode::kBroken, hello.error().message);
  RefusalCode code{};
  std::string why = mismatch(hello->version, options_.session.version, code);
  if (!why.empty()) return refuse(*transport, code, why);
  if (is_none(hello->session)) return begin(std::move(transport), *hello);
  return again(std::move(transport), *hello);
}

base::Status Host::begin(std::unique_ptr<Transport> transport, const Hello& hello) {
  if (hello.purpose != Purpose::kCommands)
    return refuse(*transport, RefusalCode::kBroken, "bulk data needs a session first");
  std::vector<std::byte> note;
  if (options_.admit) {
    auto admitted = options_.admit(hello, transport->peer());
    if (!admitted.ok()) {
      bool full = admitted.error().code == Code::kExhausted;
      return refuse(*transport, full ? RefusalCode::kFull : RefusalCode::kDenied,
                    admitted.error().message);
    }
    note = std::move(admitted).value();
  }
  const Peer peer = transport->peer();
  auto opened = open(std::move(transport), hello, note);
  if (!opened.ok()) {
    if (options_.on_given_up) options_.on_given_up(peer);
    return opened.error();
  }
  if (options_.on_session) options_.on_session(std::move(*opened));
  return {};
}

base::Result<std::shared_ptr<Session>> Host::open(std::unique_ptr<Transport> transport,
                                                  const Hello& hello, Bytes note) {
  FLEXAI_TRY_ASSIGN(std::shared_ptr<Session> session,
                    Session::prepare(transport->peer(), hello, options_.session));
  // Known before the client is told: it may lose its connection and ask for it at once.
  {
    MutexLock lock(mutex_);
    std::erase_if(sessions_, [](const auto& entry) { return entry.second.expired(); });
    sessions_[session->id()] = session;
  }
  FLEXAI_TRY(session->open(std::move(transport), hello, note));
  return session;
}

base::Status Host::again(std::unique_ptr<Transport> transport, const Hello& hello) {
  std::shared_ptr<Session> session = find(hello.session);
  if (session == nullptr)
    return refuse(*transport, RefusalCode::kUnknownSession,
                  "session " + text_of(hello.session) + " is not known here: it has ended");
  auto resumed = hello.purpose == Purpose::kBulk ? session->take_bulk(transport, hello)
                                                 : session->resume(transport, hello);
  if (resumed.ok() || transport == nullptr) return resumed;
  switch (resumed.error().code) {
    case Code::kNotFound:
      return refuse(*transport, RefusalCode::kUnknownSession, resumed.error().message);
    case Code::kDenied:
      return refuse(*transport, RefusalCode::kDenied, resumed.error().message);
    case Code::kConflict:
      return refuse(*transport, RefusalCode::kStale, resumed.error().message);
    case Code::kCorrupt:
      return refuse(*transport, RefusalCode::kBroken, resumed.error().message);
    default:
      return resumed;
  }
}

void Host::take_in(const std::shared_ptr<Session>& session) {
  MutexLock lock(mutex_);
  sessions_[session->id()] = session;
}

std::shared_ptr<Session> Host::find(const SessionId& id) {
  MutexLock lock(mutex_);
  auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.lock();
}

size_t Host::sessions() const {
  MutexLock lock(mutex_);
  size_t alive = 0;
  for (const auto& [id, session] : sessions_) {
    auto held = session.lock();
    alive += held != nullptr && !held->ended();
  }
  return alive;
}

}  // namespace flexai::wire
