// Dispatcher: the worker's end of a session of calls: one thread takes them in order and hands each
// to a handler; replies and pushes may come from any thread.
//
// Threads: run() on one; reply() and push() from any, also later than their call. Memory: one call,
// in parts, at most kMostCall. Everything that arrives is hostile: what breaks the format ends the
// session with a text.
#pragma once

#include <functional>
#include <vector>

#include "remote/message.h"
#include "wire/lane.h"
#include "wire/session.h"

namespace flexai::remote {

struct Call {
  uint16_t entry = 0;
  uint32_t number = 0;  // 0: told, no reply is due
  wire::Bytes body;     // valid until the handler returns
};

class Dispatcher {
 public:
  // `session` outlives it.
  static base::Result<std::unique_ptr<Dispatcher>> make(wire::Session& session);

  // Serves until the session has ended, whose reason it returns. An error of the handler ends it:
  // the call broke the format.
  using Handler = std::function<base::Status(const Call&)>;
  base::Status run(const Handler& handler);

  // Once for each call that has a number.
  base::Status reply(uint32_t number, int32_t code, wire::Bytes results = {});
  base::Status push(uint32_t kind, wire::Bytes body, wire::Push push = wire::Push::kNow);

 private:
  Dispatcher(wire::Session& session, wire::Lane* lane) : session_(session), lane_(lane) {}
  base::Status take(const wire::Message& message, const Handler& handler);

  wire::Session& session_;
  wire::Lane* const lane_;
  std::vector<std::byte> parts_;  // of a long call
};

}  // namespace flexai::remote
