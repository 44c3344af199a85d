// Result<T>: a value or an Error. The only way errors travel in our code; nothing of ours throws.
// Not thread-safe; a plain value type.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace flexai::base {

// The ten codes. Four tables at the edges map them: driver codes, gRPC, HTTP (agent/http), exit
// code (apps).
enum class Code {
  kInvalid,      // the request itself is wrong
  kNotFound,     // what it names does not exist
  kExhausted,    // no room: memory, share, slots
  kDenied,       // not allowed
  kUnavailable,  // not there now, may be later
  kTimeout,
  kUnsupported,
  kConflict,  // clashes with present state: name taken, second agent
  kCorrupt,   // stored or received bytes make no sense
  kInternal,
};

const char* code_name(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string message;  // one line: names the thing and, where there is one, the way out
};

struct Unit {};

template <typename T = Unit>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  Result() requires std::is_same_v<T, Unit> : state_(std::in_place_index<0>, Unit{}) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok()
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !ok()
  const Error& error() const { return std::get<1>(state_); }

  // The same result, an error's message prefixed with `what` ("reading /x: ...").
  Result with_context(const std::string& what) && {
    if (ok()) return std::move(*this);
    return Error{error().code, what + ": " + error().message};
  }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<Unit>;

inline Error fail(Code code, std::string message) { return Error{code, std::move(message)}; }
// An Error whose message ends with the text of errno; the code follows errno where it is telling.
Error fail_errno(const std::string& what);

}  // namespace flexai::base

// TRY(expr): return the error of a Status. TRY_ASSIGN(auto x, expr): unwrap a Result or return its
// error.
#define FLEXAI_CONCAT_(a, b) a##b
#define FLEXAI_CONCAT(a, b) FLEXAI_CONCAT_(a, b)
#define FLEXAI_TRY(expr)                               \
  do {                                                 \
    auto&& flexai_try_ = (expr);                       \
    if (!flexai_try_.ok()) return flexai_try_.error(); \
  } while (0)
#define FLEXAI_TRY_ASSIGN(decl, expr) \
  FLEXAI_TRY_ASSIGN_(FLEXAI_CONCAT(flexai_r_, __LINE__), decl, expr)
#define FLEXAI_TRY_ASSIGN_(tmp, decl, expr) \
  auto tmp = (expr);                        \
  if (!tmp.ok()) return tmp.error();        \
  decl = std::move(tmp).value()
