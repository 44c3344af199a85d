// Where a measurement runs: a second process that serves one carrier, and connections to it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "wire/dial.h"

namespace flexai::bench {

// What the other process does with a connection.
enum class Service {
  kEcho,     // sends every byte back (raw)
  kSink,     // swallows everything; answers each whole `kStreamBytes` with one byte (raw)
  kSession,  // a wire::Host: lane 0 echoes, lane 1 counts
};

class Place {
 public:
  Place(wire::Carrier carrier, Service service);
  ~Place();

  const wire::Endpoint& endpoint() const { return endpoint_; }
  const std::shared_ptr<wire::TlsContext>& tls() const { return tls_; }
  std::unique_ptr<wire::Transport> dial() const;  // ends the program when it cannot

 private:
  wire::Endpoint endpoint_;
  std::shared_ptr<wire::TlsContext> tls_;
  std::string folder_;
  pid_t child_ = 0;
};

inline constexpr size_t kStreamBytes = 64u << 20;

wire::SessionOptions session_options();

// Of a Result the bench cannot go on without.
template <typename T>
T need(base::Result<T> result) {
  if (!result.ok()) {
    fprintf(stderr, "wire_bench: %s\n", result.error().message.c_str());
    exit(1);
  }
  return std::move(result).value();
}

}  // namespace flexai::bench
