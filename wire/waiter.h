// A thread that waits for its session while another one is the reader. Included by the session's
// sources only.
#pragma once

#include "wire/session.h"

namespace flexai::wire {

struct Session::Waiter {
  explicit Waiter(Lane* l = nullptr) : lane(l) {}
  Lane* const lane;    // whose message it waits for; null: any change
  bool any = false;    // waits in receive_any()
  bool sinks = false;  // waits for what a sink does
  std::atomic<uint32_t> word{0};
  Waiter* next = nullptr;
  Waiter** here = nullptr;
};

}  // namespace flexai::wire
