// Relay: accepts connections and passes their bytes on to another endpoint under conditions that
// can be changed while it runs. README.md has the lines it obeys. Threads: one runs run(); obey()
// goes through a pipe, from any thread.
#pragma once

#include <iosfwd>
#include <list>
#include <memory>
#include <string>

#include "base/fd.h"
#include "test/link/flow.h"
#include "wire/endpoint.h"

namespace flexai::link {

class Relay {
 public:
  static base::Result<std::unique_ptr<Relay>> make(const wire::Endpoint& listen,
                                                   const wire::Endpoint& to);
  const wire::Endpoint& endpoint() const { return endpoint_; }
  Conditions& conditions() { return conditions_; }  // before run()

  // Until "quit" or the end of `commands` (a descriptor with lines; -1 none).
  void run(int commands, int answers);

 private:
  enum class Way { kFin, kReset, kSilence, kHalf };
  struct Pair {
    base::Fd client, host;
    Flow up, down;
    Way at_limit = Way::kFin;
    bool silent = false, half = false, over = false;
  };

  Relay(wire::Endpoint endpoint, wire::Endpoint to, base::Fd listener);
  void accept();
  void move(Pair& pair, base::Nanos now);
  void cut(Pair& pair, Way way);
  base::Status obey(const std::string& line, int answers);
  base::Status obey_after(std::istringstream& words);
  bool read_commands(int commands, int answers);  // false: quit
  void wait(int commands);

  const wire::Endpoint endpoint_, to_;
  const base::Fd listener_;
  Conditions conditions_;
  std::list<Pair> pairs_;
  bool refusing_ = false;
  uint64_t connections_ = 0, bytes_up_ = 0, bytes_down_ = 0;
  uint64_t limit_ = UINT64_MAX;  // of the next connection
  bool limit_up_ = true;
  Way limit_way_ = Way::kFin;
  std::string input_;
  bool quit_ = false;
};

}  // namespace flexai::link
