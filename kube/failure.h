// Failure: why a request to the API server did not do what it should. A plain value. Source: the
// Status object of Kubernetes' API conventions ("Response Status Kind"). Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace flexai::kube {

inline constexpr base::Nanos kNoWish = -1;

struct Failure {
  base::Code code = base::Code::kInternal;
  std::string message;  // one line
  int http = 0;         // 0: no answer came
  std::string reason;   // the server's word: AlreadyExists, Conflict, Expired...
  std::string cause;    // of its details: DisruptionBudget, ResourceVersionTooLarge...
  base::Nanos retry_after = kNoWish;  // how long the server wants us to wait
  bool unprocessed = false;           // the server has certainly not acted on the request

  // What was listed or watched is too old; only a new list helps.
  bool expired() const { return http == 410; }
  base::Error error() const { return base::fail(code, message); }
};

// Reads an answer that is no success. `body` may be anything: what is no Status object gives the
// code and its first line. `retry_after` is the header, seconds; dates are not understood.
Failure failure_of(int http, std::string_view body, std::string_view retry_after);

// A Status object that came by other ways than an answer's body: the last event of a watch.
Failure failure_of_status(std::string_view json);

// No answer came.
Failure no_answer(base::Code code, std::string message, bool unprocessed);

// Seconds as the header has them, at most an hour; kNoWish for anything else.
base::Nanos wish_of(std::string_view retry_after);

}  // namespace flexai::kube
