// Host: the side that is connected to. Reads the hello of each fresh connection and makes a
// session, takes one up again, or refuses with a text. Threads: serve() from any number of threads;
// it blocks for the time of one handshake at most.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "wire/session.h"

namespace flexai::wire {

struct HostOptions {
  SessionOptions session;  // for every session; on_end is per session, see admit
  // Whether the client may have a session: the opaque note for its welcome, or an error whose code
  // becomes the refusal's (kExhausted: full; others: denied). Not set: everybody may.
  std::function<base::Result<std::vector<std::byte>>(const Hello&, const Peer&)> admit;
  // Whoever was admitted could not be told so and has no session: it may come again, or be gone.
  std::function<void(const Peer&)> on_given_up;
  // Another host hands a session on over this connection, and shows a ticket. Not set: refused.
  std::function<base::Status(std::unique_ptr<Transport>, Bytes ticket)> on_adopt;
  // A session was made; whoever keeps the pointer keeps the session. Called in serve().
  std::function<void(std::shared_ptr<Session>)> on_session;
};

class Host {
 public:
  explicit Host(HostOptions options) : options_(std::move(options)) {}

  // Reads the hello on `transport` and answers it. An error is for the log: the client was told.
  base::Status serve(std::unique_ptr<Transport> transport);

  // A session of Session::adopt(): its client will be let in. Before it can come.
  void take_in(const std::shared_ptr<Session>& session);

  size_t sessions() const;  // alive

 private:
  base::Status refuse(Transport& transport, RefusalCode code, const std::string& text);
  base::Status begin(std::unique_ptr<Transport> transport, const Hello& hello);
  base::Result<std::shared_ptr<Session>> open(std::unique_ptr<Transport> transport,
                                              const Hello& hello, Bytes note);
  base::Status again(std::unique_ptr<Transport> transport, const Hello& hello);
  std::shared_ptr<Session> find(const SessionId& id);

  const HostOptions options_;
  mutable base::Mutex mutex_;
  std::map<SessionId, std::weak_ptr<Session>> sessions_ FLEXAI_GUARDED_BY(mutex_);
};

// Answers whatever the first frame on `transport` asks with `refusal`: for a session that is not
// there any more.
base::Status turn_away(Transport& transport, const Refusal& refusal, base::Nanos deadline);

}  // namespace flexai::wire
