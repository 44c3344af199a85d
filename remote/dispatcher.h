// Dispatcher: the worker's end of a session of calls: takes them in order and hands each to a
// handler; replies and pushes may come from any thread.
//
// Threads: one call is handled at a time, by whichever thread has the lead (leader/followers). A
// handler that is about to wait for long steps aside (Away): another thread takes the lead, and
// further calls are handled until it comes back. reply() and push() from any thread, also later
// than their call. Memory: one call, in parts, at most kMostCall; at most 16 threads step aside,
// further ones keep the others waiting. Everything that arrives is hostile: what breaks the format
// ends the session with a text.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "remote/message.h"
#include "wire/lane.h"
#include "wire/session.h"

namespace flexai::remote {

struct Call {
  uint16_t entry = 0;
  uint32_t number = 0;  // 0: told, no reply is due
  wire::Bytes body;     // valid until the handler returns or steps aside
  bool stays = false;   // it came in parts: the body is valid until the handler returns
};

class Dispatcher {
 public:
  // `session` outlives it.
  static base::Result<std::unique_ptr<Dispatcher>> make(wire::Session& session);
  ~Dispatcher();  // waits for handlers that stepped aside

  // Serves until the session has ended, whose reason it returns, at once. An error of the handler
  // ends it: the call broke the format. Once.
  using Handler = std::function<base::Status(const Call&)>;
  base::Status run(Handler handler);

  static bool handling();  // whether this thread does
  // What has come of a call that travels in parts. REQUIRES: nobody takes a message meanwhile.
  const std::vector<std::byte>& parts() const { return parts_; }
  void set_parts(std::vector<std::byte> parts) { parts_ = std::move(parts); }  // before run()
  // Within a handler, while its driver takes long: other calls are handled meanwhile. Elsewhere it
  // does nothing.
  class Away {
   public:
    Away();
    ~Away();
    Away(const Away&) = delete;
    Away& operator=(const Away&) = delete;

   private:
    Dispatcher* from_ = nullptr;
  };

  // Once for each call that has a number.
  base::Status reply(uint32_t number, int32_t code, wire::Bytes results = {});
  base::Status push(uint32_t kind, wire::Bytes body, wire::Push push = wire::Push::kNow);
  void flush();  // what was pushed for later

 private:
  Dispatcher(wire::Session& session, wire::Lane* lane) : session_(session), lane_(lane) {}
  void serve();
  bool take_lead();
  base::Status next();
  base::Status take(const wire::Message& message);
  bool step_aside();

  wire::Session& session_;
  wire::Lane* const lane_;
  Handler handler_;
  std::vector<std::byte> parts_;  // of a long call; the leader's

  std::mutex turn_;  // held while a call is handled
  std::mutex mutex_;
  std::condition_variable changed_;
  bool led_ = false;
  int followers_ = 0;
  std::optional<base::Status> over_;  // why
  std::vector<std::thread> threads_;
};

}  // namespace flexai::remote
